//! Shapes of content that somebody could send.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::text::{
    account, event, filled, filled_with, refresh_token, signed_in, spelled, token, with_issuers,
};
use crate::work::{
    ADD, FIND, FIND_ALL_SCOPES, FIND_ANYBODYS, KEEP, MERGE, MERGE_SHORT, READ, READ_SHORT, REMOVE,
    RENEW, SEARCH, SIGN_OUT, Work,
};

/// A document of any size.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The document of about so many bytes; two editions differ in their secrets.
    pub(crate) document: fn(usize, char) -> String,
    pub(crate) works: &'static [&'static Work],
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "root members",
        document: |size, _| {
            let item = |nth: usize| format!("\"member {nth:07}\":{nth}");
            filled("{\"Account\":{},", &item, "}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "a root member again and again, spelled in many ways",
        document: |size, _| {
            filled("{\"Account\":{},", &|nth| format!("{}:{nth}", spelled(nth)), "}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "a section again and again",
        document: |size, edition| {
            let item =
                |nth: usize| format!("\"AccessToken\":{{\"k\":{}}}", token(nth, "h", "s", edition));
            filled("{", &item, "}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "a member of one object again and again, spelled in many ways",
        document: |size, _| {
            filled("{\"Account\":{},\"x\":{", &|nth| format!("{}:{nth}", spelled(nth)), "}}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "members of one object, each twice",
        document: |size, _| {
            let item = |nth: usize| format!("\"member {:07}\":{nth}", nth / 2);
            filled("{\"Account\":{},\"x\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "many objects with a repeated member",
        document: |size, _| {
            let item = |nth: usize| format!("{{\"a\":{nth},\"b\":{nth},\"\\u0061\":{nth}}}");
            filled("{\"Account\":{},\"x\":[", &item, "]}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "an entry with repeated members",
        document: |size, _| {
            let item = |nth: usize| format!("\"member {:07}\":{{\"a\":1,\"a\":2}}", nth / 2);
            filled("{\"Account\":{\"k\":{", &item, "}}}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "wide array",
        document: |size, _| filled("{\"Account\":{},\"x\":[", &|_| "0".to_owned(), "]}", size),
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "deep wide array",
        document: |size, _| {
            let (open, close) = ("[".repeat(120), "]".repeat(120));
            let prefix = format!("{{\"Account\":{{}},\"x\":{open}");
            filled(&prefix, &|_| "0".to_owned(), &format!("{close}}}"), size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "deep arrays",
        document: |size, _| {
            let item = |_| "[".repeat(110) + &"]".repeat(110);
            filled("{\"Account\":{},\"x\":[", &item, "]}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "deep objects in entries",
        document: |size, _| {
            let item = |nth| {
                format!("\"key {nth}\":{{\"a\":{}0{}}}", "{\"a\":".repeat(100), "}".repeat(100))
            };
            filled("{\"Account\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "refresh tokens under many spellings of one key",
        document: |size, edition| {
            let item = |nth| format!("\"spelling {nth}\":{}", refresh_token(nth, "h", edition));
            filled("{\"RefreshToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &SEARCH, &RENEW],
    },
    Shape {
        name: "ID tokens under many spellings of one key",
        document: |size, edition| {
            let item = |nth| {
                let claims =
                    URL_SAFE_NO_PAD.encode(format!("{{\"iat\":{nth},\"aud\":\"{edition}\"}}"));
                format!(
                    "\"spelling {nth}\":{{\"home_account_id\":\"h\",\"environment\":\"e\",\
                     \"client_id\":\"c\",\"realm\":\"r\",\"secret\":\"a.{claims}.c\"}}"
                )
            };
            filled("{\"IdToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &SEARCH],
    },
    Shape {
        name: "access tokens under many spellings of one key",
        document: |size, edition| {
            let item = |nth| format!("\"spelling {nth}\":{}", token(nth, "h", "s", edition));
            filled("{\"AccessToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &FIND, &SEARCH],
    },
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
        works: &[&READ, &MERGE, &FIND, &SEARCH, &SIGN_OUT, &REMOVE],
    },
    Shape {
        name: "accounts of many issuers of one host",
        document: |size, edition| with_issuers(&signed_in(size * 4 / 5, edition, |nth| nth)),
        works: &[&READ, &MERGE, &SEARCH, &SIGN_OUT, &REMOVE],
    },
    Shape {
        name: "one account at many issuers of one host",
        document: |size, edition| {
            let item = |nth| {
                let token = refresh_token(nth, &format!("home-{nth}"), edition);
                let token = with_issuers(&token).replace(&format!("home-{nth}"), "h");
                format!("\"spelling {nth}\":{token}")
            };
            filled("{\"RefreshToken\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &SEARCH],
    },
    Shape {
        name: "accounts",
        document: |size, edition| signed_in(size, edition, |nth| nth),
        works: &[&READ, &MERGE, &FIND, &SEARCH, &SIGN_OUT, &REMOVE, &RENEW],
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
    Shape {
        name: "app metadata",
        document: |size, _| {
            let item = |nth| {
                format!(
                    "\"appmetadata-login.example-{nth}\":{{\"client_id\":\"{nth}\",\
                     \"environment\":\"login.example\",\"family_id\":\"1\"}}"
                )
            };
            filled("{\"AppMetadata\":{", &item, "}}", size)
        },
        works: &[&READ, &MERGE, &SEARCH],
    },
    Shape {
        name: "tokens without an account, of many programs",
        document: |size, edition| {
            let item = |nth: usize| {
                let of_nobody = token(nth, "", "s", edition);
                format!("\"k{nth}\":{}", of_nobody.replace("\"c\"", &format!("\"c{nth}\"")))
            };
            let first = |_| format!("\"k\":{}", token(0, "h", "s", edition));
            let text = filled("{\"AccessToken\":{", &first, ",", 1);
            let text = filled(&text, &item, "},", size);
            let refresh = refresh_token(0, "h", edition);
            format!(
                "{text}\"RefreshToken\":{{\"k\":{refresh}}},\"Account\":{{\"k\":{}}}}}",
                account("h", "r")
            )
        },
        works: &[&READ, &SIGN_OUT, &KEEP, &FIND_ANYBODYS],
    },
    Shape {
        name: "refresh tokens and ID tokens of one account, and tokens without one",
        document: |size, edition| {
            let refresh = |nth| format!("\"k{nth}\":{}", refresh_token(nth, "h", edition));
            let id_token = |nth| {
                format!(
                    "\"k{nth}\":{{\"credential_type\":\"IdToken\",\"home_account_id\":\"h\",\
                     \"environment\":\"e\",\"client_id\":\"c\",\"realm\":\"r{nth}\",\
                     \"secret\":\"{edition}\"}}"
                )
            };
            let tokens: Vec<String> = ["h", ""]
                .map(|home| format!("\"k{home}\":{}", token(0, home, "s", edition)))
                .into();
            let account = format!("\"k\":{}", account("h", "r"));
            let prefix = format!(
                "{{\"Account\":{{{account}}},\"AccessToken\":{{{}}},\"RefreshToken\":{{",
                tokens.join(",")
            );
            let text = filled(&prefix, &refresh, "},\"IdToken\":{", size / 2);
            let text = filled(&text, &id_token, ",", size);
            format!("{text}{}}}}}", id_token(usize::MAX).replace("\"r1", "\"r\",\"x\":\"1"))
        },
        works: &[&READ, &SIGN_OUT, &KEEP, &FIND_ANYBODYS],
    },
    Shape {
        name: "one account in many tenants under one local id",
        document: |size, edition| {
            let item = |nth: usize| format!("\"k{nth}\":{}", account("h", &format!("r{nth}")));
            let text = filled("{\"Account\":{", &item, "},", size);
            format!("{text}\"RefreshToken\":{{\"k\":{}}}}}", refresh_token(0, "h", edition))
        },
        works: &[&READ, &SIGN_OUT, &KEEP],
    },
    Shape {
        name: "events of many accounts",
        document: |size, edition| {
            filled_with(
                "\n",
                "",
                &|nth| event("client", &nth.to_string(), "\"s\"", edition),
                "",
                size,
            )
        },
        works: &[&ADD],
    },
    Shape {
        name: "an event with many scopes under long names",
        document: |size, edition| {
            let size = size.min(900 << 10);
            let long = "x".repeat(size / 8);
            let scopes = filled("", &|nth| format!("\"s{nth:06}\""), "", size / 2);
            event(&long, &long, &scopes, edition)
        },
        works: &[&ADD],
    },
    Shape {
        name: "short root members",
        document: |size, _| filled("{\"Account\":{},", &|nth| format!("\"{nth:x}\":0"), "}", size),
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "short members of one object",
        document: |size, _| {
            filled("{\"Account\":{},\"x\":{", &|nth| format!("\"{nth:x}\":0"), "}}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "short members of one entry",
        document: |size, _| {
            filled("{\"Account\":{\"x\":{", &|nth| format!("\"{nth:x}\":0"), "}}}", size)
        },
        works: &[&READ_SHORT, &MERGE_SHORT],
    },
    Shape {
        name: "short objects with a repeated member, deep",
        document: |size, _| {
            let item = |_| {
                format!("{}{{\"a\":0,\"a\":1}}{}", "{\"a\":0,\"a\":".repeat(90), "}".repeat(90))
            };
            filled("{\"Account\":{},\"x\":[", &item, "]}", size)
        },
        works: &[&READ, &MERGE],
    },
    Shape {
        name: "empty entries",
        document: |size, _| {
            filled("{\"Account\":{", &|nth| format!("\"{nth:x}\":{{}}"), "}}", size)
        },
        works: &[&READ_SHORT, &MERGE_SHORT],
    },
    Shape {
        name: "short entries with nested values",
        document: |size, _| {
            filled("{\"Account\":{", &|nth| format!("\"{nth:x}\":{{\"a\":[[[0]]]}}"), "}}", size)
        },
        works: &[&READ_SHORT, &MERGE_SHORT],
    },
    Shape {
        name: "short access tokens",
        document: |size, _| {
            let item = |nth| format!("\"{nth:x}\":{{\"target\":\"{nth:x}\",\"secret\":\"\"}}");
            filled("{\"AccessToken\":{", &item, "}}", size)
        },
        works: &[&READ_SHORT, &MERGE_SHORT],
    },
    Shape {
        name: "text that grows",
        document: |size, _| {
            filled(
                "{\"Account\":{},",
                &|nth| format!("\"{nth:07}\":\"{}\"", "\u{7f}".repeat(100)),
                "}",
                size,
            )
        },
        works: &[&READ_SHORT, &MERGE_SHORT],
    },
    Shape {
        name: "one ID token with many claims",
        document: |size, edition| {
            let claims = filled("{\"iat\":1,", &|nth| format!("\"{nth:x}\":0"), "}", size * 3 / 4);
            let claims = URL_SAFE_NO_PAD.encode(claims);
            format!(
                "{{\"IdToken\":{{\"k\":{{\"environment\":\"e\",\"secret\":\"{edition}.{claims}.c\"}}}}}}"
            )
        },
        works: &[&READ, &MERGE],
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
