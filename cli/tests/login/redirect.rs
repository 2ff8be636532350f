//! What a browser brings back, without a browser.

use tokenkeep_test_support::redirect::{get, parameter};

/// The redirect at the end of a sign-in whose address is `url`, with this code or error in it.
pub(crate) fn redirect(url: &str, response: &str) -> String {
    let (to, state) = (parameter(url, "redirect_uri"), parameter(url, "state"));
    format!("{to}?{response}&state={state}")
}

/// The page that a browser shows in the end.
pub(crate) fn follow(redirect: &str) -> String {
    let first = get(redirect);
    assert!(first.starts_with("HTTP/1.1 303"), "{first}");
    let to = first.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    let host = redirect.split('/').nth(2).unwrap();
    get(&format!("http://{host}{}", to.trim()))
}
