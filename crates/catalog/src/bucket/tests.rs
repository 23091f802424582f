use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result as StoreResult, memory::InMemory,
};
use polder_types::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What the store does with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// As it should.
    Well,
    /// Writes, and says that somebody else has written before.
    SaysTaken,
    /// Writes, and its answer is lost.
    LosesTheAnswer,
    /// Writes nothing and says so.
    Fails,
    /// Writes half of it and fails.
    Tears,
    /// Does not know the condition.
    IgnoresTheCondition,
    /// Refuses the condition.
    RefusesTheCondition,
}

/// A store in memory that can misbehave, once the probe is over.
#[derive(Debug)]
struct Odd {
    inner: InMemory,
    write: Write,
    from: u32,
    writes: AtomicU32,
}

impl Odd {
    /// Writes count from 0; the probe's are the first two.
    fn bucket(write: Write, from: u32) -> Bucket {
        let store = Self { inner: InMemory::new(), write, from, writes: AtomicU32::new(0) };
        Bucket::new("lake", Arc::new(store))
    }
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Odd")
    }
}

fn lost() -> StoreError {
    StoreError::Generic { store: "odd", source: "the connection was lost".into() }
}

#[async_trait::async_trait]
impl ObjectStore for Odd {
    async fn put_opts(&self, key: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let now = self.writes.fetch_add(1, SeqCst) >= self.from;
        match if now { self.write } else { Write::Well } {
            Write::Well => self.inner.put_opts(key, payload, options).await,
            Write::SaysTaken => {
                self.inner.put_opts(key, payload, options).await?;
                Err(StoreError::AlreadyExists { path: key.to_string(), source: "taken".into() })
            }
            Write::LosesTheAnswer => {
                self.inner.put_opts(key, payload, options).await?;
                Err(lost())
            }
            Write::Fails => Err(lost()),
            Write::Tears => {
                let half: Bytes = payload.into();
                self.inner.put(key, half.slice(..half.len() / 2).into()).await?;
                Err(lost())
            }
            Write::IgnoresTheCondition => self.inner.put(key, payload).await,
            Write::RefusesTheCondition if options.mode == PutMode::Create => {
                Err(StoreError::NotImplemented { operation: "create".into(), implementer: "odd".into() })
            }
            Write::RefusesTheCondition => self.inner.put_opts(key, payload, options).await,
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(lost())
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(key, options).await
    }

    fn delete_stream(&self, keys: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(lost())
    }
}

fn place(text: &str) -> Location {
    Location::parse(text).unwrap()
}

async fn names(bucket: &Bucket) -> Vec<String> {
    bucket.0.store.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap()
}

/// F19: whatever the answer was, what counts is what is there: equal is written, anything else is not.
#[tokio::test]
async fn a_write_of_unknown_outcome_is_read_and_compared() {
    let file = place("s3://lake/t/metadata/1.json");
    for (write, written) in [
        (Write::Well, true),
        (Write::SaysTaken, true),
        (Write::LosesTheAnswer, true),
        (Write::Fails, false),
        (Write::Tears, false),
    ] {
        let bucket = Odd::bucket(write, 2);
        let outcome = bucket.put_new(&file, Bytes::from_static(b"document")).await;
        match outcome {
            Ok(()) => {
                assert!(written, "{write:?}");
                assert_eq!(bucket.read_all(&file, 100).await.unwrap().as_ref(), b"document");
            }
            Err(error) => {
                assert!(!written, "{write:?}: {error:?}");
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{write:?}");
            }
        }
    }
}

/// F19: a name that holds other bytes is never overwritten, and never counted as ours.
#[tokio::test]
async fn a_name_with_other_bytes_is_not_ours() {
    let bucket = Odd::bucket(Write::Well, 0);
    let file = place("s3://lake/t/metadata/1.json");
    bucket.put_new(&file, Bytes::from_static(b"theirs!!")).await.unwrap();
    bucket.put_new(&file, Bytes::from_static(b"theirs!!")).await.unwrap();
    for other in [&b"document"[..], b"document of more bytes", b""] {
        let error = bucket.put_new(&file, Bytes::from_static(other)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(bucket.read_all(&file, 100).await.unwrap().as_ref(), b"theirs!!");
}

/// The probe tells stores that honour create-only from those that do not, and leaves nothing behind.
#[tokio::test]
async fn the_probe_finds_out_whether_create_only_is_honoured() {
    let directory = place("s3://lake/t");
    for (write, honoured) in
        [(Write::Well, true), (Write::IgnoresTheCondition, false), (Write::RefusesTheCondition, false)]
    {
        let bucket = Odd::bucket(write, 0);
        assert_eq!(bucket.probe(&directory).await.unwrap(), honoured, "{write:?}");
        assert!(names(&bucket).await.is_empty(), "{write:?}");
        bucket.put_new(&place("s3://lake/t/a"), Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(names(&bucket).await, ["t/a"], "{write:?}");
    }
    let error = Odd::bucket(Write::Fails, 0).probe(&directory).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// R32: no more is read than the caller allows; a missing object is no outage.
#[tokio::test]
async fn reads_are_bounded() {
    let bucket = Odd::bucket(Write::Well, 0);
    let file = place("s3://lake/t/a");
    bucket.put_new(&file, Bytes::from_static(b"12345")).await.unwrap();
    assert_eq!(bucket.read_all(&file, 5).await.unwrap().len(), 5);
    assert_eq!(bucket.read_all(&file, 4).await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(bucket.read_all(&place("s3://lake/t/b"), 5).await.unwrap_err().kind(), ErrorKind::Internal);
    bucket.delete(&file).await.unwrap();
    bucket.delete(&file).await.unwrap();
}

/// Everything that a log could show of an error.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}

/// neither a key, in which partition values stand, nor what the store said reaches the log.
#[tokio::test]
async fn errors_of_the_store_name_no_key() {
    let (path, source) = (|| "t/name=canary/1".to_owned(), || "canary, AKIDCANARY".into());
    let errors: [fn(_, _) -> StoreError; 6] = [
        |_, source| StoreError::Generic { store: "odd", source },
        |path, source| StoreError::NotFound { path, source },
        |path, source| StoreError::AlreadyExists { path, source },
        |path, source| StoreError::Precondition { path, source },
        |path, source| StoreError::PermissionDenied { path, source },
        |path, source| StoreError::Unauthenticated { path, source },
    ];
    for error in errors {
        for shown in [shown(&unreadable(error(path(), source()))), shown(&unwritable(error(path(), source())))] {
            assert!(!shown.to_lowercase().contains("canary") && shown.contains("object store: "), "{shown}");
        }
    }
    let bucket = Odd::bucket(Write::Fails, 2);
    let secret = place("s3://lake/t/name=canary/1.json");
    let table = TableObjects::new(bucket.clone(), place("s3://lake/t"));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for error in [
        bucket.read_all(&secret, 9).await.unwrap_err(),
        bucket.put_new(&secret, Bytes::from_static(b"x")).await.unwrap_err(),
        table.read_all(&names(&["name=canary", "x"]), 9).await.unwrap_err(),
        table.open(&names(&["name=canary", "x"]), 9).await.unwrap_err(),
        table.read_all(&names(&["name=canary", ".."]), 9).await.unwrap_err(),
    ] {
        assert!(!shown(&error).contains("canary"), "{}", shown(&error));
    }
}

/// of an answer only the status is kept, of a failed connection only its kind.
#[tokio::test]
async fn errors_of_http_keep_their_status_only() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let profile = S3Profile {
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        region: "eu-north-1".to_owned(),
        path_style: true,
        access_key_id: "akid-canary".to_owned(),
        secret_access_key: polder_types::Secret::new("canary".to_owned()),
        buckets: Vec::new(),
        tenants: Default::default(),
        vending: None,
        remote_signing: false,
    };
    let bucket = Bucket::new("lake", s3(&profile, "lake").unwrap());
    let file = place("s3://lake/t/name=canary/1.json");
    let refuse = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let body = "<Error><Code>AccessDenied</Code><Key>t/name=canary/1.json</Key></Error>";
        let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream
    };
    let (read, _) = tokio::join!(bucket.read_all(&file, 9), refuse);
    let refused = shown(&read.unwrap_err());
    assert!(refused.contains("object store: permission denied, HTTP 403"), "{refused}");
    drop(listener);
    let gone = shown(&bucket.read_all(&file, 9).await.unwrap_err());
    assert!(gone.contains("object store: failed, HTTP Connect"), "{gone}");
    for shown in [refused, gone] {
        assert!(!shown.contains("canary") && !shown.contains("127.0.0.1"), "{shown}");
    }
}

/// A-004, R10: names of objects are plain, and always below the table.
#[tokio::test]
async fn a_table_reads_its_own_objects_only() {
    let bucket = Odd::bucket(Write::Well, 0);
    for name in ["t1/a", "t1/x=a%20b", "t10/a", "t2/a"] {
        bucket.0.store.put(&Path::parse(name).unwrap(), name.to_owned().into()).await.unwrap();
    }
    let table = TableObjects::new(bucket, place("s3://lake/t1"));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for own in ["a", "x=a%20b"] {
        assert_eq!(table.read_all(&names(&[own]), 100).await.unwrap(), format!("t1/{own}"));
        let open = table.open(&names(&[own]), 3).await.unwrap();
        let whole = 0..open.len();
        assert_eq!(open.ranges(&[whole, 1..2]).await.unwrap(), [format!("t1/{own}"), "1".to_owned()]);
        assert_eq!(open.ranges(std::slice::from_ref(&(open.len() - 2..open.len()))).await.unwrap()[0].len(), 2);
    }
    for foreign in [&["..", "t2", "a"][..], &["../t2/a"], &["", "t2"], &["."], &[], &["b"], &["..%2ft2", "a"]] {
        assert!(table.read_all(&names(foreign), 100).await.is_err(), "{foreign:?}");
        assert!(table.open(&names(foreign), 100).await.is_err(), "{foreign:?}");
    }
}
