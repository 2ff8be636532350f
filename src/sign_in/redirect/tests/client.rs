//! A client that sends what it is told, and a sign-in that waits for it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::sign_in::{
    pages::Outcome,
    redirect::{Arrived, Redirect, RedirectTo, Verdict},
};

pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const RIGHT: &str = "/callback?code=SECRET&state=right";

pub(super) fn redirect() -> Redirect {
    Redirect::listen(RedirectTo::Loopback(0)).unwrap()
}

/// As a sign-in judges that waits for the state `right`.
pub(super) fn judge(response: &str) -> Verdict {
    let is_ours = response.split('&').any(|pair| pair == "state=right");
    if is_ours { Verdict::Ours } else { Verdict::NotOurs }
}

pub(super) fn done() -> Outcome {
    Outcome::Done {
        program: "my-app".into(),
        account: Some("ada@example.com".into()),
        provider: "id.example.org".into(),
    }
}

pub(super) fn refused() -> Outcome {
    Outcome::Refused {
        provider: "id.example.org".into(),
        code: "access_denied".into(),
        description: None,
    }
}

/// The host and port of a URI.
pub(super) fn host(redirect: &Redirect) -> String {
    let rest = redirect.uri().strip_prefix("http://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

/// Waits while `visits` runs on another thread, which gets host and port.
pub(super) fn wait_during<T: Send>(
    redirect: Redirect,
    visits: impl FnOnce(&str) -> T + Send,
) -> (Arrived, T) {
    let host = host(&redirect);
    thread::scope(|scope| {
        let visits = scope.spawn(move || visits(&host));
        let arrived = redirect.wait(&judge, Instant::now() + PATIENCE, &|| false).unwrap();
        (arrived.expect("the response has arrived"), visits.join().unwrap())
    })
}

/// A connection that has sent this request.
pub(super) struct Client(TcpStream);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Client {
    pub(super) fn send(host: &str, method: &str, target: &str, fields: &str, body: &str) -> Self {
        let host_field = match fields.contains("Host:") {
            true => String::new(),
            false => format!("Host: {host}\r\n"),
        };
        Self::send_raw(
            host,
            &format!("{method} {target} HTTP/1.1\r\n{host_field}{fields}\r\n{body}"),
        )
    }

    pub(super) fn get(host: &str, target: &str) -> Self {
        Self::send(host, "GET", target, "", "")
    }

    pub(super) fn post(host: &str, target: &str, form: &str) -> Self {
        let fields = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        Self::send(host, "POST", target, &fields, form)
    }

    pub(super) fn send_raw(host: &str, text: &str) -> Self {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Self(stream)
    }

    pub(super) fn answer(mut self) -> Answer {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(theirs, _)| *theirs == name).map(|(_, value)| value)
    }
}
