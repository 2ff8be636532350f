//! A tiny identity provider on loopback: metadata, device sign-in, tokens for an hour, refresh
//! tokens of one use, revocation. The user says yes after the first question. It is for this
//! example: it serves one request after the other, and knows one user.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) struct Provider {
    pub(crate) issuer: String,
    issued: Arc<AtomicU32>,
}

struct State {
    issuer: String,
    issued: Arc<AtomicU32>,
    polls: u32,
    valid: BTreeSet<String>,
}

impl Provider {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let issued = Arc::new(AtomicU32::new(0));
        let mut state = State {
            issuer: issuer.clone(),
            issued: Arc::clone(&issued),
            polls: 0,
            valid: BTreeSet::new(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up is not the provider's problem.
                state.serve(&stream).ok();
            }
        });
        Ok(Self { issuer, issued })
    }

    /// How often it issued tokens.
    pub(crate) fn issued(&self) -> u32 {
        self.issued.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut form = String::new();
        reader.take(length).read_to_string(&mut form)?;
        let path = first.split(' ').nth(1).unwrap_or_default();
        let (status, body) = self.answer(path, &form);
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn answer(&mut self, path: &str, form: &str) -> (&'static str, String) {
        let field = |name: &str| {
            let mut fields = form.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value.to_owned())
        };
        let issuer = &self.issuer;
        match path {
            "/.well-known/openid-configuration" => {
                let body = format!(
                    r#"{{"issuer": "{issuer}", "token_endpoint": "{issuer}/token",
                        "device_authorization_endpoint": "{issuer}/device",
                        "revocation_endpoint": "{issuer}/revoke"}}"#
                );
                (OK, body)
            }
            "/device" => {
                let body = format!(
                    r#"{{"device_code": "d", "user_code": "WDJB-MJHT", "interval": 0,
                        "verification_uri": "{issuer}/device", "expires_in": 600}}"#
                );
                (OK, body)
            }
            "/token" => match field("refresh_token") {
                Some(token) if self.valid.remove(&token) => (OK, self.tokens()),
                // A refresh token that is used twice was stolen: nobody may use its successor.
                Some(_) => {
                    self.valid.clear();
                    (REFUSED, r#"{"error": "invalid_grant"}"#.into())
                }
                None => {
                    self.polls += 1;
                    match self.polls {
                        1 => (REFUSED, r#"{"error": "authorization_pending"}"#.into()),
                        _ => (OK, self.tokens()),
                    }
                }
            },
            "/revoke" => {
                self.valid.remove(&field("token").unwrap_or_default());
                (OK, String::new())
            }
            _ => ("404 Not Found", String::new()),
        }
    }

    fn tokens(&mut self) -> String {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let refresh_token = format!("refresh-{number}");
        let claims = format!(
            r#"{{"iss": "{}", "aud": "quickstart", "sub": "1", "preferred_username": "ada"}}"#,
            self.issuer
        );
        let id_token = format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims));
        self.valid.insert(refresh_token.clone());
        format!(
            r#"{{"token_type": "Bearer", "expires_in": 3600, "access_token": "access-{number}",
                "refresh_token": "{refresh_token}", "id_token": "{id_token}"}}"#
        )
    }
}

const OK: &str = "200 OK";
const REFUSED: &str = "400 Bad Request";
