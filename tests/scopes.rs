//! Which request finds a token: by the scopes that were granted, and by those that were asked for.
#![allow(missing_docs, clippy::unwrap_used, reason = "it is a test")]

use std::collections::{HashMap, HashSet};

use tokenkeep::TokenRequest;

const ELSEWHERE: &str = "https://idp.example/t";

#[test]
fn scopes_are_taken_in_every_usual_form_and_equal_requests_are_equal() {
    let (list, texts) = (["a", "b"], vec!["b".to_owned(), "a".to_owned()]);
    let all: HashSet<TokenRequest> = [
        TokenRequest::new("c", ELSEWHERE, list),
        TokenRequest::new("c", ELSEWHERE, &list[..]),
        TokenRequest::new("c", ELSEWHERE, list.iter()),
        TokenRequest::new("c", ELSEWHERE, &texts),
        TokenRequest::new("c", ELSEWHERE, texts.iter()),
        TokenRequest::new("c", ELSEWHERE, texts.iter().map(String::as_str)),
        TokenRequest::new("c", ELSEWHERE, texts),
        TokenRequest::new("c", ELSEWHERE, ["b a\tb"]),
        TokenRequest::new("c", ELSEWHERE, "a b".split(' ')),
        TokenRequest::new("c", ELSEWHERE, Some("a b")),
    ]
    .into();
    assert_eq!(all.len(), 1);
    let mut held: HashMap<TokenRequest, u8> = all.into_iter().map(|request| (request, 1)).collect();
    assert!(held.remove(&TokenRequest::new("c", ELSEWHERE, ["a"])).is_none());
    assert!(held.remove(&TokenRequest::new("c", ELSEWHERE, ["a", "b"]).account("me")).is_none());
    let empty = TokenRequest::without_scopes("c", ELSEWHERE);
    assert_eq!(empty, TokenRequest::new("c", ELSEWHERE, [" "]));
    assert!(empty.scopes().is_empty());
}
