//! Shapes of content that somebody could send.

use std::fmt::Write as _;

use crate::work::{FIND, FIND_ALL_SCOPES, MERGE, READ, REMOVE, SEARCH, Work};

/// A document of any size.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The document of about so many bytes; two editions differ in their secrets.
    pub(crate) document: fn(usize, char) -> String,
    pub(crate) works: &'static [&'static Work],
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "one key of a section again and again, for two accounts in turn",
        document: |size, edition| {
            let item = |nth: usize| {
                let key = if nth.is_multiple_of(2) { "k".to_owned() } else { format!("k{nth}") };
                let home = ["h", "i"][nth / 2 % 2];
                format!("\"{key}\":{}", token(nth, home, &format!("s{nth}"), edition))
            };
            filled("{\"AccessToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &FIND, &SEARCH],
    },
    Shape {
        name: "all keys of a section again, for another account",
        document: |size, edition| {
            let mut half = String::new();
            for home in ["h", "i", "h"] {
                let item =
                    |nth| format!("\"k{nth}\":{}", token(nth, home, &format!("s{nth}"), edition));
                half = filled(
                    &format!("{half}{}", if half.is_empty() { "" } else { "," }),
                    &item,
                    "",
                    size / 3 + half.len(),
                );
            }
            format!("{{\"AccessToken\":{{{half}}}}}")
        },
        works: &[&READ, &MERGE, &FIND, &SEARCH],
    },
    Shape {
        name: "access tokens of one account",
        document: |size, edition| signed_in(size, edition, |_| 0),
        works: &[&READ, &MERGE, &FIND, &SEARCH, &REMOVE],
    },
    Shape {
        name: "accounts",
        document: |size, edition| signed_in(size, edition, |nth| nth),
        works: &[&READ, &MERGE, &FIND, &SEARCH, &REMOVE],
    },
    Shape {
        name: "many scopes under long names",
        document: |size, edition| {
            let long = "x".repeat(size / 8);
            let fields = format!(
                "\"home_account_id\":\"{long}\",\"environment\":\"{long}\",\"client_id\":\"{long}\",\
                 \"realm\":\"{long}\",\"expires_on\":\"9999999999\",\"secret\":\"{edition}\""
            );
            let prefix = format!("{{\"AccessToken\":{{\"k\":{{{fields},\"target\":\"");
            filled_with(" ", &prefix, &|nth| format!("s{nth:06}"), "\"}}}", size)
        },
        works: &[&READ, &MERGE, &FIND_ALL_SCOPES, &SEARCH],
    },
    Shape {
        name: "many long scopes under long names",
        document: |size, edition| {
            let long = "x".repeat(size / 8);
            let fields = format!(
                "\"home_account_id\":\"{long}\",\"environment\":\"{long}\",\"client_id\":\"{long}\",\
                 \"realm\":\"{long}\",\"expires_on\":\"9999999999\",\"secret\":\"{edition}\""
            );
            let prefix = format!("{{\"AccessToken\":{{\"k\":{{{fields},\"target\":\"");
            filled_with(
                " ",
                &prefix,
                &|nth| format!("https://graph.example/{nth:026}"),
                "\"}}}",
                size,
            )
        },
        works: &[&READ, &MERGE, &FIND_ALL_SCOPES, &SEARCH],
    },
    Shape {
        name: "tokens with many short scopes",
        document: |size, edition| {
            let scopes: Vec<String> = (0..100).map(|nth| format!("s{nth}")).collect();
            let item = |nth| {
                let scopes = format!("{} own{nth}", scopes.join(" "));
                format!("\"k{nth}\":{}", token(nth, &format!("h{nth}"), &scopes, edition))
            };
            filled("{\"AccessToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &FIND, &FIND_ALL_SCOPES, &SEARCH],
    },
];

impl Shape {
    /// The documents for a work, of about `size` bytes in all.
    pub(crate) fn documents(&self, work: &Work, size: usize) -> [Vec<u8>; 2] {
        let document = |edition| (self.document)(size, edition).into_bytes();
        if work.needs_another {
            let size = size / 2;
            return ['x', 'y'].map(|edition| (self.document)(size, edition).into_bytes());
        }
        [document('x'), Vec::new()]
    }
}

/// One account, or many, with an access token for each `nth` item.
fn signed_in(size: usize, edition: char, owner: fn(usize) -> usize) -> String {
    let home = |nth| format!("home-{}", owner(nth));
    let tokens =
        |nth| format!("\"k{nth}\":{}", token(nth, &home(nth), &format!("s{nth}"), edition));
    let refresh = |nth| format!("\"k{nth}\":{}", refresh_token(nth, &home(nth), edition));
    let account = |nth| {
        format!(
            "\"k{nth}\":{{\"home_account_id\":\"{}\",\"environment\":\"e\",\"realm\":\"r\",\
             \"username\":\"u{nth}\",\"authority_type\":\"MSSTS\"}}",
            home(nth)
        )
    };
    let text = filled("{\"AccessToken\":{", &tokens, "},\"RefreshToken\":{", size / 2);
    let few = |more: usize| if owner(1) == 0 { 1 } else { more };
    let text = filled(&text, &refresh, "},\"Account\":{", text.len() + few(size / 4));
    filled(&text, &account, "}}", text.len() + few(size / 4))
}

fn token(nth: usize, home: &str, scopes: &str, edition: char) -> String {
    format!(
        "{{\"credential_type\":\"AccessToken\",\"secret\":\"{edition}-{nth}\",\
         \"home_account_id\":\"{home}\",\"environment\":\"e\",\"client_id\":\"c\",\"realm\":\"r\",\
         \"target\":\"{scopes}\",\"cached_at\":\"{nth}\",\"expires_on\":\"9999999999\"}}"
    )
}

fn refresh_token(nth: usize, home: &str, edition: char) -> String {
    format!(
        "{{\"credential_type\":\"RefreshToken\",\"secret\":\"{edition}-{nth}\",\
         \"home_account_id\":\"{home}\",\"environment\":\"e\",\"client_id\":\"c\",\
         \"target\":\"s\",\"last_modification_time\":\"{nth}\"}}"
    )
}

fn filled(prefix: &str, item: &dyn Fn(usize) -> String, suffix: &str, size: usize) -> String {
    filled_with(",", prefix, item, suffix, size)
}

/// As many items as `size` bytes have room for, and one at least.
fn filled_with(
    between: &str,
    prefix: &str,
    item: &dyn Fn(usize) -> String,
    suffix: &str,
    size: usize,
) -> String {
    let mut text = String::with_capacity(size + prefix.len() + 1_000);
    write!(text, "{prefix}{}", item(0)).unwrap();
    for nth in 1.. {
        if text.len() + suffix.len() >= size {
            break;
        }
        write!(text, "{between}{}", item(nth)).unwrap();
    }
    text + suffix
}
