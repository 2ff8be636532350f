//! What a browser shows at the end of a sign-in.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokenkeep_platform::text::shown_start;

/// How a sign-in ended, as the browser shows it.
///
/// Everything here is shown as plain text, and at most 200 characters of each part.
pub(crate) enum Outcome {
    /// The tokens are stored.
    Done {
        /// The program that is signed in.
        program: String,
        /// The user name, if it is known.
        account: Option<String>,
        /// The provider's host.
        provider: String,
    },
    /// The provider's response to the authorization request is an error (RFC 6749, section
    /// 4.1.2.1).
    Refused {
        /// The provider's host.
        provider: String,
        /// `error`.
        code: String,
        /// `error_description`, unless there is none.
        description: Option<String>,
    },
    /// Something after that failed.
    Failed {
        /// What failed, as a clause without a full stop.
        reason: String,
    },
    /// It is not known in time.
    Unknown,
}

impl Outcome {
    /// The path of its page.
    pub(super) fn path(&self) -> &'static str {
        if matches!(self, Self::Done { .. }) { "/done" } else { "/failed" }
    }

    /// The page, in HTML.
    pub(super) fn page(&self) -> String {
        match self {
            Self::Done { program, account, provider } => {
                let account = account.as_deref().map(strong).unwrap_or_default();
                let text = format!(
                    "<p>{} on this computer can now use your account{}{account} at {}.</p>\
                     <p>You can close this page and go back to the terminal.</p>",
                    strong(program),
                    if account.is_empty() { "" } else { " " },
                    plain(provider)
                );
                page("Signed in", Mark::Good, "You are signed in", &text)
            }
            Self::Refused { provider, code, description } => {
                let provider = plain(provider);
                let who = match code.as_str() {
                    "access_denied" => "You, or your organisation,",
                    _ => &provider,
                };
                let mut text =
                    format!("<p>{who} refused the sign-in (<code>{}</code>).</p>", plain(code));
                if let Some(description) = description {
                    let description = plain(description);
                    text += &format!("<p>{provider} says: <q dir=\"auto\">{description}</q></p>");
                }
                text += "<p>Nothing was changed. The terminal says what to do; you can close this \
                         page.</p>";
                page("Not signed in", Mark::Bad, "You are not signed in", &text)
            }
            Self::Failed { reason } => {
                let text = format!(
                    "<p>The sign-in failed: {}.</p>\
                     <p>The terminal says what to do; you can close this page.</p>",
                    plain(reason)
                );
                page("Not signed in", Mark::Bad, "You are not signed in", &text)
            }
            Self::Unknown => page(
                "Not finished",
                Mark::None,
                "The sign-in is not finished",
                "<p>It takes longer than this page can wait. The terminal says how it ends; you \
                 can close this page.</p>",
            ),
        }
    }
}

/// What a browser sees that does not bring the response that the program waits for.
#[derive(Clone, Copy)]
pub(super) enum Notice {
    /// Its response is for another sign-in, or for none.
    OtherSignIn,
    /// The response has arrived before.
    AlreadyDone,
    /// It asks for something else.
    NothingHere,
    /// It asks in a way that is not allowed.
    NotAllowed,
}

impl Notice {
    /// The page, in HTML.
    pub(super) fn page(self) -> String {
        let (title, text) = match self {
            Self::OtherSignIn => (
                "This is not the sign-in this program waits for",
                "It may be an older one. Start at the address that the terminal shows.",
            ),
            Self::AlreadyDone => (
                "This sign-in is already done",
                "The terminal says how it ended; you can close this page.",
            ),
            Self::NothingHere => (
                "There is nothing here",
                "A program on this computer waits here for a sign-in. You can close this page.",
            ),
            Self::NotAllowed => (
                "This is not how a sign-in ends",
                "A program on this computer waits here for a sign-in. You can close this page.",
            ),
        };
        page(title, Mark::None, title, &format!("<p>{text}</p>"))
    }
}

/// The header fields of every response.
pub(super) fn headers() -> [(&'static str, &'static str); 6] {
    /// The page has one style, which is named by its hash (Content Security Policy Level 3, section
    /// 2.3.1), and nothing else is loaded or run.
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'none'"
        )
    });
    [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", &POLICY),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ]
}

/// The sign above the heading. The heading says the same.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Bad,
    None,
}

fn page(title: &str, mark: Mark, heading: &str, text: &str) -> String {
    let (class, mark) = match mark {
        Mark::Good => (" class=\"good\"", sign("M14 25l7 7 13-15")),
        Mark::Bad => (" class=\"bad\"", sign("M16 16l16 16M32 16L16 32")),
        Mark::None => ("", String::new()),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} – tokenkeep</title><style>{STYLE}</style></head>\
         <body><main{class}>{mark}<h1>{heading}</h1>{text}</main></body></html>"
    )
}

fn sign(lines: &str) -> String {
    format!(
        "<svg aria-hidden=\"true\" viewBox=\"0 0 48 48\"><circle cx=\"24\" cy=\"24\" r=\"22\"/>\
         <path d=\"{lines}\"/></svg>"
    )
}

fn strong(text: &str) -> String {
    format!("<strong dir=\"auto\">{}</strong>", plain(text))
}

/// At most 200 characters, as they are shown in HTML.
fn plain(text: &str) -> String {
    let start = shown_start(text);
    let mut plain = String::with_capacity(start.len());
    for c in start.chars() {
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '"' => plain.push_str("&quot;"),
            '\'' => plain.push_str("&#39;"),
            _ => plain.push(c),
        }
    }
    plain
}

/// Text on its background has a contrast of at least 7:1 (WCAG 2.2, 1.4.6).
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1b1f;--back:#fff;--panel:#fff;--line:#d8d8de;\
--good:#1a7f37;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--text:#e6e6ea;--back:#17171a;--panel:#1f1f23;\
--line:#3b3b42;--good:#57c878;--bad:#ff8f85}}\
*{box-sizing:border-box}\
body{margin:0;padding:15vh 1.25rem 2rem;font:1.125rem/1.6 system-ui,sans-serif;\
color:var(--text);background:var(--back)}\
main{max-width:36rem;margin:0 auto;padding:2rem 2.25rem 1.25rem;background:var(--panel);\
border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}\
h1{margin:0 0 1rem;font-size:1.75rem;line-height:1.25}\
p{margin:0 0 1rem}\
code{font-size:.95em}\
svg{display:block;width:3rem;height:3rem;margin:0 0 1rem;fill:none;stroke-width:3;\
stroke-linecap:round;stroke-linejoin:round}\
.good svg{stroke:var(--good)}\
.bad svg{stroke:var(--bad)}";

#[cfg(test)]
mod tests;
