//! The differences on purpose. The table is also a section of docs/COMPATIBILITY.md.

use std::fs;

use tokenkeep_test_support::workspace_root;

use crate::{compare::Line, world::NOW};

pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// The sentences about it in the document.
    says: &'static str,
    /// Whether a line follows from it, whatever the case.
    rule: fn(&Line, u64) -> bool,
}

/// A difference that the lines of its cases show.
const fn case(name: &'static str, says: &'static str) -> Difference {
    Difference { name, says, rule: |_, _| false }
}

/// A difference that any case may show.
const fn rule(name: &'static str, says: &'static str, rule: fn(&Line, u64) -> bool) -> Difference {
    Difference { name, says, rule }
}

/// The name of the difference that a line follows from, whatever the case. `now` is the time of the
/// last call.
pub(crate) fn rule_of(line: &Line, now: u64) -> Option<&'static str> {
    Some(DIFFERENCES.iter().find(|known| (known.rule)(line, now))?.name)
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    // Which token of the cache answers.
    rule(
        "expired tokens",
        "Expired access tokens stay until `remove_expired`. The reference removes them while it \
         looks for one.",
        is_expired,
    ),
    case("the margin", "A token of five minutes is used. The reference renews it at each call."),
    case(
        "no account",
        "A request without an account is for the only one there is. The reference returns nothing.",
    ),
    case(
        "a valid token under another name",
        "A valid token under another name of the cloud answers. The reference first spends a \
         refresh token under the authority's own name.",
    ),
    // Which refresh token is spent.
    case(
        "order",
        "The newest refresh token is spent first, whether it is the client's or its family's, and \
         under whatever name of the cloud. The reference spends the family's first, and those \
         under the authority's own name before others.",
    ),
    case(
        "three requests",
        "One call sends three requests at most. The reference tries every refresh token.",
    ),
    case(
        "not of the token",
        "After an error that is not about the refresh token, such as `interaction_required` or \
         `invalid_client`, no other one is spent. The reference goes on.",
    ),
    case(
        "sent twice",
        "A request that was sent and has no answer is sent once more. The reference fails.",
    ),
    // What the form has.
    rule(
        "client_info",
        "`client_info` is asked for in Microsoft's clouds, and not for an application's own token. \
         The reference asks for it everywhere.",
        |line, _| line.is("form: client_info: msal `1`; ours none"),
    ),
    rule(
        "scopes elsewhere",
        "Outside Microsoft's clouds a form has the scopes of the refresh token, or those of the \
         request. The reference adds `openid`, `profile` and `offline_access`.",
        |line, _| line.is("form: scope: msal `offline_access openid profile s`; ours `s`"),
    ),
    case(
        "scopes elsewhere decide",
        "Outside Microsoft's clouds a refresh token for the scopes of the request is spent before \
         a newer one for others. The reference spends the newest.",
    ),
    // What a failure is.
    case(
        "an aging token",
        "A token that should be renewed is returned whatever keeps it from being renewed. The \
         reference fails if the provider answers with a status of 500 or more, or with a page.",
    ),
    case(
        "not in the family",
        "A refused refresh token of the family is `SignInNeeded`, with what the provider said. The \
         reference returns nothing if it did not know the client and has no token of its own.",
    ),
    case(
        "too many requests",
        "`slow_down` and the like, and the status 429, are `ProviderUnavailable`, with a time. The \
         reference returns the error as it came.",
    ),
    case(
        "five seconds",
        "Without `Retry-After` a provider with a status of 500 or more is asked again after 5 s. \
         The reference waits for 60 s.",
    ),
    case(
        "asked again at once",
        "What is wrong with the request or the program, such as `invalid_scope`, may be tried \
         again at once. The reference repeats any answer with status 400 for 60 s.",
    ),
    case(
        "neither token nor error",
        "An object with neither a token nor an error is `ProviderAnswer`. The reference returns \
         nothing if it is empty.",
    ),
    // What is stored.
    rule(
        "used again",
        "A refresh token that the provider does not replace gets the time of its use. In the \
         reference it keeps the time of its issue.",
        is_used_again,
    ),
    case(
        "an empty refresh token",
        "An empty refresh token in an answer is none. The reference stores it in place of the good \
         one.",
    ),
    case(
        "scopes of the request",
        "If the answer names no scopes, those of the request were granted. The reference also \
         stores `openid`, `profile` and `offline_access`, which it had added.",
    ),
    rule(
        "requested_target",
        "What was asked for is kept in `requested_target` if other scopes were granted, so that \
         the same request is answered by that token. The reference renews at each call.",
        |line, _| line.is_field("AccessToken", "requested_target"),
    ),
    case(
        "a smaller grant",
        "A token that was granted fewer scopes answers the request that it was issued for.",
    ),
    case(
        "whose token",
        "An answer that does not say whose it is belongs to the account of the spent refresh \
         token. The reference stores a token without an account, which it does not find.",
    ),
    case(
        "another user",
        "An answer for another user is an error, and nothing of it is stored. The reference stores \
         its tokens under the other user, and its refresh token under the first one.",
    ),
    case(
        "the authority's own name",
        "What a refresh token under another name of the cloud brings is stored under the \
         authority's own name. The reference stores it under the other name.",
    ),
    case(
        "another key",
        "A refresh token under another key than its own is replaced. The reference leaves it and \
         adds a second one.",
    ),
    case(
        "the same refresh token twice",
        "Each entry that has the spent refresh token gets the new one. The reference changes the \
         entry that it took it from.",
    ),
    rule("grant_type", "An application's own token has a field `grant_type`.", |line, _| {
        line.is_field("AccessToken", "grant_type")
    }),
    rule(
        "issuer",
        "Outside Microsoft's clouds entries have a field `issuer`.",
        |line, _| matches!(line, Line::Field { field, .. } if field == "issuer"),
    ),
];

/// An expired access token that is left here.
fn is_expired(line: &Line, now: u64) -> bool {
    let Line::Entry { is_ours: true, section, entry, .. } = line else { return false };
    let expires_on = entry["expires_on"].as_str().and_then(|time| time.parse::<u64>().ok());
    section == "AccessToken" && expires_on.is_some_and(|time| time < now)
}

/// A refresh token that was spent here has the time of a call.
fn is_used_again(line: &Line, _: u64) -> bool {
    let Line::Field { section, field, theirs, ours, .. } = line else { return false };
    let [theirs, ours] = [theirs, ours].map(|time| time.as_str()?.parse::<u64>().ok());
    (section, field.as_str()) == (&"RefreshToken".to_owned(), "last_modification_time")
        && ours.is_some_and(|ours| ours >= NOW && theirs.is_some_and(|theirs| theirs < ours))
}

#[test]
fn the_document_has_the_differences_of_the_table() {
    let path = workspace_root().join("docs/COMPATIBILITY.md");
    let text = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let (_, found) = text.split_once(HEADING).expect("the section begins");
    let (found, _) = found.split_once("\n\n##").expect("the section ends");
    let found = found.rsplit("\n\n").next().unwrap().trim();
    let items: Vec<String> = DIFFERENCES.iter().map(|known| item(known.says)).collect();
    let items = items.concat();
    assert_eq!(found, items.trim(), "docs/COMPATIBILITY.md has another list than this:\n{items}");
}

/// An item of a list, in lines of at most 100 columns.
fn item(text: &str) -> String {
    let (mut item, mut column) = ("-".to_owned(), 1);
    for word in text.split(' ') {
        if column + 1 + word.chars().count() > 100 {
            item.push_str("\n ");
            column = 1;
        }
        item.push(' ');
        item.push_str(word);
        column += 1 + word.chars().count();
    }
    item + "\n"
}

const HEADING: &str = "\n### Silent sign-in";
