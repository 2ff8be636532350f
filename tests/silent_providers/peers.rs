//! The same with msal and msal-extensions, for comparison: how many of several processes get a
//! token, and whether the user is signed in afterwards. Only where `TOKENKEEP_SILENT_PEERS` says
//! how many processes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use tempfile::tempdir;
use tokenkeep_test_support::{
    Tool, need,
    providers::{OidcProvider, Provider},
    python, say, workspace_root,
};

use crate::number;

#[test]
fn msal_beside_it_is_measured() {
    let processes = number("TOKENKEEP_SILENT_PEERS", 0);
    if processes == 0 || !need(Tool::OidcProvider) || !need(Tool::Python) {
        return;
    }
    // msal takes no token that is valid for less than five minutes.
    let provider = OidcProvider::new().lifetime(Duration::from_secs(60)).start().unwrap();
    for round in 1..=ROUNDS {
        let folder = tempdir().unwrap();
        let cache = folder.path().join("cache.json");
        let mut first = Peer::start(&provider, &cache);
        first.tell(&format!("add {}", provider.sign_in("ada").trim()));
        assert_eq!(first.word(), "added");
        let before = provider.counts();
        let mut peers: Vec<Peer> = (0..processes).map(|_| Peer::start(&provider, &cache)).collect();
        peers.iter_mut().for_each(|peer| peer.tell("acquire"));
        let words: Vec<String> = peers.iter_mut().map(Peer::word).collect();
        let counts = provider.counts();
        first.tell("acquire");
        let after = first.word();
        say(&format!(
            "msal and msal-extensions, round {round}: {} of {processes} processes got a token; {} \
             exchanges, {} refused, {} reused; afterwards: {after}",
            words.iter().filter(|word| *word == TOKEN).count(),
            counts.exchanges - before.exchanges,
            counts.refused - before.refused,
            counts.reuse - before.reuse,
        ));
        assert!(words.iter().any(|word| word == TOKEN), "nobody got one: {words:?}");
    }
}

/// A process of Python with a cache that it shares.
struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(provider: &Provider, cache: &Path) -> Self {
        let mut command = Command::new(python().unwrap());
        command.arg(workspace_root().join("tests/silent_providers/peers.py"));
        command.args([provider.issuer(), provider.token_endpoint(), Provider::CLIENT]);
        command.arg(Provider::SCOPE).arg(cache);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { child, output };
        assert_eq!(peer.word(), "ready");
        peer
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn word(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const ROUNDS: usize = 5;
/// What a peer says that got one.
const TOKEN: &str = "token";
