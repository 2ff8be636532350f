//! Looks at prepared lock files one after another, with the time passed in.
#![allow(clippy::disallowed_methods, reason = "a test may")]

use std::{fs, process, time::Duration};

use tempfile::TempDir;

use super::{
    super::Wait,
    watch::{BRIEFLY, SURELY, YOUNG},
    *,
};

const MS: Duration = Duration::from_millis(1);

fn acquire(lock: &Arc<MsalExtensions>, wait: &Wait<'_>) -> Result<Held, LockError> {
    lock.acquire(Deadline::new(wait, &|| false))
}

/// A cache folder, and a process that looks at its lock file every 50 ms of simulated time.
struct Looker {
    _place: TempDir,
    lock: Arc<MsalExtensions>,
    folder: Folder,
    here: Here,
    watch: Option<Watch>,
    began: Instant,
    now: Instant,
}

impl Looker {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let lock = Arc::new(MsalExtensions::new(place.path().join("cache.lockfile")));
        let folder = Folder::open_shared(place.path()).unwrap().unwrap();
        let began = Instant::now();
        let here = Here::find();
        Self { _place: place, lock, folder, here, watch: None, began, now: began }
    }

    fn with(content: &[u8]) -> Self {
        let looker = Self::new();
        fs::write(looker.lock.path(), content).unwrap();
        looker
    }

    fn look(&mut self) -> Look {
        let look = self.lock.look(&self.folder, &self.here, &mut self.watch, self.now);
        self.now += 50 * MS;
        look.unwrap()
    }

    /// How long the file was looked at before it was taken over.
    fn until_entered(&mut self) -> Duration {
        loop {
            let now = self.now;
            if let Look::Entered(locked) = self.look() {
                assert!(locked.is_at(&self.folder, &self.lock.name).unwrap());
                return now - self.began;
            }
            assert!(now - self.began < 20 * SURELY, "never entered");
        }
    }

    #[track_caller]
    fn assert_entered_after(&mut self, rule: Duration) {
        let after = self.until_entered();
        // The first look and the first one that locks happen before the rule's time, the last one
        // after it.
        assert!(after >= rule + YOUNG && after <= rule + YOUNG + 100 * MS, "{after:?}");
    }
}

fn absent() -> u32 {
    let mut child = process::Command::new(std::env::current_exe().unwrap());
    let mut child = child.arg("--list").stdout(process::Stdio::null()).spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn an_empty_lock_file_is_taken_over_after_the_short_time() {
    Looker::with(b"").assert_entered_after(BRIEFLY);
}

#[test]
fn the_lock_file_of_a_process_that_is_gone_is_taken_over_after_the_short_time() {
    let pid = absent();
    for content in [format!("{pid}"), format!("{pid} az"), format!("\u{feff}{pid} dotnet\n")] {
        Looker::with(content.as_bytes()).assert_entered_after(BRIEFLY);
    }
}

#[test]
fn the_lock_file_of_a_process_that_lives_is_taken_over_after_the_long_time() {
    let (pid, program) = (process::id(), super::super::content::program_name());
    for content in [format!("{pid}"), format!("{pid} /somewhere/{program}"), "?".to_owned()] {
        Looker::with(content.as_bytes()).assert_entered_after(SURELY);
    }
}

// Linux only: other systems do not tell which program has a process id.
#[cfg(target_os = "linux")]
#[test]
fn the_lock_file_of_a_process_that_is_another_program_by_now_is_taken_over_after_the_short_time() {
    let pid = process::id();
    let ours = Here::find().content();
    let (_, rest) = ours.split_once(' ').unwrap();
    for content in [format!("{pid} /usr/bin/az"), format!("{pid} un{rest}")] {
        Looker::with(content.as_bytes()).assert_entered_after(BRIEFLY);
    }
}

#[test]
fn of_another_namespace_or_another_run_of_the_system_a_process_id_proves_nothing() {
    let pid = absent();
    for tail in ["boot=other pidns=1", "boot=? pidns=1"] {
        let content = format!("{pid} tokenkeep {tail}");
        Looker::with(content.as_bytes()).assert_entered_after(SURELY);
    }
}

#[test]
fn a_look_tells_who_holds_the_lock_and_leaves_it_alone() {
    let looker = Looker::new();
    assert_eq!(looker.lock.holder().unwrap(), None);
    let held = acquire(&looker.lock, &Wait::default()).unwrap();
    let holder = looker.lock.holder().unwrap().unwrap();
    assert!(!holder.is_gone, "{holder:?}");
    let name = holder.name.unwrap();
    assert!(name.starts_with(&format!("process {}", process::id())), "{name}");
    assert!(held.is_intact().unwrap());
    drop(held);
    assert_eq!(looker.lock.holder().unwrap(), None);
    for (content, name) in [("", None), (&*format!("{} python", absent()), Some("(python)"))] {
        fs::write(looker.lock.path(), content).unwrap();
        let holder = looker.lock.holder().unwrap().unwrap();
        assert!(holder.is_gone, "{content}");
        let said = holder.name.unwrap_or_default();
        assert!(said.contains(name.unwrap_or_default()) && said.is_empty() == name.is_none());
        assert_eq!(fs::read_to_string(looker.lock.path()).unwrap(), content);
    }
    let nowhere = Arc::new(MsalExtensions::new(looker.folder.path().join("none/cache.lockfile")));
    assert_eq!(nowhere.holder().unwrap(), None);
}

#[test]
fn a_file_whose_content_changes_is_watched_anew() {
    let mut looker = Looker::with(b"");
    for turn in 0..40 {
        assert!(!matches!(looker.look(), Look::Entered(_)));
        if turn % 10 == 9 {
            fs::write(looker.lock.path(), "x".repeat(turn)).unwrap();
        }
    }
    looker.began = looker.now;
    looker.assert_entered_after(SURELY);
}

#[test]
fn files_of_the_same_content_that_come_and_go_are_never_stale() {
    let content = format!("{} az", absent());
    let mut looker = Looker::with(content.as_bytes());
    for _ in 0..100 {
        assert!(matches!(looker.look(), Look::Held));
        fs::remove_file(looker.lock.path()).unwrap();
        fs::write(looker.lock.path(), &content).unwrap();
        assert!(matches!(looker.look(), Look::Released), "a later file was taken for it");
    }
}

#[test]
fn a_lock_that_is_held_and_released_is_left_to_others_once() {
    let mut looker = Looker::new();
    let once = Wait::at_most(Duration::ZERO);
    let held = acquire(&looker.lock, &once).unwrap();
    assert!(matches!(looker.look(), Look::Held));
    looker.now += 100 * SURELY;
    assert!(matches!(looker.look(), Look::Held), "a lock that is held was taken");
    drop(held);
    assert!(!looker.lock.path().exists());
    assert!(matches!(looker.look(), Look::Released));
    assert!(matches!(looker.look(), Look::Entered(_)));
}

#[test]
fn a_lock_file_that_was_taken_over_is_released_as_one_that_was_created() {
    let mut looker = Looker::with(b"");
    let locked = loop {
        if let Look::Entered(locked) = looker.look() {
            break locked;
        }
    };
    locked.write(looker.here.content().as_bytes());
    let once = Wait::at_most(Duration::ZERO);
    let error = acquire(&looker.lock, &once).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", process::id())), "{error}");
    locked.release(&looker.folder, &looker.lock.name);
    assert!(!looker.lock.path().exists());
    drop(acquire(&looker.lock, &once).unwrap());
}

#[test]
fn a_forked_child_neither_holds_nor_releases_its_parents_lock() {
    let looker = Looker::new();
    let once = Wait::at_most(Duration::ZERO);
    let mut child = acquire(&looker.lock, &once).unwrap();
    child.pid += 1;
    assert!(!child.is_intact().unwrap(), "the lock is not the child's");
    drop(child);
    assert!(looker.lock.path().exists() || cfg!(windows), "the child released it");
}

#[cfg(unix)]
mod unix {
    use std::thread;

    use super::*;
    use crate::{file::Identity, lock::flock};

    fn open(looker: &Looker) -> fs::File {
        fs::File::options().read(true).write(true).open(looker.lock.path()).unwrap()
    }

    // Not on Windows: the lock there is on the open file, not on its inode.
    #[test]
    fn a_file_that_somebody_locks_is_never_stale_and_is_watched_anew_afterwards() {
        let mut looker = Looker::with(b"");
        let peer = open(&looker);
        for _ in 0..10 {
            assert!(matches!(looker.look(), Look::Held));
        }
        assert!(flock::try_lock(&peer).unwrap(), "a look left the file locked");
        looker.now += SURELY;
        for _ in 0..10 {
            assert!(matches!(looker.look(), Look::Held), "a locked file was taken");
        }
        flock::unlock(&peer).unwrap();
        looker.began = looker.now;
        let after = looker.until_entered();
        assert!(after >= BRIEFLY && after <= BRIEFLY + 50 * MS, "{after:?}");
    }

    // Not on Windows: the lock there is on the open file, not on its inode.
    #[test]
    fn a_young_file_is_not_locked_by_those_who_look_at_it() {
        let mut looker = Looker::with(b"");
        assert!(matches!(looker.look(), Look::Held));
        looker.now = looker.began + YOUNG - MS;
        let inode = Identity::of(&open(&looker)).unwrap();
        assert!(matches!(looker.look(), Look::Held));
        assert_eq!(Identity::at(looker.lock.path()).unwrap(), Some(inode));
        assert!(looker.watch.unwrap().was_not_locked());
    }

    // Not on Windows: an open file cannot be removed
    #[test]
    fn whoever_locks_a_file_that_was_released_finds_that_its_name_is_gone() {
        let looker = Looker::new();
        for _ in 0..300 {
            let held = acquire(&looker.lock, &Wait::at_most(Duration::ZERO)).unwrap();
            let peer = open(&looker);
            let (ready, begin) = std::sync::mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(|| {
                    ready.send(()).unwrap();
                    while !flock::try_lock(&peer).unwrap() {}
                    assert!(!looker.lock.path().exists(), "it looks as if it were locked");
                });
                begin.recv().unwrap();
                drop(held);
            });
        }
    }

    // Not on Windows: an open file cannot be removed
    #[test]
    fn a_lock_whose_file_was_removed_is_not_intact_and_leaves_the_next_file_alone() {
        let looker = Looker::new();
        let held = acquire(&looker.lock, &Wait::at_most(Duration::ZERO)).unwrap();
        assert!(held.is_intact().unwrap());
        fs::remove_file(looker.lock.path()).unwrap();
        assert!(!held.is_intact().unwrap());
        fs::write(looker.lock.path(), "another's").unwrap();
        assert!(!held.is_intact().unwrap());
        drop(held);
        assert!(looker.lock.path().exists(), "somebody else's lock was released");
    }

    // Not on Windows: an open file cannot be removed
    #[test]
    fn a_lock_file_that_is_emptied_by_a_peer_is_still_held() {
        let looker = Looker::new();
        let held = acquire(&looker.lock, &Wait::at_most(Duration::ZERO)).unwrap();
        open(&looker).set_len(0).unwrap();
        assert!(held.is_intact().unwrap());
    }

    // Not on Windows: no handle is inherited there.
    #[test]
    fn a_forked_childs_descriptor_does_not_keep_its_parents_lock() {
        let looker = Looker::new();
        let once = Wait::at_most(Duration::ZERO);
        let parent = acquire(&looker.lock, &once).unwrap();
        let _child = parent.locked.as_ref().unwrap().share();
        drop(parent);
        drop(acquire(&looker.lock, &once).unwrap());
    }
}

#[cfg(windows)]
mod windows {
    use std::os::windows::fs::OpenOptionsExt as _;

    use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_DELETE_ON_CLOSE, FILE_SHARE_READ};

    use super::*;

    /// Opens or creates the lock file as MSAL.NET does.
    fn as_dotnet(looker: &Looker) -> std::io::Result<fs::File> {
        let mut options = fs::File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.share_mode(FILE_SHARE_READ).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
        options.open(looker.lock.path())
    }

    #[test]
    fn a_lock_file_that_is_open_as_dotnet_opens_it_is_never_stale() {
        let mut looker = Looker::new();
        let peer = as_dotnet(&looker).unwrap();
        for _ in 0..10 {
            assert!(matches!(looker.look(), Look::Held));
        }
        looker.now += SURELY;
        assert!(matches!(looker.look(), Look::Held), "an open file was taken");
        drop(peer);
        assert!(matches!(looker.look(), Look::Released));
        assert!(matches!(looker.look(), Look::Entered(_)));
    }

    #[test]
    fn while_we_hold_it_others_read_it_and_cannot_open_it_as_dotnet_does() {
        for mut looker in [Looker::new(), Looker::with(b"")] {
            let locked = loop {
                if let Look::Entered(locked) = looker.look() {
                    break locked;
                }
            };
            locked.write(b"812 ours");
            assert!(as_dotnet(&looker).is_err(), "two hold it");
            assert!(fs::remove_file(looker.lock.path()).is_err(), "it was removed");
            assert_eq!(fs::read(looker.lock.path()).unwrap(), b"812 ours");
            locked.release(&looker.folder, &looker.lock.name);
            assert!(!looker.lock.path().exists());
            as_dotnet(&looker).unwrap();
        }
    }
}
