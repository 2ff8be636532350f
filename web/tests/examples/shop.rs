//! The shop: in a browser, and what it tells any client.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, redirect};
use tokenkeep_test_support::{Tool, browser::Browser, engines::redis, need, redirect::parameter};
use tokenkeep_web::KeyRing;

use crate::running::Running;

/// A node, with its address and the provider's.
struct Node {
    _program: Running,
    issuer: String,
    address: String,
}

impl Node {
    fn start(arguments: &[&str], keys: &str) -> Self {
        let mut program = Running::start("shop", arguments, keys);
        let issuer = program.says("Provider: ");
        Self { issuer, address: program.says("Shop: "), _program: program }
    }
}

/// What the page says of the token and where it is from, after a click.
fn token(browser: &Browser) -> (String, String) {
    browser.follow("#token-button");
    (browser.text("#token"), browser.text("#source"))
}

/// Waits until this token is in the memory of the node. A node that begins to listen to sign-outs
/// forgets what it had.
fn in_memory(browser: &Browser, expected: &str) {
    let begun = Instant::now();
    loop {
        let (token, source) = token(browser);
        assert_eq!(token, expected, "from {source}");
        if source == L1 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{token} stays {source}");
    }
}

fn sign_in(browser: &Browser) {
    browser.follow("#sign-in-button");
    assert_eq!(browser.title(), "Tiny provider");
    browser.follow("button");
    assert_eq!(browser.text("#who"), "Signed in as ada.");
}

fn from(token: &str, source: &str) -> (String, String) {
    (token.into(), source.into())
}

#[test]
fn two_nodes_share_the_sign_in_of_a_browser_and_its_end() {
    if !need(Tool::Browser) || !need(Tool::Redis) {
        return;
    }
    let redis = redis::Server::start(&[]);
    let keys = KeyRing::generate().unwrap().to_text();
    let one = Node::start(&["--redis", &redis.url()], &keys);
    let two = Node::start(&["--redis", &redis.url(), "--issuer", &one.issuer], &keys);
    let browser = Browser::start().unwrap();

    browser.open(&one.address);
    assert_eq!(browser.text("#who"), "Not signed in.");
    sign_in(&browser);
    in_memory(&browser, "access-1");
    browser.follow("#expire-button");
    assert_eq!(token(&browser), from("access-2", RENEWED));
    in_memory(&browser, "access-2");

    browser.open(&two.address);
    assert_eq!(browser.text("#who"), "Not signed in.", "each node has sessions of its own");
    sign_in(&browser);
    in_memory(&browser, "access-3");

    let value = redis.cli(&["KEYS", "tk1:shop:*:v"]);
    assert_eq!(redis.cli(&["EXISTS", &value]), "1", "both nodes use one value");
    browser.open(&one.address);
    browser.follow("#sign-out-button");
    assert_eq!(browser.text("#who"), "Not signed in.");
    assert_eq!(redis.cli(&["EXISTS", &value]), "0", "the value is gone");

    // The news is on its way.
    browser.open(&two.address);
    let (signed_out, begun) = (from("none", "sign in again"), Instant::now());
    while token(&browser) != signed_out {
        assert!(begun.elapsed() < PATIENCE, "the second node knows nothing of it");
    }

    browser.open(&one.address);
    sign_in(&browser);
    browser.open(&two.address);
    assert_eq!(token(&browser), from("access-4", L2));
    in_memory(&browser, "access-4");
    // The browser notes each 401 there.
    let console = browser.console();
    assert!(console.iter().all(|line| line.contains("401 (Unauthorized)")), "{console:?}");
}

#[tokio::test]
async fn a_request_of_another_site_changes_nothing() {
    let shop = Node::start(&[], &KeyRing::generate().unwrap().to_text());
    let client = client();
    for action in ["sign-in", "token", "expire", "sign-out"] {
        let url = format!("{}/{action}", shop.address);
        let post = async |origin: Option<&str>| {
            let request = client.post(&url);
            let request = origin.into_iter().fold(request, |all, one| all.header("origin", one));
            request.send().await.unwrap()
        };
        for origin in [None, Some("null"), Some("https://evil.example"), Some(&*shop.issuer)] {
            let response = post(origin).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{action} {origin:?}");
            assert!(response.headers().get("set-cookie").is_none(), "{action} {origin:?}");
        }
        let status = post(Some(&shop.address)).await.status();
        let expected = match action {
            "sign-in" | "sign-out" => StatusCode::SEE_OTHER,
            _ => StatusCode::UNAUTHORIZED,
        };
        assert_eq!(status, expected, "{action}");
    }
}

#[tokio::test]
async fn a_session_is_random_and_no_script_or_other_site_gets_it() {
    let shop = Node::start(&[], &KeyRing::generate().unwrap().to_text());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let response = begin(&shop).await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        let (name_and_id, rest) = cookie.split_once("; ").unwrap();
        assert_eq!(rest, "HttpOnly; SameSite=Lax; Path=/; Max-Age=600");
        let id = name_and_id.split_once('=').unwrap().1;
        assert_eq!(id.len(), 43, "256 bits as base64");
        ids.push(id.to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    let response = client().get(&shop.address).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let expected = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; \
         base-uri 'none'",
        shop.issuer
    );
    assert_eq!(policy, expected);
    let page = response.text().await.unwrap();
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
}

#[tokio::test]
async fn a_response_of_another_sign_in_signs_nobody_in() {
    let shop = Node::start(&[], &KeyRing::generate().unwrap().to_text());
    let begun = begin(&shop).await;
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let state = parameter(begun.headers()["location"].to_str().unwrap(), "state");
    let back = async |cookie: &str, query: &str| {
        let url = format!("{}/signed-in?{query}", shop.address);
        let response = client().get(url).header("cookie", cookie).send().await.unwrap();
        assert!(response.headers().get("set-cookie").is_none(), "{query}");
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let right = format!("code=x&state={state}");
    for (cookie, query, expected) in [
        ("", &*right, "no sign-in was begun in this browser"),
        ("shop-1=x", &*right, "no sign-in was begun in this browser"),
        (cookie, "code=x&state=y", "the response belongs to another sign-in"),
        (cookie, "code=x", "the response belongs to another sign-in"),
        (cookie, &*format!("error=x&state={state}"), "the provider refused the sign-in"),
        (cookie, &*right, "Server returned error response"),
    ] {
        let (status, text) = back(cookie, query).await;
        assert_eq!((status, text.contains(expected)), (400, true), "{query}: {text}");
    }
}

async fn begin(shop: &Node) -> Response {
    let url = format!("{}/sign-in", shop.address);
    client().post(url).header("origin", &shop.address).send().await.unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap()
}

const L1: &str = "L1, the memory of this node";
const L2: &str = "L2, the store";
const RENEWED: &str = "the provider, renewed";
const PATIENCE: Duration = Duration::from_secs(20);
