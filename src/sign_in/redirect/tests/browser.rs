//! The pages in a real browser.

use std::{
    fs::{self, File},
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    Tool,
    browser::{Browser, ColorScheme},
    need, target_dir,
};

use super::client::{PATIENCE, RIGHT, done, host, judge, redirect, refused};
use crate::sign_in::{
    pages::Outcome,
    redirect::{Redirect, RedirectTo},
};

/// Opens the redirect URI with `visit` and ends the sign-in.
fn sign_in(redirect: Redirect, outcome: Outcome, visit: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let visit = scope.spawn(visit);
        let arrived = redirect.wait(&judge, Instant::now() + PATIENCE, &|| false).unwrap();
        arrived.expect("the browser was redirected").finish(outcome);
        visit.join().unwrap();
    });
}

#[test]
fn a_browser_shows_both_pages_in_light_and_dark_and_forgets_the_code() {
    if !need(Tool::Browser) {
        return;
    }
    let folder = target_dir().join("pages");
    fs::create_dir_all(&folder).unwrap();
    let browser = Browser::start().unwrap();
    let mut backgrounds = Vec::new();
    for (scheme, name) in [(ColorScheme::Light, "light"), (ColorScheme::Dark, "dark")] {
        browser.prefer(scheme);
        for (outcome, page, heading) in
            [(done(), "done", "You are signed in"), (refused(), "failed", "You are not signed in")]
        {
            let redirect = redirect();
            let host = host(&redirect);
            sign_in(redirect, outcome, || browser.open(&format!("http://{host}{RIGHT}")));
            assert_eq!(browser.url(), format!("http://{host}/{page}"));
            assert_eq!(browser.role_and_name("h1"), ("heading".into(), heading.into()));
            assert_eq!(browser.role_and_name("main").0, "main");
            // Nothing that the policy forbids, and nothing that failed to load.
            assert_eq!(browser.console(), [""; 0]);
            backgrounds.push(browser.style("body", "background-color"));
            let mut file = File::create(folder.join(format!("{page}-{name}.png"))).unwrap();
            file.write_all(&browser.screenshot()).unwrap();
        }
    }
    let (light, dark) = ("rgba(255, 255, 255, 1)", "rgba(23, 23, 26, 1)");
    assert_eq!(backgrounds, [light, light, dark, dark]);
}

#[test]
fn a_browser_posts_its_response_and_is_shown_the_page() {
    if !need(Tool::Browser) {
        return;
    }
    let redirect = Redirect::listen(RedirectTo::Localhost(0)).unwrap();
    let (uri, host) = (redirect.uri().to_owned(), host(&redirect));
    let form = format!(
        "data:text/html,<form method=post action={uri}><input name=code value=SECRET>\
         <input name=state value=right><button>Continue</button></form>"
    );
    let browser = Browser::start().unwrap();
    browser.open(&form);
    let began = Instant::now();
    sign_in(redirect, done(), || browser.follow("button"));
    assert_eq!(browser.text("h1"), "You are signed in");
    assert_eq!(browser.url(), format!("http://{host}/done"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
