//! azure-identity at its own identity: an item for programs that take part in continuous access
//! evaluation, and one for others.

use std::{fs, path::PathBuf};

use serde_json::json;
use tokenkeep::{
    PersistedTokenCache,
    persistence::{MsalExtensionsLocation, MsalExtensionsPersistence, PlaintextPersistence},
};

use crate::{
    client::{Client, refresh_tokens},
    python::Python,
    session::{Session, with_each_lock},
};

const PACKAGES: [&str; 4] = ["azure-identity", "msal", "msal-extensions", "portalocker"];
/// The one that azure-identity takes where a program names none.
const CLIENT: Client = Client("04b07795-8ddb-461a-bbee-02f9e1bf7b46");

/// A cache of azure-identity.
#[derive(Clone, Copy)]
struct Azure {
    /// What a program passes as `name`, or nothing.
    name: Option<&'static str>,
    cae: bool,
}

impl Azure {
    const ALL: [Self; 4] = [
        Self { name: None, cae: false },
        Self { name: None, cae: true },
        Self { name: Some("com.example.tool"), cae: false },
        Self { name: Some("com.example.tool"), cae: true },
    ];

    fn file_name(self) -> String {
        let suffix = if self.cae { "cae" } else { "nocae" };
        format!("{}.{suffix}", self.name.unwrap_or("msal.cache"))
    }

    fn identity(self) -> String {
        format!("`{}`", self.file_name())
    }

    fn location(self) -> PathBuf {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        home.join(".IdentityService").join(self.file_name())
    }

    fn ours(self) -> PersistedTokenCache {
        let identity = MsalExtensionsLocation::python("not used")
            .service("Microsoft.Developer.IdentityService")
            .account(if self.file_name() == "msal.cache.nocae" {
                "MSALCache".to_owned()
            } else {
                self.file_name()
            })
            .schema(self.file_name())
            .attributes([("MsalClientID", "Microsoft.Developer.IdentityService")])
            .label("MSALCache");
        let persistence = MsalExtensionsPersistence::new(self.location(), &identity).unwrap();
        PersistedTokenCache::new(persistence)
    }

    /// A Python program that knows who signed in. It keeps plain text where it may and has to.
    fn python(self, session: &Session<'_>, name: &str, unencrypted: bool) -> Python {
        let mut python = session.python(name);
        let arguments = [
            self.name.into(),
            self.cae.into(),
            unencrypted.into(),
            "contoso".into(),
            CLIENT.0.into(),
        ];
        python.ask("Azure", arguments);
        python
    }
}

/// What another program shows of every item with that schema: labels, schemas and attributes.
fn look(session: &Session<'_>, schema: &str) -> Vec<String> {
    let mut command = session.keyring.command("secret-tool");
    let output = command.args(["search", "--all", "xdg:schema", schema]).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    let tells = |line: &&str| ["label", "schema", "attribute."].iter().any(|w| line.starts_with(w));
    let mut lines: Vec<_> = text.lines().filter(tells).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn we_find_what_it_wrote_and_it_does_not_find_what_we_signed_out() {
    let test = we_find_what_it_wrote_and_it_does_not_find_what_we_signed_out;
    with_each_lock(test, &PACKAGES, |session| {
        for (number, azure) in Azure::ALL.into_iter().enumerate() {
            // Both kinds of lock run in one home folder.
            azure.ours().clear().unwrap();
            let mut python = azure.python(session, &format!("{number}"), false);
            let secret = format!("{number}-access-1");
            python.ask("sign_in", []);
            assert_eq!(python.ask("silent", []), json!([secret, "cache"]));
            let ours = azure.ours();
            assert_eq!(ours.accounts().unwrap()[0].username(), "ada@example.com");
            assert_eq!(CLIENT.token(&ours), Some(secret));
            let account = ours.accounts().unwrap().remove(0);
            ours.sign_out(&account, CLIENT.0).unwrap();
            assert!(refresh_tokens(&ours).is_empty());
            assert_eq!(python.ask("silent", []), json!([null, null]));
            let mut fresh = azure.python(session, "fresh", false);
            assert_eq!(fresh.ask("silent", []), json!([null, null]));
            session.found(
                &azure.identity(),
                "it signs in; we read; we sign out; it asks silently",
                "we see the account and its token; a running and a new one need a new sign-in",
            );
        }
    });
}

#[test]
fn it_finds_what_we_wrote_and_we_what_it_renewed() {
    with_each_lock(it_finds_what_we_wrote_and_we_what_it_renewed, &PACKAGES, |session| {
        for azure in Azure::ALL {
            let ours = azure.ours();
            ours.clear().unwrap();
            let mut python = azure.python(session, "its", false);
            assert_eq!(python.ask("silent", []), json!([null, null]));
            CLIENT.add_answer(&ours, &mut python, 3600);
            assert_eq!(python.ask("silent", []), json!(["its-access-1", "cache"]));
            ours.clear().unwrap();
            CLIENT.add_answer(&ours, &mut python, 60);
            assert_eq!(refresh_tokens(&ours), ["its-refresh-2"]);
            assert_eq!(python.ask("silent", []), json!(["its-access-3", "identity_provider"]));
            assert_eq!(refresh_tokens(&ours), ["its-refresh-3"], "the spent one is gone");
            assert_eq!(CLIENT.token(&ours).as_deref(), Some("its-access-3"));
            session.found(
                &azure.identity(),
                "we sign in; it asks silently; our token expires; it asks silently",
                "it finds our token; it renews it with our refresh token; we see both new tokens and no spent one",
            );
        }
    });
}

#[test]
fn it_goes_on_with_what_we_renewed_and_we_with_what_it_renewed() {
    let test = it_goes_on_with_what_we_renewed_and_we_with_what_it_renewed;
    with_each_lock(test, &PACKAGES, |session| {
        for azure in Azure::ALL {
            let ours = azure.ours();
            ours.clear().unwrap();
            let mut python = azure.python(session, "its", false);
            python.ask("sign_in", []);
            assert_eq!(CLIENT.renew(&ours, &mut python, 3600), "its-access-2");
            assert_eq!(python.ask("silent", []), json!(["its-access-2", "cache"]));
            assert_eq!(CLIENT.renew(&ours, &mut python, 60), "its-access-3");
            assert_eq!(python.ask("silent", []), json!(["its-access-4", "identity_provider"]));
            assert_eq!(refresh_tokens(&ours), ["its-refresh-4"], "ours was spent");
            assert_eq!(CLIENT.renew(&ours, &mut python, 3600), "its-access-5");
            assert_eq!(refresh_tokens(&ours), ["its-refresh-5"], "its was spent");
            assert_eq!(python.ask("silent", []), json!(["its-access-5", "cache"]));
            session.found(
                &azure.identity(),
                "it signs in; we renew silently, twice; it renews; we renew again",
                "it finds our token; it renews with our refresh token, and we with its",
            );
        }
    });
}

#[test]
fn our_item_looks_as_its_item_does() {
    with_each_lock(our_item_looks_as_its_item_does, &PACKAGES, |session| {
        for azure in Azure::ALL {
            let ours = azure.ours();
            ours.clear().unwrap();
            assert!(look(session, &azure.file_name()).is_empty());
            let mut python = azure.python(session, "its", false);
            python.ask("sign_in", []);
            assert!(azure.location().is_file(), "it touches the file that we look at");
            let its = look(session, &azure.file_name());
            ours.clear().unwrap();
            assert!(!azure.location().exists(), "clear removes the signal file");
            CLIENT.add_answer(&ours, &mut python, 3600);
            assert_eq!(look(session, &azure.file_name()), its);
            assert!(azure.location().is_file());
            let label = its.iter().find_map(|line| line.strip_prefix("label = ")).unwrap();
            let attributes: Vec<_> =
                its.iter().filter_map(|line| line.strip_prefix("attribute.")).collect();
            let name = azure.file_name();
            let result = format!(
                "both have schema NAME, label `{label}`, attribute `{}`, signal file `~/.IdentityService/NAME`",
                attributes.join("`, `")
            );
            assert!(its.contains(&format!("schema = {name}")), "{its:?}");
            let done = "each makes the item NAME where there is none";
            session.found(&azure.identity(), done, &result);
        }
    });
}

#[test]
fn its_plain_text_opens_under_the_plain_text_type_and_is_left_by_what_is_encrypted() {
    let test = its_plain_text_opens_under_the_plain_text_type_and_is_left_by_what_is_encrypted;
    with_each_lock(test, &PACKAGES, |session| {
        let azure = Azure { name: Some("com.example.plain"), cae: false };
        azure.ours().clear().unwrap();
        fs::remove_file(azure.location()).ok();
        let mut without = azure.python(session, "plain", true);
        without.ask("sign_in", []);
        let opened = PlaintextPersistence::new(azure.location()).unwrap();
        let opened = PersistedTokenCache::new(opened);
        assert_eq!(CLIENT.token(&opened).as_deref(), Some("plain-access-1"));
        CLIENT.add_answer(&opened, &mut without, 3600);
        assert_eq!(without.ask("silent", []), json!(["plain-access-2", "cache"]));
        session.found(
            &azure.identity(),
            "without libsecret it signs in, in plain text; we open its file under the plain-text type and sign in",
            "each finds the other's token",
        );

        let plain = fs::read(azure.location()).unwrap();
        let encrypted = azure.ours();
        assert!(encrypted.accounts().unwrap().is_empty());
        let mut with = azure.python(session, "encrypted", false);
        assert_eq!(with.ask("silent", []), json!([null, null]));
        with.ask("sign_in", []);
        assert_eq!(CLIENT.token(&encrypted).as_deref(), Some("encrypted-access-1"));
        encrypted.clear().unwrap();
        assert!(fs::read(azure.location()).unwrap() == plain, "the plain text is left as it was");
        assert_eq!(CLIENT.token(&opened).as_deref(), Some("plain-access-2"));
        session.found(
            &azure.identity(),
            "then libsecret is there: it and we read, it signs in, we clear the item",
            "neither takes the plain text for a sign-in; the file in plain text is left, with its tokens",
        );
    });
}
