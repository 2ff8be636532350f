//! What a store sends, for programs that send the same.

use std::{
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use tokenkeep_test_support::engines::redis::Server;

use crate::values::KEEP_FOR;

/// What redis-benchmark does.
pub(crate) struct Load {
    pub(crate) clients: u64,
    pub(crate) users: u64,
    pub(crate) calls: u64,
}

/// A command of Redis: its words as `MONITOR` shows them.
pub(crate) struct Sent(Vec<String>);

impl Sent {
    /// The last command with this name that `call` sends.
    pub(crate) fn by(server: &Server, name: &str, call: impl FnOnce()) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
        (&stream).write_all(b"MONITOR\r\n").expect("sent");
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next().expect("an answer").expect("an answer"), "+OK");
        call();
        server.cli(&["ECHO", "the end"]);
        let shown = lines.map(|line| words(&line.expect("a line")));
        // What a script calls is shown too.
        let sent = shown.take_while(|words| words.last().is_none_or(|word| word != "the end"));
        let of_name = |words: &Vec<String>| words.first().is_some_and(|word| word == name);
        Self(sent.filter(of_name).last().unwrap_or_else(|| panic!("no {name} was sent")))
    }

    /// One of its words.
    pub(crate) fn word(&self, number: usize) -> &str {
        &self.0[number]
    }

    /// Lets redis-benchmark send it, for any of so many users where it was for the user whose id is
    /// `whose`. Returns how many answers came a second. The keys have numbers of 12 digits.
    pub(crate) fn rate(&self, server: &Server, whose: &str, load: &Load) -> f64 {
        let Load { clients, users, calls } = load;
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "--csv"]);
        command.args(["-c", &clients.to_string(), "-n", &calls.to_string()]);
        command.args(["-r", &users.to_string()]);
        command.args(self.0.iter().map(|word| word.replace(whose, "__rand_int__")));
        let output = command.output().expect("it is a part of Redis");
        let said = String::from_utf8_lossy(&output.stdout);
        // The name of the test, which is the command, may contain anything.
        let row = said.lines().last().unwrap_or_default();
        let figures: Vec<&str> = row.rsplit(',').take(7).collect();
        let rate = figures.last().and_then(|rate| rate.trim_matches('"').parse().ok());
        rate.unwrap_or_else(|| panic!("redis-benchmark says {figures:?}"))
    }
}

/// Sets keys to one value, as many at once as Redis takes.
pub(crate) fn set(server: &Server, names: impl Iterator<Item = String>, value: &[u8]) {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &server.port().to_string(), "--pipe"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let child = child.as_mut().expect("it is a part of Redis");
    let mut input = BufWriter::new(child.stdin.take().expect("it is a pipe"));
    let ttl = KEEP_FOR.as_millis().to_string();
    for name in names {
        let words = [b"SET", name.as_bytes(), value, b"PX", ttl.as_bytes()];
        let mut written = write!(input, "*{}\r\n", words.len());
        for word in words {
            written = written.and_then(|()| write!(input, "${}\r\n", word.len()));
            written = written.and_then(|()| input.write_all(word));
            written = written.and_then(|()| input.write_all(b"\r\n"));
        }
        written.expect("redis-cli reads");
    }
    input.flush().expect("redis-cli reads");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "redis-cli failed");
}

/// The words of a line such as `+1.2 [0 127.0.0.1:5] "GET" "key"`.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split_once("] ").map_or("", |(_, words)| words);
    let inner = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
    inner.map_or(Vec::new(), |inner| inner.split("\" \"").map(str::to_owned).collect())
}
