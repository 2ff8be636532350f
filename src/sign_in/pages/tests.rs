use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{Notice, Outcome, headers};

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

fn outcomes() -> [Outcome; 4] {
    let hostile = || "<script>&\"'\u{202e}".to_owned();
    [
        Outcome::Done { program: hostile(), account: Some(hostile()), provider: hostile() },
        Outcome::Refused { provider: hostile(), code: hostile(), description: Some(hostile()) },
        Outcome::Failed { reason: hostile() },
        Outcome::Unknown,
    ]
}

fn pages() -> Vec<String> {
    let notices =
        [Notice::OtherSignIn, Notice::AlreadyDone, Notice::NothingHere, Notice::NotAllowed];
    outcomes().iter().map(Outcome::page).chain(notices.map(Notice::page)).collect()
}

#[test]
fn a_page_has_the_one_style_that_its_policy_allows_and_nothing_else_to_load() {
    let headers = headers();
    let (_, policy) = headers.iter().find(|(name, _)| *name == "Content-Security-Policy").unwrap();
    for page in pages() {
        let style = between(&page, "<style>", "</style>");
        let hash = STANDARD.encode(Sha256::digest(style));
        assert_eq!(between(policy, "style-src '", "'"), format!("sha256-{hash}"));
        for no in ["<script", "<link", "<img", " style=", "url(", "@import", "href", "src"] {
            assert!(!page.contains(no), "{no}: {page}");
        }
        let runs = |word: &str| word.starts_with("on") && word.contains('=');
        assert!(!page.split_whitespace().any(runs), "{page}");
    }
}

#[test]
fn text_of_others_is_shown_and_not_obeyed() {
    for outcome in outcomes() {
        let page = outcome.page();
        assert!(!page.contains("<script>") && !page.contains('\u{202e}'), "{page}");
        if !matches!(outcome, Outcome::Unknown) {
            assert!(page.contains("&lt;script&gt;&amp;&quot;&#39;\\u{202e}"), "{page}");
        }
    }
}

#[test]
fn of_a_long_text_the_first_200_characters_are_shown() {
    let text = |length: usize| "é<".repeat(length / 2);
    let page = |description: String| {
        let (provider, code) = ("id.example.org".to_owned(), "server_error".to_owned());
        Outcome::Refused { provider, code, description: Some(description) }.page()
    };
    let shown = |length: usize| "é&lt;".repeat(length / 2);
    assert!(page(text(200)).contains(&format!(">{}</q>", shown(200))));
    assert!(page(text(202)).contains(&format!(">{}…</q>", shown(200))));
}

#[test]
fn a_screen_reader_finds_language_title_main_part_and_one_heading() {
    for page in pages() {
        assert!(
            page.starts_with("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        );
        assert!(!between(&page, "<title>", "</title>").is_empty());
        for once in ["<main", "</main>", "<h1>", "</h1>", "<title>"] {
            assert_eq!(page.matches(once).count(), 1, "{once}: {page}");
        }
        let pictures = page.matches("<svg").count();
        assert_eq!(page.matches("<svg aria-hidden=\"true\"").count(), pictures);
    }
}

#[test]
fn a_page_says_who_can_do_what_or_who_refused() {
    let done = |account: Option<&str>| {
        Outcome::Done {
            program: "my-app".into(),
            account: account.map(Into::into),
            provider: "id.example.org".into(),
        }
        .page()
    };
    assert!(done(Some("ada@example.com")).contains(
        "<strong dir=\"auto\">my-app</strong> on this computer can now use your account \
         <strong dir=\"auto\">ada@example.com</strong> at id.example.org."
    ));
    assert!(done(None).contains("use your account at id.example.org."));
    let refused = |code: &str| {
        let provider = "id.example.org".into();
        Outcome::Refused { provider, code: code.into(), description: None }.page()
    };
    assert!(refused("access_denied").contains(
        "<p>You, or your organisation, refused the sign-in (<code>access_denied</code>).</p>"
    ));
    let other = "<p>id.example.org refused the sign-in (<code>invalid_scope</code>).</p>";
    assert!(refused("invalid_scope").contains(other));
}

/// The relative luminance of `#rrggbb` or `#rgb` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let digits = colour.trim_start_matches('#');
    let part = |at: usize| {
        let text = match digits.len() {
            3 => digits[at..=at].repeat(2),
            _ => digits[2 * at..2 * at + 2].to_owned(),
        };
        let value = f64::from(u8::from_str_radix(&text, 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2)
}

#[test]
fn text_can_be_read_in_light_and_in_dark() {
    let page = Outcome::Unknown.page();
    let (light, dark) = page.split_once("@media").unwrap();
    for colours in [light, dark] {
        let of = |name: &str| {
            luminance(between(colours, &format!("--{name}:"), "}").split(';').next().unwrap())
        };
        let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        assert!(contrast(of("text"), of("panel")) >= 7.0);
        for mark in ["good", "bad"] {
            assert!(contrast(of(mark), of("panel")) >= 4.5, "{mark}");
        }
    }
}
