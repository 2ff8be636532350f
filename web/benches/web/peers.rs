//! The libraries that are compared with, as processes of their own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tokenkeep_test_support::{NodeModules, Tool, engines::redis::Server, need, node, python};

use crate::{row, user};

/// A peer that has written users into Redis and does what it is told.
pub(crate) struct Peer {
    pub(crate) name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a call of a peer costs.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Peer {
    /// msal for Python with redis-py.
    pub(crate) fn python(server: &Server) -> Option<Self> {
        if !need(Tool::Python) {
            return None;
        }
        let mut command = Command::new(python()?);
        command.arg(program("peer.py")).arg(server.port().to_string());
        Self::start("msal for Python", command)
    }

    /// msal-node's plugin with node-redis.
    pub(crate) fn node(server: &Server) -> Option<Self> {
        if !need(Tool::MsalNode) {
            return None;
        }
        let mut command = Command::new(node().expect("it is here"));
        command.arg(program("peer.mjs")).arg(server.port().to_string());
        command.arg(NodeModules::MSAL.path());
        Self::start("msal-node", command)
    }

    fn start(name: &str, mut command: Command) -> Option<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (mut input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let document = user::cache(0).to_json();
        let document = json!(std::str::from_utf8(document.expose()).expect("JSON is text"));
        let names = json!({
            "client_id": user::CLIENT, "authority": user::AUTHORITY,
            "home_account_id": user::home(0), "scope": user::SCOPES[0],
        });
        write!(input, "{document}\n{names}\n").expect("the peer reads");
        let mut peer = Self { name: name.to_owned(), child, input, output };
        let version = peer.line();
        if version.is_empty() {
            row::note(format_args!("{name} does not start"));
            return None;
        }
        peer.name = format!("{name} {version}");
        Some(peer)
    }

    /// What one call costs at least, of `rounds` times `calls`.
    pub(crate) fn least(&mut self, work: &str, rounds: usize, calls: u32) -> Cost {
        let mut least = Cost { cpu: Duration::MAX, wall: Duration::MAX };
        for round in 0..=rounds {
            let cost = self.cost(work, calls);
            if round > 0 {
                let (cpu, wall) = (cost.cpu.min(least.cpu), cost.wall.min(least.wall));
                least = Cost { cpu, wall };
            }
        }
        least
    }

    fn cost(&mut self, work: &str, calls: u32) -> Cost {
        let said = self.ask(work, calls);
        let seconds: Vec<f64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [cpu, wall] = seconds[..] else { panic!("{} says {said:?}", self.name) };
        let each = |seconds: f64| Duration::from_secs_f64(seconds) / calls;
        Cost { cpu: each(cpu), wall: each(wall) }
    }

    /// How many of so many parallel updates of one user are lost.
    pub(crate) fn lost(&mut self, updates: u32) -> u64 {
        self.ask("lost", updates).parse().expect("a number")
    }

    fn ask(&mut self, work: &str, calls: u32) -> String {
        writeln!(self.input, "{work} {calls}").expect("the peer reads");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer writes text");
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/web").join(name)
}
