//! Tests of the local writer, on real directories.

use std::os::unix::fs::symlink;

use polder_types::ErrorKind;
use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
    root: Location,
    writer: LocalWriter,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let root = at(&directory, "lake");
    let writer = LocalWriter::default();
    writer.make_root(&root).unwrap();
    Place { directory, root, writer }
}

fn at(directory: &TempDir, below: &str) -> Location {
    Location::parse(&format!("file://{}/{below}", directory.path().display())).unwrap()
}

fn files(below: &Path) -> Vec<String> {
    let mut found: Vec<String> =
        fs::read_dir(below).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

/// a symbolic link below the root leads neither a write nor a read nor a removal out of it.
#[test]
fn a_symbolic_link_out_of_the_root_is_refused() {
    let Place { directory, root, writer } = place();
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.json"), "secret").unwrap();
    symlink(&outside, directory.path().join("lake/link")).unwrap();
    symlink(outside.join("secret.json"), directory.path().join("lake/file.json")).unwrap();
    symlink("nowhere", directory.path().join("lake/dangling")).unwrap();
    for below in ["link/new.json", "link/deeper/new.json", "dangling/new.json"] {
        let error = writer.put_new(&root, &root.join(below).unwrap(), b"x", "a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{below}");
    }
    for below in ["link/secret.json", "file.json"] {
        assert_eq!(writer.read(&root, &root.join(below).unwrap(), 100).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(writer.delete(&root, &root.join(below).unwrap()).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(writer.make_directory(&root, &root.join("link/made").unwrap()).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(files(&outside), ["secret.json"]);
}

/// A-004, R32: a pipe at a file's name keeps nobody waiting, and is no file.
#[test]
fn a_pipe_is_not_waited_for() {
    let Place { directory, root, writer } = place();
    let pipe = directory.path().join("lake/0.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let place = root.join("0.json").unwrap();
    assert_eq!(writer.read(&root, &place, 100).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(writer.put_new(&root, &place, b"x", "a").unwrap_err().kind(), ErrorKind::Unavailable);
}

/// nor is a link followed that came after the look at the place.
#[test]
fn a_link_is_not_opened() {
    let Place { directory, .. } = place();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "text").unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(read_bounded(&file, 100).unwrap(), b"text");
    assert!(read_bounded(&link, 100).is_err());
}

/// R7: a sibling whose name begins like the root's is outside.
#[test]
fn a_sibling_with_the_same_beginning_is_outside() {
    let Place { directory, root, writer } = place();
    fs::create_dir(directory.path().join("lake2")).unwrap();
    let error = writer.put_new(&root, &at(&directory, "lake2/x.json"), b"x", "a").unwrap_err();
    assert_eq!(error.code(), "location_not_allowed");
    assert!(files(&directory.path().join("lake2")).is_empty());
}

/// F19: our own earlier attempt counts as written; other bytes under the name are never touched.
#[test]
fn the_same_bytes_again_are_written_and_other_bytes_are_refused() {
    let Place { directory: _kept, root, writer } = place();
    let file = root.join("t/metadata/0.json").unwrap();
    writer.put_new(&root, &file, b"one", "a").unwrap();
    writer.put_new(&root, &file, b"one", "b").unwrap();
    assert_eq!(writer.put_new(&root, &file, b"two", "c").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(writer.read(&root, &file, 100).unwrap(), b"one");
    assert_eq!(files(file.local_path().unwrap().parent().unwrap()), ["0.json"]);
}

/// F3: a failure at any step is `Unavailable` and leaves no temporary file.
#[test]
fn a_fault_at_any_step_is_unavailable_and_leaves_no_temporary_file() {
    for step in
        [Step::MakeDirectory, Step::CreateFile, Step::WriteFile, Step::SyncFile, Step::LinkFile, Step::SyncDirectory]
    {
        let Place { directory: _kept, root, writer } = place();
        let file = root.join("metadata/0.json").unwrap();
        writer.faults.plan(step);
        let error = writer.put_new(&root, &file, b"one", "a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{step:?}");
        let parent = file.local_path().unwrap().parent().unwrap().to_path_buf();
        let left = if parent.exists() { files(&parent) } else { Vec::new() };
        // After the link the file is there, and only its directory entry may not be durable.
        let wanted: &[&str] = if step == Step::SyncDirectory { &["0.json"] } else { &[] };
        assert_eq!(left, wanted, "{step:?}");
        writer.put_new(&root, &file, b"one", "b").unwrap();
    }
}

/// R32: nothing larger than stated is read into memory.
#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let Place { directory: _kept, root, writer } = place();
    let file = root.join("0.json").unwrap();
    writer.put_new(&root, &file, b"12345", "a").unwrap();
    assert!(writer.read(&root, &file, 4).is_err());
    assert_eq!(writer.read(&root, &file, 5).unwrap(), b"12345");
    assert!(writer.read(&root, &root, 5).is_err(), "a directory is no file");
}

/// what this build cannot write is refused by name.
#[test]
fn a_bucket_is_not_supported() {
    let root = Location::parse("s3://bucket/lake").unwrap();
    let error = LocalWriter::default().put_new(&root, &root.join("x").unwrap(), b"x", "a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
