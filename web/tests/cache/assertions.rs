//! Tokens on behalf of a user, after the assertion has ended.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokenkeep::AccessToken;
use tokenkeep_web::{Error, MemoryStore, Tokens};

use crate::{
    faulty::{ALL, Fault, FaultyStore},
    provider::Act,
    world::{World, pass, request},
};

/// An assertion that ends in ten minutes. The tokens of the provider are valid for an hour.
fn assertion() -> String {
    let claims = format!(r#"{{"exp":{}}}"#, 1_800_000_000 + 600);
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

/// What falls back to a token that this node still has, each way for itself.
#[derive(Clone, Copy, Debug)]
enum Way {
    Store,
    Provider,
    Time,
    Find,
}

async fn token(
    world: &World<FaultyStore>,
    tokens: &Tokens,
    way: Way,
) -> Result<Option<String>, Error> {
    let busy = [Act::Reply(503, "", None), Act::Reply(503, "", None)];
    let request = request(["api"]);
    let got = match way {
        Way::Store => {
            world.store.fail(ALL, Fault::Unreachable);
            world.provider.then(busy);
            tokens.get(&request).await
        }
        Way::Provider => {
            world.provider.then(busy);
            tokens.get(&request).await
        }
        Way::Time => {
            world.provider.set_delay(Duration::from_secs(4));
            tokens.get_within(&request, Duration::from_millis(300)).await
        }
        Way::Find => return Ok(secret(tokens.find(&request).await?)),
    };
    Ok(secret(Some(got?)))
}

fn secret(token: Option<AccessToken>) -> Option<String> {
    token.map(|token| token.secret().to_owned())
}

const WAYS: [Way; 4] = [Way::Store, Way::Provider, Way::Time, Way::Find];

#[tokio::test(start_paused = true)]
async fn a_valid_token_stands_in_while_the_assertion_is_valid() {
    for way in WAYS {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let tokens = node.on_behalf_of("opaque");
        let first = tokens.token(["api"]).await.unwrap().secret().to_owned();
        // Within the margin, so that it is to be renewed, or for `find` before that.
        pass(if let Way::Find = way { 601_000 } else { 3_590_000 }).await;
        let token = token(&world, &tokens, way).await;
        assert_eq!(token.unwrap(), Some(first), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_outlives_its_assertion() {
    let mut wrong = Vec::new();
    for way in WAYS {
        // A store may keep a value for longer than it is told to.
        let world = World::at(FaultyStore::on(MemoryStore::with_clock(|| Duration::ZERO)));
        let node = world.node();
        let tokens = node.on_behalf_of(&assertion());
        tokens.token(["api"]).await.unwrap();
        pass(601_000).await;
        let got = token(&world, &tokens, way).await;
        let fits = match way {
            Way::Find => matches!(got, Ok(None)),
            Way::Time => matches!(got, Err(Error::RefreshInProgress { .. })),
            _ => matches!(got, Err(Error::Provider { status: Some(503), .. })),
        };
        if !fits {
            wrong.push((way, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
