//! A descriptor that is named by its number is read itself, with a limit and a deadline.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used, reason = "it is a test")]
// Not on Windows: descriptors with numbers
#![cfg(unix)]

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    net::Shutdown,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use tokenkeep_platform::descriptor::{Descriptor, DescriptorError};

const LIMIT: usize = 16;

fn number(descriptor: &impl AsRawFd) -> u32 {
    descriptor.as_raw_fd().try_into().unwrap()
}

fn read_all(descriptor: &impl AsRawFd) -> Result<Vec<u8>, DescriptorError> {
    let descriptor = Descriptor::open(number(descriptor))?;
    descriptor.read(LIMIT, Duration::from_secs(10)).map(|text| text.to_vec())
}

#[test]
fn files_pipes_and_sockets_are_read_to_their_end_and_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, b"of a file").unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(read_all(&file).unwrap(), b"of a file");
    assert_eq!(read_all(&file).unwrap(), b"", "the position is common");

    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"of a pipe").unwrap();
    drop(writer);
    Descriptor::open(number(&reader)).unwrap();
    assert_eq!(read_all(&reader).unwrap(), b"of a pipe");

    let (here, mut there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    let writer = std::thread::spawn(move || {
        there.write_all(b"of a ").unwrap();
        there.write_all(b"socket").unwrap();
        there.shutdown(Shutdown::Write).unwrap();
        there
    });
    assert_eq!(read_all(&here).unwrap(), b"of a socket");
    writer.join().unwrap();
    let _still_open: OwnedFd = here.into();
}

#[test]
fn what_is_opened_later_under_its_number_is_not_read() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"a key").unwrap();
    drop(writer);
    let handed_over = Descriptor::open(number(&reader)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other"), b"other").unwrap();
    let other = File::open(folder.path().join("other")).unwrap();
    let mut reader = OwnedFd::from(reader);
    rustix::io::dup2(&other, &mut reader).unwrap();
    assert_eq!(*handed_over.read(LIMIT, Duration::from_secs(10)).unwrap(), b"a key");
}

/// A file of somebody else, whose path cannot be opened any more, is open all the same.
#[test]
fn it_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, b"a key").unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    io::Seek::seek(&mut &file, io::SeekFrom::Start(2)).unwrap();
    assert_eq!(read_all(&file).unwrap(), b"key", "another opening would begin at the start");
}

#[test]
fn what_nobody_writes_to_ends_in_time() {
    let (reader, _writer) = io::pipe().unwrap();
    let waited = Duration::from_millis(50);
    let late = Descriptor::open(number(&reader)).unwrap().read(LIMIT, waited);
    assert!(matches!(late, Err(DescriptorError::TimedOut { waited: said }) if said == waited));
}

#[test]
fn what_cannot_be_a_key_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let writer = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
    assert!(matches!(read_all(&writer), Err(DescriptorError::WriteOnly)));
    let opened = File::open(folder.path()).unwrap();
    assert!(matches!(read_all(&opened), Err(DescriptorError::Folder)));
    // Where the end of a terminal that a program has can be opened, it is one itself.
    if let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/ptmx") {
        assert!(matches!(read_all(&terminal), Err(DescriptorError::Terminal)));
    }
    let endless = File::open("/dev/zero").unwrap();
    assert!(matches!(read_all(&endless), Err(DescriptorError::TooLong { limit: LIMIT })));
    std::fs::write(&path, [b'x'; LIMIT]).unwrap();
    assert_eq!(read_all(&File::open(&path).unwrap()).unwrap().len(), LIMIT);
    for closed in [987_654, u32::MAX, 1 << 31] {
        assert!(matches!(Descriptor::open(closed), Err(DescriptorError::Closed)), "{closed}");
    }
}
