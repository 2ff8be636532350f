//! The one page of the shop.

use axum::response::Html;

use crate::parts::html::escape;

/// What the page says.
#[derive(Default)]
pub(crate) struct Page<'p> {
    /// Which node answers, and where its store is.
    pub(crate) node: &'p str,
    /// Who is signed in.
    pub(crate) user: Option<&'p str>,
    /// What the last button did.
    pub(crate) said: Option<Said>,
}

/// What a button did.
pub(crate) struct Said {
    /// The token, without the part that is secret.
    pub(crate) token: String,
    /// Where it came from.
    pub(crate) source: String,
}

impl Page<'_> {
    pub(crate) fn html(&self) -> Html<String> {
        let who = match self.user {
            Some(user) => format!("Signed in as {}.", escape(user)),
            None => "Not signed in.".to_owned(),
        };
        let said = self.said.as_ref().map_or_else(String::new, |said| {
            format!(
                r#"<dl><dt>Token</dt><dd id="token">{}</dd>
                <dt>From</dt><dd id="source">{}</dd></dl>"#,
                escape(&said.token),
                escape(&said.source)
            )
        });
        let buttons: String = match self.user {
            Some(_) => SIGNED_IN.map(button).concat(),
            None => button(SIGN_IN),
        };
        Html(format!(
            r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
            <meta name="viewport" content="width=device-width">
            <link rel="stylesheet" href="/style.css"><h1>Shop</h1>
            <p id="who">{who}</p>{said}{buttons}<p id="node">{}</p></html>"#,
            escape(self.node)
        ))
    }
}

fn button((action, name): (&str, &str)) -> String {
    format!(
        r#"<form method="post" action="/{action}"><button id="{action}-button">{name}</button></form>"#
    )
}

const SIGN_IN: (&str, &str) = ("sign-in", "Sign in");
const SIGNED_IN: [(&str, &str); 4] = [
    ("token", "Get a token"),
    ("expire", "Let an hour pass"),
    SIGN_IN_AGAIN,
    ("sign-out", "Sign out"),
];
const SIGN_IN_AGAIN: (&str, &str) = ("sign-in", "Sign in again");

/// The style sheet.
pub(crate) const STYLE: &str = "\
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif; }
html { max-width: 36rem; margin: 2rem auto; padding: 0 1rem; }
form { display: inline-block; margin: 0 0.5rem 0.5rem 0; }
button { font: inherit; padding: 0.3rem 0.8rem; }
#node { margin-top: 2rem; opacity: 0.7; }
";
