use std::{fs, os::unix::fs::symlink};

use polder_types::ErrorKind;
use tempfile::TempDir;

use super::*;

struct Place {
    dir: TempDir,
    files: TableFiles,
    root: String,
}

fn place() -> Place {
    let dir = TempDir::new().unwrap();
    let root = format!("file://{}/t1", dir.path().display());
    for path in ["t1/data/region=a%20b", "t10", "t2"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    for path in ["t1/data/a", "t1/data/region=a%20b/x", "t10/secret", "t2/secret", "secret"] {
        fs::write(dir.path().join(path), b"bytes").unwrap();
    }
    Place { files: TableFiles::new(&Location::parse(&root).unwrap(), None).unwrap(), root, dir }
}

/// A-004, R10, R7: no path leads outside the table's own location, and all refusals read alike.
#[tokio::test]
async fn paths_outside_the_table_are_refused_with_one_text() {
    let place = place();
    let base = place.dir.path().display();
    let refused = [
        "/etc/passwd".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("file://{base}/t10/secret"),
        format!("file://{base}/t2/secret"),
        format!("file://{base}/secret"),
        format!("file://{base}/t1/../t2/secret"),
        format!("file://{base}/t1/data/../../t2/secret"),
        format!("file://{base}/t1/%2e%2e/t2/secret"),
        format!("file://{base}/t1/..%2ft2%2fsecret"),
        format!("file://{base}/t1%2f..%2ft2/secret"),
        format!("file://{base}/t1%/data/a"),
        format!("file://{base}/%74%31/data/a"),
        format!("file://{base}/t1/data/x%/../../../t2/secret"),
        format!("file://{base}/t1/data//a"),
        format!("file://{base}/t1/data/a%00"),
        format!("file://{base}/t1/data/a\0"),
        format!("file://host{base}/t1/data/a"),
        format!("{base}/t1/data/a"),
        "s3://bucket/t1/data/a".to_owned(),
        place.root.clone(),
        format!("{}/data", place.root),
        format!("{}/data/absent", place.root),
        String::new(),
        "%".to_owned(),
    ];
    for path in refused {
        let error = place.files.open(&path).await.err().unwrap_or_else(|| panic!("opened {path}"));
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Internal, "the table's files cannot be read"),
            "{path}"
        );
    }
}

/// R10: a symbolic link is followed only to what the table may read anyway.
#[tokio::test]
async fn links_that_leave_the_table_are_refused() {
    let place = place();
    let base = place.dir.path();
    symlink(base.join("t2/secret"), base.join("t1/data/file-link")).unwrap();
    symlink(base.join("t2"), base.join("t1/data/dir-link")).unwrap();
    symlink("/etc/passwd", base.join("t1/passwd")).unwrap();
    symlink(base.join("t1/data/a"), base.join("t1/data/inside")).unwrap();
    for path in ["data/file-link", "data/dir-link/secret", "passwd"] {
        assert!(place.files.open(&format!("{}/{path}", place.root)).await.is_err(), "{path}");
    }
    assert!(place.files.open(&format!("{}/data/inside", place.root)).await.is_ok());
}

#[tokio::test]
async fn files_of_the_table_are_read_whatever_clients_call_them() {
    let place = place();
    for path in ["data/a", "data/region=a%20b/x"] {
        assert_eq!(place.files.read_all(&format!("{}/{path}", place.root), 100).await.unwrap().as_ref(), b"bytes");
    }
    let one_slash = place.root.replace("file://", "file:");
    assert!(place.files.open(&format!("{one_slash}/data/a")).await.is_ok());
}

/// A file that is larger than its limit, or shorter than a range from a manifest, takes no memory.
#[tokio::test]
async fn reads_are_bounded_by_the_file_and_by_the_limit() {
    let place = place();
    let path = format!("{}/data/a", place.root);
    assert!(place.files.read_all(&path, 4).await.is_err());
    let file = place.files.open(&path).await.unwrap();
    assert!(file.read(std::slice::from_ref(&(0..6))).await.is_err());
    #[allow(clippy::reversed_empty_ranges, reason = "what a bad manifest says")]
    let backwards = 3..1;
    assert!(file.read(&[backwards]).await.is_err());
    assert!(file.read(std::slice::from_ref(&(0..u64::MAX))).await.is_err());
    assert_eq!(file.read(std::slice::from_ref(&(1..3))).await.unwrap()[0].as_ref(), b"yt");
}

/// A footer may name a hundred columns that all say to be the whole of a large file.
#[tokio::test]
async fn reads_are_bounded_together() {
    let place = place();
    let path = place.dir.path().join("t1/data/large");
    fs::File::create(&path).unwrap().set_len(READ_BYTES_MAX).unwrap();
    let file = place.files.open(&format!("{}/data/large", place.root)).await.unwrap();
    let error = file.read(&[0..READ_BYTES_MAX / 2 + 1, 0..READ_BYTES_MAX / 2]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(file.read(&[0..10, 5..15]).await.is_ok());
}

/// A footer that says to be larger than any is not read.
#[tokio::test]
async fn footers_are_bounded() {
    let place = place();
    let path = place.dir.path().join("t1/data/footer");
    let len = FOOTER_BYTES_MAX * 2;
    let file = fs::File::create(&path).unwrap();
    file.set_len(len).unwrap();
    let claim = u32::try_from(FOOTER_BYTES_MAX + 1).unwrap().to_le_bytes();
    file.write_all_at(&[claim, *b"PAR1"].concat(), len - 8).unwrap();
    let mut file = place.files.open(&format!("{}/data/footer", place.root)).await.unwrap();
    let error = file.get_metadata(None).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn other_stores_are_not_supported() {
    let error = TableFiles::new(&Location::parse("s3://bucket/a").unwrap(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// F9: what a purge may delete: names below the table's location, also such that a partition value made, and none that
/// leads out of it for whoever decodes it.
#[test]
fn what_is_deleted_lies_below_the_table() {
    let root = Location::parse("s3://lake/t1").unwrap();
    let names = |path: &str| erasable(&root, &format!("s3://lake/{path}"));
    for (path, below) in [
        ("t1/data/a", vec!["data", "a"]),
        ("t1/data/x=a%2Fb/f", vec!["data", "x=a%2Fb", "f"]),
        ("t1/data/x=a%20b/f", vec!["data", "x=a%20b", "f"]),
    ] {
        assert_eq!(names(path).unwrap(), below, "{path}");
    }
    for path in [
        "t1",
        "t10/data/a",
        "t2/data/a",
        "t1/../t2/a",
        "t1/%2e%2e/t2/a",
        "t1/..%2Ft2%2Fa",
        "t1/x%2F..%2F..%2Ft2",
        "t1/x%2F%2Fy",
        "t1/%2Fa",
        "t1%2F..%2Ft2/a",
        "t1/x%252F..%252Fy",
        "t1/x%00",
        "t1/x%zz",
    ] {
        assert_eq!(names(path), None, "{path}");
    }
}
