//! Files, folders and disks that a cache must not or cannot be kept on: a clear error, and nothing
//! lost.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, path::Path, time::Instant};
#[cfg(unix)]
use std::{
    os::unix::fs::{MetadataExt, OpenOptionsExt, symlink},
    process::Command,
};

use support::{EVENT, Place, TOKEN, exists, program, refusal, run, text};
use tokenkeep_test_support::{Others, give_away, let_others, say};

// Not on Windows: no variable moves the data folder
#[cfg(unix)]
#[test]
fn a_missing_default_folder_is_made() {
    let home = tempfile::tempdir().unwrap();
    let mut command = program();
    command.env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("a/b"));
    command.arg("--key").arg(format!("file:{}", home.path().join("key/k").display()));
    let added = run(command.arg("add"), EVENT);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let file = home.path().join("a/b/tokenkeep/tokenkeep/cache.sealed");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    for folder in file.ancestors().skip(1).take(4) {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700, "{folder:?}");
    }
}

type Plant = fn(&Path);

#[test]
fn second_links_foreign_owners_and_wide_access_are_refused_with_the_mend() {
    let narrow = if cfg!(windows) { "icacls" } else { "chmod" };
    let plants: [(&str, Plant); 4] = [
        ("hard link", |path| fs::hard_link(path, path.with_extension("second")).unwrap()),
        (narrow, |path| let_others(path, Others::Read)),
        ("directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("belongs to", |_| {}),
    ];
    for (word, plant) in plants {
        let place = Place::signed_in();
        plant(&place.file());
        if word == "belongs to" && !give_away(&place.file()) {
            say("skipped: this user cannot give a file away; run as root");
            continue;
        }
        is_refused(&place, word);
    }
}

// Not on Windows: FIFOs, and links that need no privilege
#[cfg(unix)]
#[test]
fn links_and_pipes_are_refused() {
    let plants: [(&str, Plant); 2] = [
        ("symbolic link", |path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            symlink(path.with_extension("moved"), path).unwrap();
        }),
        ("FIFO", |path| {
            fs::remove_file(path).unwrap();
            assert!(
                Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success()
            );
        }),
    ];
    for (word, plant) in plants {
        let place = Place::signed_in();
        plant(&place.file());
        is_refused(&place, word);
    }
}

fn is_refused(place: &Place, word: &str) {
    for arguments in [&["add"][..], &TOKEN, &["clear"]] {
        let begun = Instant::now();
        let (code, said) = refusal(&place.run_with(arguments, EVENT));
        assert_eq!(code, 6, "{word} {arguments:?}: {said}");
        assert!(said.contains(word), "{word} {arguments:?}: {said}");
        assert!(begun.elapsed().as_secs() < 2, "{word} {arguments:?} hung");
    }
    assert!(exists(&place.file()), "{word}: it was left as it is");
}

#[test]
fn a_plain_text_file_that_others_can_read_is_told_and_narrowed_by_the_next_save() {
    let place = Place::new();
    let file = place.0.path().join("plain.json");
    let run = |command: &str| {
        let mut program = program();
        program.args(["--store", "plaintext", "--cache"]).arg(&file).arg(command);
        text(&run(&mut program, EVENT).stderr)
    };
    assert!(!run("add").contains("warning"));
    let_others(&file, Others::Read);
    assert!(run("accounts").contains("other users can read"));
    let other = EVENT.replace("an-access", "another-access");
    let mut program = program();
    program.args(["--store", "plaintext", "--cache"]).arg(&file).arg("add");
    assert!(support::run(&mut program, &other).status.success());
    #[cfg(unix)]
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert!(!run("accounts").contains("warning"));
}

#[test]
fn a_folder_that_others_can_enter_is_refused_with_the_mend() {
    let place = Place::signed_in();
    let_others(&place.folder(), Others::Read);
    let (code, said) = refusal(&place.run(&TOKEN));
    let fix = if cfg!(windows) { "icacls" } else { "chmod 700" };
    assert!(code == 6 && said.contains(fix), "{said}");
}

// Not on Windows: mounts
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_content() {
    let script = r#"
        mount -t tmpfs -o size=64k,mode=700 none "$PLACE" && mkdir -m 700 "$PLACE/key" || exit 77
        run() { "$PROGRAM" --cache "$PLACE/cache" --key "file:$PLACE/key/k" "$@"; }
        run add < "$EVENT" 2>/dev/null || exit 78
        before=$(cksum < "$PLACE/cache/cache.sealed")
        dd if=/dev/zero of="$PLACE/filler" bs=4k 2>/dev/null
        sed s/an-access/another-access/ "$EVENT" > "$PLACE.other"
        run add < "$PLACE.other" 2> "$PLACE.said"
        code=$?
        [ "$before" = "$(cksum < "$PLACE/cache/cache.sealed")" ] || exit 79
        run token --client-id client --scope s1 || exit 80
        rm "$PLACE/filler"; run add < "$EVENT" 2>/dev/null || exit 81
        exit $code"#;
    if let Some((code, said)) = in_a_mount(script) {
        assert!(code == 1 && said.contains("no space"), "exit {code}: {said}");
    }
}

// Not on Windows: mounts
#[cfg(unix)]
#[test]
fn a_read_only_file_system_can_be_read_and_says_why_it_cannot_be_written() {
    let script = r#"
        mount -t tmpfs -o size=1m,mode=700 none "$PLACE" && mkdir -m 700 "$PLACE/key" || exit 77
        run() { "$PROGRAM" --cache "$PLACE/cache" --key "file:$PLACE/key/k" "$@"; }
        run add < "$EVENT" 2>/dev/null || exit 78
        mount -o remount,ro "$PLACE" || exit 77
        run token --client-id client --scope s1 || exit 80
        run add < "$EVENT" 2> "$PLACE.said""#;
    if let Some((code, said)) = in_a_mount(script) {
        assert!(code == 1 && said.contains("read-only"), "exit {code}: {said}");
    }
}

// Not on Windows: mounts
#[cfg(unix)]
#[test]
fn a_key_file_on_a_read_only_disk_keeps_the_cache_from_being_cleared() {
    let script = r#"
        mount -t tmpfs -o size=1m,mode=700 none "$PLACE" && mkdir -m 700 "$PLACE/key" || exit 77
        mount -t tmpfs -o size=1m,mode=700 none "$PLACE/key" || exit 77
        run() { "$PROGRAM" --cache "$PLACE/cache" --key "file:$PLACE/key/k" "$@"; }
        run add < "$EVENT" 2>/dev/null || exit 78
        mount -o remount,ro "$PLACE/key" || exit 77
        run clear 2> "$PLACE.said"; code=$?
        run token --client-id client --scope s1 || exit 80
        exit $code"#;
    if let Some((code, said)) = in_a_mount(script) {
        assert!(code == 1 && said.contains("read-only"), "exit {code}: {said}");
    }
}

// Not on Windows: mounts
#[cfg(unix)]
#[test]
fn a_file_that_is_a_mount_of_its_own_is_named_with_what_to_mount() {
    let script = r#"
        mount -t tmpfs -o size=1m,mode=700 none "$PLACE" && mkdir "$PLACE/sub" || exit 77
        printf '{}' > "$PLACE/sub/f" && chmod 700 "$PLACE/sub" && chmod 600 "$PLACE/sub/f" || exit 78
        mount --bind "$PLACE/sub/f" "$PLACE/sub/f" || exit 77
        run() { "$PROGRAM" --store plaintext --cache "$PLACE/sub/f" "$@"; }
        run accounts || exit 79
        for command in add clear; do
            run $command < "$EVENT" 2>> "$PLACE.said" && exit 80
        done
        [ "$(cat "$PLACE/sub/f")" = '{}' ] && [ "$(ls "$PLACE/sub")" = f ] || exit 81
        exit 1"#;
    if let Some((code, said)) = in_a_mount(script) {
        let words = ["could not replace", "could not remove", "is mounted there", "as a whole"];
        assert!(code == 1 && words.iter().all(|word| said.contains(word)), "exit {code}: {said}");
    }
}

/// Runs a shell script in a mount namespace of its own; its exit code and what the program said.
/// None, with the reason printed, where this user may not mount.
#[cfg(unix)]
fn in_a_mount(script: &str) -> Option<(i32, String)> {
    let place = tempfile::tempdir().unwrap();
    let (folder, event) = (place.path().join("disk"), place.path().join("event.json"));
    fs::create_dir(&folder).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&event).unwrap();
    std::io::Write::write_all(&mut file, EVENT.as_bytes()).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let namespaces: &[&str] =
        if is_root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let output = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", script])
        .env("PLACE", &folder)
        .env("EVENT", &event)
        .env("PROGRAM", env!("CARGO_BIN_EXE_tokenkeep"))
        .output();
    let Ok(output) = output else {
        say("skipped: there is no unshare; install it with: apt-get install util-linux");
        return None;
    };
    let code = output.status.code().unwrap();
    if code == 77 || text(&output.stderr).contains("unshare") {
        say(&format!("skipped: this user may not mount here: {}", text(&output.stderr)));
        return None;
    }
    let said =
        fs::read_to_string(place.path().join("disk.said")).unwrap_or_else(|_| text(&output.stderr));
    Some((code, said))
}
