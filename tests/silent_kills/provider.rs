//! A provider on loopback that replaces a refresh token with each use, and knows who used one
//! again.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use tokenkeep::silent::{ExchangeError, Spend, TokenReply};

/// What the provider does with a refresh token that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leeway {
    /// It ends the sign-in.
    None,
    /// It gives the same successor again, while that one was not used.
    SameSuccessor,
}

pub(crate) struct Provider {
    port: u16,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// What was asked, by the name of the sign-in.
type Seen = BTreeMap<String, SignIn>;

#[derive(Clone, Copy, Debug, Default)]
struct SignIn {
    requests: usize,
    /// The number of the newest refresh token.
    newest: u64,
    has_ended: bool,
}

impl Provider {
    pub(crate) fn start(leeway: Leeway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<(Mutex<Seen>, Condvar)> = Arc::default();
        let theirs = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&theirs);
                thread::spawn(move || answer(stream, &seen, leeway));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many requests of a sign-in came.
    pub(crate) fn requests(&self, sign_in: &str) -> usize {
        self.seen().get(sign_in).map_or(0, |one| one.requests)
    }

    /// Waits until the request of a process has come that may be dead by now.
    pub(crate) fn wait_for_a_request(&self, sign_in: &str) {
        let has_none = |seen: &mut Seen| !seen.contains_key(sign_in);
        let waited = self.seen.1.wait_timeout_while(self.seen(), PATIENCE, has_none).unwrap();
        assert!(!waited.1.timed_out(), "no request of {sign_in} has come");
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap()
    }
}

/// A refresh token is the name of its sign-in and a number. One line with the token comes, and one
/// line with the answer goes.
fn answer(mut stream: TcpStream, seen: &(Mutex<Seen>, Condvar), leeway: Leeway) {
    let mut spent = String::new();
    BufReader::new(&stream).read_line(&mut spent).unwrap();
    // The client may have been killed before it sent anything.
    let Some((sign_in, number)) = spent.trim().split_once('.') else { return };
    let answer = {
        let mut seen = seen.0.lock().unwrap();
        let one = seen.entry(sign_in.to_owned()).or_default();
        one.requests += 1;
        match one.newest.checked_sub(number.parse().unwrap()) {
            Some(0) if !one.has_ended => one.newest += 1,
            Some(1) if leeway == Leeway::SameSuccessor => {}
            _ => one.has_ended = true,
        }
        let SignIn { newest, has_ended, .. } = *one;
        match has_ended {
            true => r#"{"error": "invalid_grant"}"#.to_owned(),
            false => tokens(sign_in, newest),
        }
    };
    seen.1.notify_all();
    // Or before it could read the answer.
    stream.write_all(format!("{answer}\n").as_bytes()).ok();
}

/// The answer of the `number`th renewal, or of the sign-in for 0.
pub(crate) fn tokens(sign_in: &str, number: u64) -> String {
    format!(
        r#"{{"access_token": "a.{sign_in}.{number}", "refresh_token": "{sign_in}.{number}", "expires_in": 3600}}"#
    )
}

/// A request to it: the bytes are sent by one system call.
pub(crate) fn exchange(port: u16, spend: &Spend) -> Result<TokenReply, ExchangeError> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(ExchangeError::not_sent)?;
    let sent = stream.write_all(format!("{}\n", spend.refresh_token().unwrap()).as_bytes());
    let mut answer = String::new();
    let read = sent.and_then(|()| BufReader::new(&stream).read_line(&mut answer));
    match read.map_err(ExchangeError::unknown)? {
        0 => Err(ExchangeError::unknown("it hung up")),
        _ => Ok(TokenReply::new(if answer.contains("error") { 400 } else { 200 }, answer)),
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
