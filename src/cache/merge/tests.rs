use super::*;

/// A cache with this JSON, where `'` stands for `"`.
fn cache(json: &str) -> TokenCache {
    TokenCache::from_json(json.replace('\'', "\"").as_bytes()).unwrap()
}

fn refresh_token(secret: &str, modified: &str) -> String {
    format!(
        "{{'secret': '{secret}', 'home_account_id': 'h', 'environment': 'e', 'client_id': 'c', \
          'target': 's'{modified}}}"
    )
}

fn access_token(secret: &str, times: &str) -> String {
    format!(
        "{{'secret': '{secret}', 'home_account_id': 'h', 'environment': 'e', 'client_id': 'c', \
          'realm': 'r', 'target': 's'{times}}}"
    )
}

fn section(kind: &str, entries: &[(&str, String)]) -> TokenCache {
    let entries: Vec<String> = entries.iter().map(|(k, entry)| format!("'{k}': {entry}")).collect();
    cache(&format!("{{'{kind}': {{{}}}}}", entries.join(", ")))
}

fn text(cache: &TokenCache) -> String {
    str::from_utf8(cache.to_json().expose()).unwrap().to_owned()
}

fn count(imported: usize, outdated: usize, unchanged: usize) -> MergedEntries {
    MergedEntries { imported, outdated, unchanged }
}

#[test]
fn a_merge_is_idempotent_and_says_what_came() {
    let other = cache(
        "{'AccessToken': {'a': {'secret': 'x', 'n': 1E5}}, 'Account': {'b': {'foo': ['\\ud800']}}, \
          'customized': [1e400], 'RefreshToken': {}}",
    );
    let mut ours = cache("{'IdToken': {'k': {'foo': 'bar'}}, 'also': 1}");
    let merged = ours.merge(&other).unwrap();
    assert_eq!(merged.entries(CredentialType::AccessToken), count(1, 0, 0));
    assert_eq!(merged.entries(CredentialType::Account), count(1, 0, 0));
    assert_eq!(merged.entries(CredentialType::IdToken), count(0, 0, 0));
    assert_eq!(merged.sections(), MergedSections { imported: 1, skipped: 0 });
    assert!(merged.is_change());
    let once = text(&ours);
    for part in ["1E5", "\\ud800", "1e400", "\"foo\": \"bar\"", "\"also\": 1"] {
        assert!(once.contains(part), "{part} in {once}");
    }
    let before = ours.clone();
    let again = ours.merge(&other).unwrap();
    assert_eq!(again.entries(CredentialType::AccessToken), count(0, 0, 1));
    assert!(!again.is_change() && ours.has_same_content(&before));
}

#[test]
fn of_two_refresh_tokens_the_one_that_was_written_later_stays() {
    let at = |time: &str| refresh_token(time, &format!(", 'last_modification_time': '{time}'"));
    let none = || refresh_token("none", "");
    for (held, imported, stays, became) in [
        (at("100"), at("99"), "100", count(0, 1, 0)),
        (at("100"), at("101"), "101", count(1, 0, 0)),
        (at("99"), at("100"), "100", count(1, 0, 0)),
        (at("100"), none(), "100", count(0, 1, 0)),
        (none(), at("1"), "1", count(1, 0, 0)),
        (none(), refresh_token("imported", ""), "imported", count(1, 0, 0)),
    ] {
        let mut ours = section("RefreshToken", &[("k", held)]);
        let other = section("RefreshToken", &[("k", imported)]);
        let merged = ours.merge(&other).unwrap();
        assert_eq!(merged.entries(CredentialType::RefreshToken), became, "{stays}");
        let kept: Vec<_> = ours.entries(CredentialType::RefreshToken).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].secret(), Some(stays));
        let before = ours.clone();
        ours.merge(&other).unwrap();
        assert!(ours.has_same_content(&before), "{stays}");
    }
}

#[test]
fn of_two_access_tokens_the_one_that_was_cached_later_stays_or_expires_later() {
    let times = |cached: i64, expires: i64| {
        let times = format!(", 'cached_at': '{cached}', 'expires_on': '{expires}'");
        access_token(&format!("{cached} {expires}"), &times)
    };
    for (held, imported, stays) in [
        (times(1000, 4600), times(999, 9999), "1000 4600"),
        (times(999, 9999), times(1000, 4600), "1000 4600"),
        (times(1000, 4600), times(1000, 4599), "1000 4600"),
        (times(1000, 4599), times(1000, 4600), "1000 4600"),
        (times(1000, 4600), access_token("none", ""), "1000 4600"),
        (access_token("none", ""), access_token("imported", ""), "imported"),
    ] {
        let mut ours = section("AccessToken", &[("k", held)]);
        ours.merge(&section("AccessToken", &[("k", imported)])).unwrap();
        let kept: Vec<_> = ours.entries(CredentialType::AccessToken).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].secret(), Some(stays));
    }
}

#[test]
fn of_two_id_tokens_the_one_that_was_issued_later_stays() {
    // {"iat":1} and {"iat":2} in base64url
    let (early, late) = ("h.eyJpYXQiOjF9.s", "h.eyJpYXQiOjJ9.s");
    let entry = |secret: &str| format!("{{'secret': '{secret}', 'home_account_id': 'h'}}");
    for (held, imported, stays) in [
        (late, early, late),
        (early, late, late),
        (late, "opaque", late),
        ("opaque", "imported", "imported"),
    ] {
        let mut ours = section("IdToken", &[("k", entry(held))]);
        ours.merge(&section("IdToken", &[("k", entry(imported))])).unwrap();
        let kept: Vec<_> = ours.entries(CredentialType::IdToken).collect();
        assert_eq!((kept.len(), kept[0].secret()), (1, Some(stays)));
    }
}

#[test]
fn entries_with_the_same_fields_under_other_spellings_are_replaced_together_or_not_at_all() {
    let at = |time: &str| refresh_token(time, &format!(", 'last_modification_time': '{time}'"));
    let held =
        || section("RefreshToken", &[("one", at("10")), ("two", at("20")), ("x", "{}".into())]);
    let mut ours = held();
    let merged = ours.merge(&section("RefreshToken", &[("three", at("15"))])).unwrap();
    assert_eq!(merged.entries(CredentialType::RefreshToken), count(0, 1, 0));
    assert!(ours.has_same_content(&held()));
    let merged = ours.merge(&section("RefreshToken", &[("three", at("30"))])).unwrap();
    assert_eq!(merged.entries(CredentialType::RefreshToken), count(1, 0, 0));
    let kept: Vec<_> = ours.entries(CredentialType::RefreshToken).map(Entry::secret).collect();
    assert_eq!(kept, [Some("30"), None], "the odd one under a key of its own is kept");
}

#[test]
fn of_several_spellings_in_the_other_cache_the_newest_comes_and_of_equals_the_last() {
    let at = |time: &str| refresh_token(time, &format!(", 'last_modification_time': '{time}'"));
    let newest_first = section("RefreshToken", &[("a", at("20")), ("b", at("10"))]);
    let equals = section(
        "RefreshToken",
        &[("a", refresh_token("first", "")), ("b", refresh_token("last", ""))],
    );
    for (other, comes) in [(newest_first, "20"), (equals, "last")] {
        let mut ours = TokenCache::new();
        for expected in [count(1, 1, 0), count(0, 1, 1)] {
            let merged = ours.merge(&other).unwrap();
            assert_eq!(merged.entries(CredentialType::RefreshToken), expected, "{comes}");
        }
        let kept: Vec<_> = ours.entries(CredentialType::RefreshToken).map(Entry::secret).collect();
        assert_eq!(kept, [Some(comes)]);
    }
}

#[test]
fn the_same_fields_in_another_order_are_the_same_entry() {
    let mut ours = cache("{'Account': {'k': {'a': 1, 'b': {'c': 2}}, 'odd': 5, 'list': [1]}}");
    let before = ours.clone();
    let other = cache("{'Account': {'k': {'b': {'c': 2}, 'a': 1}, 'odd': 5, 'list': [1]}}");
    let merged = ours.merge(&other).unwrap();
    assert_eq!(merged.entries(CredentialType::Account), count(0, 0, 3));
    assert!(ours.has_same_content(&before));
    let another = cache("{'Account': {'k': {'b': {'c': 2}}, 'odd': 6, 'list': [2]}}");
    let merged = ours.merge(&another).unwrap();
    assert_eq!(merged.entries(CredentialType::Account), count(3, 0, 0));
}

#[test]
fn foreign_entries_stand_beside_each_other_whatever_they_lack() {
    let mut ours = cache("{'Account': {'one': {'foo': 1}}}");
    let other = cache("{'Account': {'two': {'foo': 2}, 'three': [3], 'one': {'foo': 1}}}");
    let merged = ours.merge(&other).unwrap();
    assert_eq!(merged.entries(CredentialType::Account), count(2, 0, 1));
    let all = cache("{'Account': {'one': {'foo': 1}, 'two': {'foo': 2}, 'three': [3]}}");
    assert!(ours.has_same_content(&all), "{}", text(&ours));
}

#[test]
fn sections_of_the_same_unknown_name_stay_and_those_that_are_no_objects_do_not_come() {
    let mut ours = cache("{'mine': 1, 'same': [2]}");
    let other = cache("{'mine': 2, 'same': [2], 'AccessToken': [3], 'Account': {}}");
    let merged = ours.merge(&other).unwrap();
    assert_eq!(merged.sections(), MergedSections { imported: 0, skipped: 2 });
    assert!(!merged.is_change() && ours.has_same_content(&cache("{'mine': 1, 'same': [2]}")));
}

#[test]
fn what_is_no_cache_or_cannot_be_written_is_refused_and_nothing_comes() {
    let mut ours = cache("{'RefreshToken': 1}");
    let event = cache("{'client_id': 'c', 'response': {'access_token': 'x'}}");
    assert!(matches!(ours.merge(&event), Err(Error::Invalid { .. })));
    let whole = cache("{'new': 1, 'AccessToken': {'k': {}}, 'RefreshToken': {'k': {}}}");
    assert!(matches!(ours.merge(&whole), Err(Error::Corrupt { .. })));
    assert!(ours.has_same_content(&cache("{'RefreshToken': 1}")));
    assert!(!ours.touched);
    assert!(!ours.merge(&TokenCache::new()).unwrap().is_change());
}
