//! Which session bus is believed: the user's own, and nothing that only listens at its address.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod bus;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bus::{Bus, GUID, HELLO, Then};
use tokenkeep_platform::vault::{Call, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{State, inside};
use tokenkeep_test_support::{again, task};

const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";

fn read(within: Duration) -> Result<bool, VaultError> {
    let item = Item::new("tests", "never made");
    loop {
        match Vault::os().read(&item, &Call::quiet().within(within)) {
            // It was silent the last time, and was not asked.
            Err(VaultError::TimedOut { waited: Duration::ZERO }) => std::thread::yield_now(),
            other => return other.map(|found| found.is_some()),
        }
    }
}

/// What a process that reads an item says of the bus at `address`.
fn said(test: impl Fn(), address: &str) -> String {
    let output = again(test, "read").env(ADDRESS, address).output().unwrap();
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    let out = String::from_utf8(out).unwrap();
    assert!(output.status.success() && err.is_empty(), "{out}\n{err}");
    out.lines().find_map(|line| line.strip_prefix("said ")).expect("it says something").to_owned()
}

#[expect(clippy::print_stdout, reason = "the other process reads it")]
fn say() {
    println!("\nsaid {:?}", read(Duration::from_secs(3)));
}

#[test]
fn a_bus_that_greets_with_nonsense_is_an_error_in_time_and_prints_nothing() {
    let Some(folder) = task() else {
        inside(
            "a_bus_that_greets_with_nonsense_is_an_error_in_time_and_prints_nothing",
            State::Unlocked,
            |keyring| {
                let folder = tempfile::tempdir().unwrap();
                let real = keyring.address().to_str().unwrap().split(['=', ',']).nth(1).unwrap();
                symlink(real, folder.path().join("real")).unwrap();
                let address = format!("unix:path={}/bus", folder.path().display());
                let child = again(
                    a_bus_that_greets_with_nonsense_is_an_error_in_time_and_prints_nothing,
                    folder.path(),
                )
                .env(ADDRESS, address)
                .output()
                .unwrap();
                let err = String::from_utf8_lossy(&child.stderr);
                let out = String::from_utf8_lossy(&child.stdout);
                assert!(child.status.success() && err.is_empty(), "{out}\n{err}");
            },
        );
        return;
    };
    let (folder, short) = (Path::new(&folder), Duration::from_millis(200));
    let bus = Bus::listen(&folder.join("bus"));
    let ok = format!("OK {GUID}\r\n").into_bytes();
    let after_ok = |bytes: &[u8]| [&ok[..], bytes].concat();
    let mut greetings: Vec<Vec<u8>> = [
        &b""[..],
        b"\n",
        b"\r\n",
        b"\n\n\n",
        b"\0",
        b"\0\n",
        b"OK",
        b"OK\n",
        b"OK\r\n",
        b"OK \r\n",
        b"OK 0123\r\n",
        b"OK zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n",
        b"OK \xff\xfe\r\n",
        b"ok 0123456789abcdef0123456789abcdef\r\n",
        b"DATA\r\n",
        b"DATA zz\r\n",
        b"ERROR\r\n",
        b"REJECTED\r\n",
        b"REJECTED EXTERNAL ANONYMOUS\r\n",
        b"AGREE_UNIX_FD\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x1b]0;title\x07\x1b[2J\r\n",
        "OK \u{202e}0123456789abcdef\r\n".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let silent = greetings.len();
    greetings.extend([vec![b'x'; 1 << 20], vec![b'\n'; 1 << 16], vec![0; 1 << 16]]);
    greetings.extend((1..ok.len()).map(|end| ok[..end].to_vec()));
    greetings.extend([after_ok(b"\n"), after_ok(&ok), after_ok(b"AGREE_UNIX_FD\r\n")]);
    for (number, greeting) in greetings.iter().enumerate() {
        for then in [Then::Close, Then::Wait] {
            // One that ends early is silent each time; a few are enough.
            if number > silent && number % 8 > 0 && matches!(then, Then::Wait) {
                continue;
            }
            bus.answers(greeting, b"", then);
            let begun = Instant::now();
            let result = read(short);
            let said = format!("{:?}: {result:?}", String::from_utf8_lossy(greeting));
            assert!(begun.elapsed() < short + Duration::from_secs(2), "{said}");
            let error = result.expect_err(&said);
            let is_silence = matches!(error, VaultError::TimedOut { .. });
            assert!(is_silence || matches!(error, VaultError::Failed { .. }), "{said}");
            assert!(!format!("{error:?}").contains(['\u{1b}', '\u{202e}']), "{error:?}");
        }
    }
    // What it answers to the first call.
    for place in 0..HELLO.len() {
        for byte in [0, 1, b'\n', 0x7f, 0xff, HELLO[place].wrapping_add(1)] {
            let mut answer = HELLO.to_vec();
            answer[place] = byte;
            bus.answers(&ok, &answer, Then::Close);
            assert!(read(short).is_err(), "{byte} at {place}");
        }
    }
    drop(bus);
    std::fs::rename(folder.join("real"), folder.join("bus")).unwrap();
    assert!(!read(Duration::from_secs(3)).unwrap(), "the same thread asks the real one");
}

#[test]
fn the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it() {
    if task().is_some() {
        return say();
    }
    inside(
        "the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it",
        State::Unlocked,
        |keyring| {
            let right = keyring.address().to_str().unwrap();
            let (socket, id) = right.split_once(",guid=").expect("a daemon says its id");
            let wrong = format!("{socket},guid=0123456789abcdef0123456789abcdef");
            let (upper, bare) = (format!("{socket},guid={}", id.to_uppercase()), socket.to_owned());
            let first = format!("guid={id},{}", socket.strip_prefix("unix:").unwrap());
            for address in
                [right, &upper, &bare, &format!("unix:{first}"), &format!("{wrong};{bare}")]
            {
                assert_eq!(
                    said(
                        the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it,
                        address
                    ),
                    "Ok(false)",
                    "{address}"
                );
            }
            for address in
                [&wrong, &format!("{socket},guid="), &format!("{wrong};unix:path=/no/bus")]
            {
                let said = said(
                    the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it,
                    address,
                );
                assert!(said.contains("ServiceMissing") && said.contains("a later one"), "{said}");
            }
            for address in
                [format!("{right},guid={id}"), format!("{socket},path=/no/bus"), "unix:".into()]
            {
                let said = said(
                    the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it,
                    &address,
                );
                assert!(
                    said.contains("ServiceMissing") && said.contains("no session bus"),
                    "{said}"
                );
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a bus, of: 100 %");
            symlink(socket.strip_prefix("unix:path=").unwrap(), &path).unwrap();
            let escaped = path.to_str().unwrap().replace('%', "%25");
            let escaped = escaped.replace(' ', "%20").replace(',', "%2c").replace(':', "%3A");
            assert_eq!(
                said(
                    the_id_in_the_address_is_that_of_the_bus_or_nothing_is_asked_of_it,
                    &format!("unix:path={escaped}")
                ),
                "Ok(false)"
            );
        },
    );
}

/// Somebody else's process, until it is dropped.
struct Theirs(Child);

impl Theirs {
    fn start(command: &mut Command) -> (Self, String) {
        let command = command.uid(ANOTHER).gid(ANOTHER).env_clear().env("PATH", "/usr/bin:/bin");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        child.stdout = Some(out.into_inner());
        (Self(child), line.trim().to_owned())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn another_users_bus_is_told_nothing() {
    if task().is_some() {
        return say();
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("theirs");
    std::fs::create_dir(&place).unwrap();
    // Only root can be another user.
    if chown(&place, Some(ANOTHER), Some(ANOTHER)).is_err() {
        return;
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    inside("another_users_bus_is_told_nothing", State::Unlocked, |keyring| {
        let own = keyring.address().to_str().unwrap();
        let name = format!("tokenkeep-test-{}", std::process::id());
        let config = folder.path().join("bus.conf");
        for listen in [
            format!("unix:path={}/bus", place.display()),
            #[cfg(target_os = "linux")]
            format!("unix:abstract={name}"),
        ] {
            let text = format!(
                r#"<busconfig><type>session</type><listen>{listen}</listen><policy context="default">
                <allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow own="*"/>
                </policy></busconfig>"#
            );
            File::create(&config).unwrap().write_all(text.as_bytes()).unwrap();
            let mut daemon = Command::new("dbus-daemon");
            daemon.arg(format!("--config-file={}", config.display()));
            daemon.args(["--nofork", "--nopidfile", "--print-address=1"]);
            let (_daemon, address) = Theirs::start(&mut daemon);
            assert!(address.starts_with("unix:"), "{address}");
            for address in [address.clone(), format!("{address};unix:path=/no/bus")] {
                let said = said(another_users_bus_is_told_nothing, &address);
                assert!(said.contains("ServiceMissing"), "{said}");
                assert!(said.contains(&format!("belongs to user {ANOTHER}")), "{said}");
            }
            assert_eq!(
                said(another_users_bus_is_told_nothing, &format!("{address};{own}")),
                "Ok(false)",
                "the next is ours"
            );
        }
        let socket = place.join("listener\u{202e}\n");
        let mut listener = Command::new("perl");
        let (mut listener, ready) = Theirs::start(listener.args(["-e", LISTENER]).arg(&socket));
        assert_eq!(ready, "ready");
        let said =
            said(another_users_bus_is_told_nothing, &format!("unix:path={}", socket.display()));
        assert!(said.contains("belongs to user"), "{said}");
        assert!(!said.contains(['\u{202e}', '\n']), "{said}");
        let mut heard = Vec::new();
        listener.0.stdout.take().unwrap().read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"heard: ", "before it closed the connection");
    });
}

/// `daemon`, on every system.
const ANOTHER: u32 = 1;
const LISTENER: &str = r#"
    use Socket;
    $| = 1;
    socket(my $l, PF_UNIX, SOCK_STREAM, 0) or die $!;
    bind($l, sockaddr_un($ARGV[0])) && listen($l, 1) or die $!;
    chmod 0777, $ARGV[0];
    print "ready\n";
    accept(my $c, $l) or die $!;
    local $/;
    print "heard: ", scalar <$c> // "";
"#;
