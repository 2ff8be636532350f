//! Tokens on behalf of a user, after the assertion has ended.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokenkeep_web::{Error, Tokens};

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

async fn token(world: &World<FaultyStore>, tokens: &Tokens, way: Way) -> Result<String, Error> {
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
        Way::Find => tokens.find(&request).await.map(|found| found.expect("a token")),
    };
    got.map(|token| token.secret().to_owned())
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
        assert_eq!(token.unwrap(), first, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_outlives_its_assertion() {
    for way in WAYS {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let tokens = node.on_behalf_of(&assertion());
        tokens.token(["api"]).await.unwrap();
        pass(601_000).await;
        if let Way::Find = way {
            assert!(tokens.find(&request(["api"])).await.unwrap().is_none());
            continue;
        }
        let error = token(&world, &tokens, way).await.expect_err("a token");
        let fits = match way {
            Way::Time => matches!(error, Error::RefreshInProgress { .. }),
            _ => matches!(error, Error::Provider { status: Some(503), .. }),
        };
        assert!(fits, "{way:?}: {error:?}");
    }
}
