//! Two client ids share one sealed cache; signing out everywhere ends both.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use tokenkeep::{
    KeySource, PersistedTokenCache, SignInEvent, TokenRequest,
    persistence::{Passphrase, SealedPersistence},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let open = || {
        let builder = SealedPersistence::builder("com.example.suite")
            .folder(place.path().join("cache"))
            .key_source(KeySource::Passphrase(Passphrase::new("correct horse battery staple")));
        builder.open().map(PersistedTokenCache::new)
    };

    let editor = open()?;
    editor.add(&event("editor", "token-of-the-editor")?)?;
    let mailer = open()?;
    mailer.add(&event("mailer", "token-of-the-mailer")?)?;

    let account = mailer.accounts()?.pop().ok_or("nobody is signed in")?;
    println!("{} is signed in for both clients", account.username());

    mailer.sign_out_everywhere(&account)?;
    let left = editor.find_access_token(&request("editor"))?;
    println!("after signing out everywhere the editor finds {left:?}");
    Ok(())
}

fn request(client_id: &str) -> TokenRequest {
    TokenRequest::new(client_id, "https://login.microsoftonline.com/contoso", ["User.Read"])
}

fn event(client_id: &str, access_token: &str) -> Result<SignInEvent, tokenkeep::Error> {
    let json = format!(
        r#"{{"client_id": "{client_id}", "scope": ["User.Read"],
            "token_endpoint": "https://login.microsoftonline.com/contoso/oauth2/v2.0/token",
            "response": {{"access_token": "{access_token}", "expires_in": 3600,
                "id_token_claims": {{"sub": "ada", "preferred_username": "ada@example.com"}},
                "refresh_token": "refresh-token-of-{client_id}"}}}}"#
    );
    SignInEvent::from_json(json.as_bytes())
}
