//! The promises, one row each: its name, which backends make it, and how it is checked.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use tokenkeep_test_support::hexadecimal;

use super::{
    backend::{AtRest, Backend},
    bench::Bench,
    elsewhere::{Deed, ROUNDS, payload},
    log_lines,
    slot::{Kind, Refusal, Slot},
};

pub(crate) type Check = fn(&Bench<'_>);
pub(crate) type IsMade = fn(&Backend) -> bool;

/// A promise by its name, who makes it, and how it is checked.
pub(crate) type Row = (&'static str, IsMade, Check);

pub(crate) const CHECKS: &[Row] = &[
    ("load before save is none", EVERY, |bench| {
        assert_eq!(bench.slot().load().unwrap(), None);
    }),
    ("the same bytes come back", EVERY, |bench| {
        let slot = bench.slot();
        let mut payloads = BYTES.to_vec();
        // What a shorter save leaves is another promise.
        payloads.sort_by_key(|bytes| bytes.len());
        for bytes in payloads {
            slot.save(bytes).unwrap();
            assert_eq!(bench.slot().load().unwrap().as_deref(), Some(bytes));
        }
    }),
    ("an empty payload is kept, or refused and nothing changes", EVERY, |bench| {
        let slot = bench.slot();
        slot.save(b"before").unwrap();
        match slot.save(b"") {
            Ok(()) => assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b""[..])),
            Err(refusal) => {
                assert!(refusal.shown().contains("empty"), "it does not say why: {refusal:?}");
                assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"before"[..]));
            }
        }
    }),
    ("every size within the limit comes back whole", EVERY, |bench| {
        let limit = bench.backend.limit.unwrap_or(usize::MAX);
        let slot = bench.slot();
        for size in [1, 2_559, 2_560, 2_561, 64 << 10, 1 << 20] {
            if size <= limit {
                slot.save(&letters(size)).unwrap();
                let back = bench.slot().load().unwrap();
                assert!(back == Some(letters(size)), "{size} bytes: {:?}", back.map(|b| b.len()));
            }
        }
    }),
    ("what is too large is refused with the limit before anything changes", LIMITED, |bench| {
        let limit = bench.backend.limit.expect("it has one");
        let slot = bench.slot();
        slot.save(b"before").unwrap();
        let refusal = slot.save(&letters(limit + 1)).unwrap_err();
        assert_eq!(refusal.kind, Kind::TooLarge, "{refusal:?}");
        assert!(refusal.text().contains(&limit.to_string()), "no limit in: {}", refusal.text());
        assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"before"[..]));
    }),
    ("a shorter save leaves no tail", EVERY, |bench| {
        let slot = bench.slot();
        slot.save(&letters(2_500)).unwrap();
        slot.save(b"short").unwrap();
        assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"short"[..]));
    }),
    ("create never replaces", CREATES, |bench| {
        bench.slot().create(b"the first").unwrap();
        let refusal = bench.slot().create(b"the second").unwrap_err();
        assert_eq!(refusal.kind, Kind::Exists, "{refusal:?}");
        assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"the first"[..]));
    }),
    ("two names never collide", EVERY, |bench| {
        let alike = bench.backend.alike;
        for (number, (service, account)) in (0..).zip(alike) {
            bench.named(service, account).save(&payload(number)).unwrap();
        }
        for (number, (service, account)) in (0..).zip(alike) {
            let back = bench.named(service, account).load().unwrap();
            assert!(back == Some(payload(number)), "{service:?} {account:?} has another's bytes");
        }
    }),
    (
        "names that differ by case alone are two",
        |backend| backend.tells_case,
        |bench| {
            for (writer, (service, account)) in (0..).zip([("n", "n"), ("N", "n"), ("n", "N")]) {
                bench.named(service, account).save(&payload(writer)).unwrap();
            }
            for (writer, (service, account)) in (0..).zip([("n", "n"), ("N", "n"), ("n", "N")]) {
                let back = bench.named(service, account).load().unwrap();
                assert!(back == Some(payload(writer)), "{service} {account} has another's bytes");
            }
        },
    ),
    ("what another handle wrote is seen", EVERY, |bench| {
        let (mine, theirs) = (bench.slot(), bench.slot());
        drop(theirs.load());
        for writer in 0..4 {
            mine.save(&payload(writer)).unwrap();
            assert_eq!(theirs.load().unwrap(), Some(payload(writer)));
        }
    }),
    ("what another process wrote is seen", PROCESSES, |bench| {
        let theirs = bench.named("theirs", "user");
        // So that a handle that remembers shows it.
        drop(theirs.load());
        bench.elsewhere("theirs", "user", Deed::Save(1)).finish();
        assert_eq!(theirs.load().unwrap(), Some(payload(1)));
        bench.named("mine", "user").save(&payload(2)).unwrap();
        bench.elsewhere("mine", "user", Deed::Find(2)).finish();
    }),
    ("delete is idempotent", EVERY, |bench| {
        let slot = bench.slot();
        assert!(!slot.delete().unwrap(), "there was nothing to delete");
        slot.save(b"kept").unwrap();
        assert!(slot.delete().unwrap(), "there was something to delete");
        assert!(!slot.delete().unwrap(), "it was deleted already");
    }),
    ("what was deleted is gone", EVERY, |bench| {
        bench.slot().save(b"kept").unwrap();
        bench.slot().delete().unwrap();
        assert_eq!(bench.slot().load().unwrap(), None);
    }),
    ("save after delete", EVERY, |bench| {
        let slot = bench.slot();
        slot.save(b"before").unwrap();
        slot.delete().unwrap();
        slot.save(b"after").unwrap();
        assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"after"[..]));
    }),
    ("saves by threads at once leave one whole payload", EVERY, |bench| {
        bench.slot().save(&payload(0)).unwrap();
        let reader = bench.slot();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    assert_whole(reader.load());
                }
            });
            let writers: Vec<_> = (1..=4)
                .map(|writer| {
                    scope.spawn(move || {
                        let slot = bench.slot();
                        for _ in 0..ROUNDS {
                            slot.save(&payload(writer)).unwrap();
                        }
                    })
                })
                .collect();
            let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            is_over.store(true, Ordering::SeqCst);
            assert!(ends.iter().all(Result::is_ok), "a save failed");
        });
        assert_whole(bench.slot().load());
    }),
    ("saves by processes at once leave one whole payload", PROCESSES, |bench| {
        bench.named("all", "user").save(&payload(0)).unwrap();
        let mut others: Vec<_> =
            (1..=3).map(|writer| bench.elsewhere("all", "user", Deed::Hammer(writer))).collect();
        others.iter_mut().for_each(|child| child.wait_until_ready());
        others.iter_mut().for_each(|child| child.begin());
        let reader = bench.named("all", "user");
        while others.iter_mut().any(|child| child.is_running()) {
            assert_whole(reader.load());
        }
        others.into_iter().for_each(|child| child.finish());
        assert_whole(bench.named("all", "user").load());
    }),
    ("locked is not absent and nothing changes", LOCKABLE, |bench| {
        bench.slot().save(b"before").unwrap();
        let refused = |what: &str, result: Result<(), Refusal>| {
            let kind = result.as_ref().err().map(|refusal| refusal.kind);
            assert_eq!(kind, Some(Kind::Locked), "{what} while locked: {result:?}");
        };
        for _ in 0..2 {
            let locked = bench.lock();
            refused("load", bench.slot().load().map(drop));
            refused("save", bench.slot().save(b"meanwhile"));
            refused("delete", bench.slot().delete().map(drop));
            if bench.backend.lock.as_ref().is_some_and(|lock| lock.hides_absence) {
                refused("load of nothing", bench.named("nothing", "user").load().map(drop));
            }
            if bench.backend.creates {
                refused("create", bench.named("nothing", "user").create(b"meanwhile"));
            }
            drop(locked);
            assert_eq!(bench.slot().load().unwrap().as_deref(), Some(&b"before"[..]));
        }
    }),
    ("a payload is in no text, error or log line", EVERY, |bench| {
        let canary = bench.canary();
        let slot = bench.slot();
        let mut shown = String::new();
        let mut say = |slot: &dyn Slot, refusal: Option<Refusal>| {
            shown.push_str(&refusal.map(|refusal| refusal.shown()).unwrap_or_default());
            shown.push_str(&format!("{slot:?}\n{slot:#?}\n"));
        };
        slot.save(canary.as_bytes()).unwrap();
        say(&*slot, slot.load().err());
        say(&*slot, slot.create(canary.as_bytes()).err());
        if let Some(limit) = bench.backend.limit {
            let many = canary.repeat(limit / canary.len() + 1);
            say(&*slot, slot.save(many.as_bytes()).err());
        }
        if bench.backend.lock.is_some() {
            let _locked = bench.lock();
            let locked = bench.slot();
            say(&*locked, locked.save(canary.as_bytes()).err());
            say(&*locked, locked.load().err());
        }
        say(&*slot, slot.delete().err());
        if !bench.backend.logs_by_itself {
            shown.push_str(&log_lines::heard());
        }
        for form in forms(&canary) {
            assert!(!shown.contains(&form), "{form} is in {shown}");
        }
    }),
    ("a payload is in no file at rest, unless the backend is in clear", LIES_IN_FILES, |bench| {
        let canary = bench.canary();
        bench.slot().save(canary.as_bytes()).unwrap();
        if bench.backend.lock.is_some() {
            // Some vaults write only then.
            drop(bench.lock());
        }
        let (folders, in_clear) = match bench.backend.at_rest {
            AtRest::Clear(folders) => (folders(bench.place()), true),
            AtRest::Encrypted(folders) => (folders(bench.place()), false),
            AtRest::NoFile => (Vec::new(), false),
        };
        let files: Vec<_> = folders.iter().flat_map(|folder| files(folder)).collect();
        assert!(files.iter().any(|file| fs::metadata(file).unwrap().len() > 16), "{folders:?}");
        let found: Vec<_> = files.iter().filter(|file| holds(file, &canary)).collect();
        // A search that finds it where it has to be would find it elsewhere, too.
        assert_eq!(!found.is_empty(), in_clear, "{found:?}");
    }),
];

const EVERY: IsMade = |_| true;
const LIMITED: IsMade = |backend| backend.limit.is_some();
const CREATES: IsMade = |backend| backend.creates;
const PROCESSES: IsMade = |backend| backend.reaches_processes;
const LOCKABLE: IsMade = |backend| backend.lock.is_some();
const LIES_IN_FILES: IsMade = |backend| !matches!(backend.at_rest, AtRest::NoFile);

fn assert_whole(found: Result<Option<Vec<u8>>, Refusal>) {
    let found = found.expect("a reader is never refused").expect("something is always kept");
    let writer = found.first().map_or(u8::MAX, |letter| letter.wrapping_sub(b'a'));
    assert!(writer < 8 && found == payload(writer), "{}", String::from_utf8_lossy(&found));
}

fn letters(size: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(size).collect()
}

/// The text itself, and what a `Debug` of its bytes or a hexadecimal dump has of it.
fn forms(text: &str) -> [String; 3] {
    let decimal = format!("{:?}", text.as_bytes());
    [text.to_owned(), decimal.trim_matches(['[', ']']).to_owned(), hexadecimal(text)]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(file: &Path, canary: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
}

const BYTES: &[&[u8]] = &[
    b"{\"AccessToken\": {}}",
    b"a\0b",
    b"\0",
    b"ends with NUL\0",
    b"\xff\xfe\x80\xc3\x28\xf0\x9f",
    b"\xff\xfe\xfd",
    b"one\ntwo\r\nthree\r\n\n",
    b"\r",
    " \t spaces around \u{a0} ".as_bytes(),
    "\u{feff}after a byte order mark".as_bytes(),
    "\u{1f511} \u{1f469}\u{200d}\u{1f4bb} e\u{301} \u{202e}abc".as_bytes(),
    b"\x01\x02\x1a\x1b\x7f",
];
