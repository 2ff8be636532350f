//! A store with a key file in a folder of the test's own, and the program that is tested on it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where a store is, or is going to be: `store/` and `keys/` in one folder.
pub(crate) struct Keep {
    root: PathBuf,
}

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) event: Option<Event>,
}

/// A sign-in that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) client: &'static str,
    pub(crate) secret: &'static str,
}

/// Everything that the cache holds, without the times at which it was written. Two runs of the same
/// requests hold the same.
pub(crate) type Contents = Value;

impl Keep {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn command(&self, request: &Request) -> Command {
        let mut key = std::ffi::OsString::from("file:");
        key.push(self.root.join(KEY_FILE));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenkeep"));
        command.env_clear().current_dir("/");
        command.arg("--cache").arg(self.root.join("store")).arg("--key").arg(key);
        command.args(request.arguments);
        command
    }

    /// Runs the program as a user would.
    pub(crate) fn run(&self, request: &Request) -> Output {
        let mut command = self.command(request);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Dropped at the end of the statement, so that the program reads an end.
        child.stdin.take().unwrap().write_all(&request.input()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a request that must be done.
    pub(crate) fn must(&self, request: &Request) -> Result<(), String> {
        let output = self.run(request);
        match output.status.code() {
            Some(0) => Ok(()),
            _ => Err(format!(
                "{} then ended with {}: {}",
                request.name,
                output.status,
                text(&output.stderr)
            )),
        }
    }

    /// What a new process finds.
    pub(crate) fn contents(&self) -> Result<Contents, String> {
        let output = self.run(&EXPORT);
        if !output.status.success() {
            return Err(format!("cannot be read, {}: {}", output.status, text(&output.stderr)));
        }
        let mut contents = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("export prints no JSON: {error}"))?;
        without_times(&mut contents);
        Ok(contents)
    }

    /// The access token that a new process prints for a client; `None` if a sign-in is needed.
    pub(crate) fn token(&self, client: &str) -> Result<Option<String>, String> {
        let mut command = self.command(&TOKEN);
        let output = command.args(["--client-id", client]).stdin(Stdio::null()).output().unwrap();
        match output.status.code() {
            Some(0) => Ok(Some(text(&output.stdout).trim_end().to_owned())),
            Some(3) => Ok(None),
            _ => Err(format!("token ended with {}: {}", output.status, text(&output.stderr))),
        }
    }

    /// The bytes of the sealed file, if there is one.
    pub(crate) fn sealed(&self) -> Option<Vec<u8>> {
        fs::read(self.root.join(SEALED_FILE)).ok()
    }

    /// Every file, by its path within the root.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.root, &self.root, &mut files).unwrap();
        files.sort();
        files
    }

    /// Files that are not part of a store at rest.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut files = self.files();
        files.retain(|file| !AT_REST.contains(&file.as_str()));
        files
    }

    /// A copy in another folder, which must be there and empty.
    pub(crate) fn copy_to(&self, root: &Path) -> Self {
        copy(&self.root, root).unwrap();
        Self::new(root)
    }
}

impl Request {
    pub(crate) const fn new(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, arguments, event: None }
    }

    pub(crate) const fn add(
        name: &'static str,
        client: &'static str,
        secret: &'static str,
    ) -> Self {
        Self { name, arguments: &["add"], event: Some(Event { client, secret }) }
    }

    /// What the program reads from standard input.
    pub(crate) fn input(&self) -> Vec<u8> {
        let Some(Event { client, secret }) = self.event else { return Vec::new() };
        let event = json!({
            "client_id": client,
            "scope": ["s1"],
            "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
            "response": {
                "access_token": format!("at-{secret}"),
                "expires_in": 3600,
                "refresh_token": format!("rt-{secret}"),
                "id_token_claims": {
                    "sub": format!("subject of {client}"),
                    "preferred_username": format!("{client}@example.com"),
                },
            },
        });
        event.to_string().into_bytes()
    }
}

/// A folder in memory where the system has one: what is tested here is not the disk, and a sync
/// costs nothing there.
pub(crate) fn temporary_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if TIMES.contains(&name.as_str()) {
                    *value = Value::Null;
                }
                without_times(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}

fn list(folder: &Path, root: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, root, files)?;
        } else {
            files.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

pub(crate) const SEALED_FILE: &str = "store/cache.sealed";
pub(crate) const KEY_FILE: &str = "keys/k.key";
const AT_REST: [&str; 5] =
    [KEY_FILE, SEALED_FILE, "store/cache.holder", "store/cache.lock", "store/cache.queue"];

const EXPORT: Request = Request::new("export", &["export", "--reveal-secrets"]);
const TOKEN: Request = Request::new(
    "token",
    &["token", "--scope", "s1", "--authority", "https://login.example.com/contoso"],
);
const TIMES: [&str; 5] =
    ["cached_at", "expires_on", "extended_expires_on", "last_modification_time", "refresh_on"];
