//! A headless browser, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::place;

/// A browser with one window and a new profile. It ends when this is dropped, or when the process
/// that has this ends.
///
/// Several threads may use it. While a page loads, the others wait.
///
/// Most methods panic when the browser has ended, or does not do in 60 s what it is told.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    /// The address of the session at the driver.
    session: String,
    agent: ureq::Agent,
    _profile: TempDir,
}

/// What a page is told that the user prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColorScheme {
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// When it or its driver is not there or does not start; see [`Tool::Browser`](crate::Tool).
    pub fn start() -> io::Result<Self> {
        let profile = TempDir::new()?;
        let browser = place::browser();
        let browser = browser.ok_or_else(|| io::Error::other("there is no browser"))?;
        let (driver, port) = Driver::start(&profile)?;
        let agent = agent();
        let options = json!({
            "binary": browser,
            "args": [
                "--headless=new",
                // root has no other way.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                // With it the browser ends when its driver does.
                "--remote-debugging-pipe",
                "--window-size=800,600",
                format!("--user-data-dir={}", profile.path().join("profile").display()),
            ],
        });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            // The driver waits for elements, so that a test need not.
            "timeouts": { "implicit": ELEMENT, "pageLoad": PAGE, "script": PAGE },
        }}});
        let sessions = format!("http://127.0.0.1:{port}/session");
        let session = value(agent.post(&sessions).send(capabilities.to_string()))
            .map_err(io::Error::other)?;
        let id = session["sessionId"].as_str().unwrap_or_default();
        Ok(Self { session: format!("{sessions}/{id}"), driver, agent, _profile: profile })
    }

    /// Opens an address, and waits until the page is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("url", json!({ "url": url }));
    }

    /// The address that is shown.
    #[track_caller]
    pub fn url(&self) -> String {
        text(self.get("url"))
    }

    /// The title of the page.
    #[track_caller]
    pub fn title(&self) -> String {
        text(self.get("title"))
    }

    /// The text that is visible in the first element that the CSS selector finds.
    ///
    /// As in all methods with a selector, the element is waited for, at most 10 s.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        text(self.get(&format!("element/{}/text", self.element(selector))))
    }

    /// A property of an element's style, as the browser applies it.
    #[track_caller]
    pub fn style(&self, selector: &str, property: &str) -> String {
        text(self.get(&format!("element/{}/css/{property}", self.element(selector))))
    }

    /// The role and the name that a screen reader gives an element.
    #[track_caller]
    pub fn role_and_name(&self, selector: &str) -> (String, String) {
        let element = self.element(selector);
        let part = |part: &str| text(self.get(&format!("element/{element}/{part}")));
        (part("computedrole"), part("computedlabel"))
    }

    /// Clicks an element that leads to another page, and waits until the page is left.
    #[track_caller]
    pub fn follow(&self, selector: &str) {
        let page = self.element("html");
        self.post(&format!("element/{}/click", self.element(selector)), json!({}));
        let is_here =
            || value(self.agent.get(format!("{}/element/{page}/name", self.session)).call());
        let began = Instant::now();
        while is_here().is_ok() {
            assert!(began.elapsed() < PATIENCE, "{selector} leads nowhere");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types into an element.
    #[track_caller]
    pub fn type_into(&self, selector: &str, keys: &str) {
        self.post(&format!("element/{}/value", self.element(selector)), json!({ "text": keys }));
    }

    /// Tells pages what the user prefers, until it is told otherwise.
    #[track_caller]
    pub fn prefer(&self, scheme: ColorScheme) {
        let scheme = match scheme {
            ColorScheme::Light => "light",
            ColorScheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = "Emulation.setEmulatedMedia";
        let command = json!({ "cmd": command, "params": { "features": features } });
        self.post("goog/cdp/execute", command);
    }

    /// The picture of the window, in PNG.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        STANDARD.decode(text(self.get("screenshot"))).expect("it is Base64")
    }

    /// What the browser has written to its console since the last call.
    #[track_caller]
    pub fn console(&self) -> Vec<String> {
        let lines = self.post("se/log", json!({ "type": "browser" }));
        let lines = lines.as_array().expect("it is a list");
        lines.iter().map(|line| text(line["message"].clone())).collect()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": selector }));
        text(found[ELEMENT_KEY].clone())
    }

    #[track_caller]
    fn get(&self, what: &str) -> Value {
        let got = value(self.agent.get(format!("{}/{what}", self.session)).call());
        got.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    #[track_caller]
    fn post(&self, what: &str, arguments: Value) -> Value {
        let sent = self.agent.post(format!("{}/{what}", self.session)).send(arguments.to_string());
        value(sent).unwrap_or_else(|error| panic!("{what} {arguments}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // So that it writes nothing any more when its folder is removed.
        self.agent.delete(&self.session).call().ok();
        self.driver.end();
    }
}

/// The driver, in a shell that ends it when its input is closed.
#[derive(Debug)]
struct Driver(Child);

impl Driver {
    /// Starts it, and returns its port.
    fn start(folder: &TempDir) -> io::Result<(Self, u16)> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "chromedriver --port=0 & read -r end; kill -9 $!; wait"])
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for name in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            shell.env_remove(name);
        }
        let mut child = shell.spawn()?;
        let stdout = child.stdout.take();
        let driver = Self(child);
        let mut lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
        // A line before this one names port 0.
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").map(|(_, port)| number(port))
        });
        let port = port.flatten().ok_or_else(|| io::Error::other("the driver does not start"))?;
        // Somebody has to read, or the driver waits at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok((driver, port))
    }

    fn end(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end();
    }
}

fn number(text: &str) -> Option<u16> {
    text.trim_end_matches('.').parse().ok()
}

fn text(value: Value) -> String {
    value.as_str().expect("it is text").to_owned()
}

/// The value of a response, or what the driver says against it.
fn value(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let body = response
        .and_then(|mut response| response.body_mut().with_config().limit(LARGEST).read_to_string());
    let body = body.map_err(|error| error.to_string())?;
    let mut body: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    match body["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", body["value"]["message"])),
        None => Ok(body["value"].take()),
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent()
}

/// The name of an element's id (WebDriver, section 12.1).
const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";
// In milliseconds.
const ELEMENT: u32 = 10_000;
const PAGE: u32 = 60_000;
const PATIENCE: Duration = Duration::from_secs(70);
/// For a screenshot.
const LARGEST: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;
    use crate::again::{again, task};
    use crate::http::{HttpServer, Script, http_response};
    use crate::tool::{Tool, need};

    #[test]
    fn a_browser_fills_in_a_form_and_shows_the_answer() {
        if !need(Tool::Browser) {
            return;
        }
        let page = "<meta charset=utf-8><title>A page</title><form method=post action=/next>\
                    <input name=a><button>Go</button></form>";
        let html = http_response("200 OK", &[], page);
        let html = String::from_utf8(html).unwrap().replace("application/json", "text/html");
        let server = HttpServer::start(Script::Close(html.into_bytes()));
        let browser = Browser::start().unwrap();
        browser.open(&format!("http://{}/first", server.host()));
        assert_eq!((browser.title(), browser.text("button")), ("A page".into(), "Go".into()));
        assert_eq!(browser.role_and_name("button"), ("button".into(), "Go".into()));
        browser.type_into("input[name=a]", "é b");
        browser.follow("button");
        assert_eq!(browser.url(), format!("http://{}/next", server.host()));
        let requests = server.requests();
        let posted = requests.iter().find(|request| request.line == "POST /next").unwrap();
        assert_eq!(posted.body, "a=%C3%A9+b");
        assert!(browser.screenshot().starts_with(b"\x89PNG"));
    }

    #[test]
    fn a_browser_ends_with_the_process_that_has_it() {
        if let Some(url) = task() {
            let browser = Browser::start().unwrap();
            browser.open(url.to_str().unwrap());
            return;
        }
        if !need(Tool::Browser) {
            return;
        }
        // A page that never ends, so that the end of its connection is the end of the browser.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        // A process that is killed removes no folder.
        let folder = TempDir::new().unwrap();
        let mut child = again(a_browser_ends_with_the_process_that_has_it, url);
        child.stdout(Stdio::null()).env("TMPDIR", folder.path());
        let mut child = child.spawn().unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.read_to_end(&mut Vec::new()).unwrap();
    }
}
