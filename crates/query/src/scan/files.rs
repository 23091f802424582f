//! The files of one table: read only, and only below the table's own location.
//!
//! In the local file system or in a bucket; another store is another arm of [`TableFile`]. Every path comes from metadata or manifests
//! that a table's writer made, so none is trusted: it is parsed, compared segment by segment, and what it leads to is
//! compared again after symbolic links are followed (A-004, R10).

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};
use polder_catalog::{OpenObject, TableObjects};
use polder_types::{Error, Location, is_refused};

use super::error::{unreadable, unsupported, untold};

/// Most bytes of one read: the columns of a row group that a query wants, or a footer.
const READ_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most bytes of a footer, which takes several times as much once it is parsed.
const FOOTER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much of a file's end is read at once to find its footer.
const FOOTER_BYTES_HINT: usize = 64 * 1024;

/// Access to the files below one table's location.
#[derive(Clone, Debug)]
pub(crate) struct TableFiles {
    root: Location,
    objects: Option<TableObjects>,
}

impl TableFiles {
    /// `objects` are those below the location, if it is in an object store.
    ///
    /// # Errors
    /// `Unsupported` for a location of neither kind.
    pub(crate) fn new(root: &Location, objects: Option<TableObjects>) -> Result<Self, Error> {
        match (root.scheme(), &objects) {
            ("file", None) | ("s3", Some(_)) => Ok(Self { root: root.clone(), objects }),
            _ => Err(unsupported("tables in this kind of store cannot be queried yet")),
        }
    }

    /// Checks a path without a look at the store.
    ///
    /// # Errors
    /// The opaque error if it does not lie below the table's location.
    pub(crate) fn check(&self, path: &str) -> Result<(), Error> {
        self.place(path).map(drop)
    }

    /// Reads a whole file of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The opaque error; `Unavailable` if the store does not answer.
    pub(crate) async fn read_all(&self, path: &str, bytes_max: u64) -> Result<Bytes, Error> {
        let place = self.place(path)?;
        if let Some(objects) = &self.objects {
            return objects.read_all(&place, bytes_max).await.map_err(untold);
        }
        let (file, len) = self.open_local(&place)?;
        if len > bytes_max {
            return Err(unreadable("a metadata file is larger than any that we read"));
        }
        read_local(&file, 0..len).map_err(unreadable)
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`TableFiles::read_all`].
    pub(crate) async fn open(&self, path: &str) -> Result<TableFile, Error> {
        let place = self.place(path)?;
        let place = match &self.objects {
            Some(objects) => objects.open(&place, FOOTER_BYTES_HINT as u64).await.map(Place::Object).map_err(untold)?,
            None => {
                let (file, len) = self.open_local(&place)?;
                Place::Local { file: Arc::new(file), len }
            }
        };
        Ok(TableFile(place))
    }

    // SECURITY: the only way to a file; nothing may be reached without it, nor a local one without `resolve`.
    fn place(&self, path: &str) -> Result<Vec<String>, Error> {
        below(&self.root, path).ok_or_else(|| unreadable("a file lies outside the table's location"))
    }

    fn open_local(&self, place: &[String]) -> Result<(File, u64), Error> {
        let real = self.resolve(place).map_err(unreadable)?;
        let file = File::open(real).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        Ok((file, len))
    }

    fn resolve(&self, segments: &[String]) -> io::Result<PathBuf> {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let root = fs::canonicalize(self.root.local_path().ok_or_else(refused)?)?;
        let mut path = root.clone();
        path.extend(segments);
        let real = fs::canonicalize(path)?;
        if !real.starts_with(&root) {
            return Err(refused());
        }
        // Neither a device nor a pipe, which would block.
        if fs::metadata(&real)?.is_file() { Ok(real) } else { Err(refused()) }
    }
}

/// A path's names below a root; `None` if it does not lie there.
pub(crate) fn below(root: &Location, path: &str) -> Option<Vec<String>> {
    names_below(root, path, is_plain)
}

/// The same for a file that is not read but deleted: a `/` that a partition value brings is one name of it, as long as it
/// stays below the root for whoever would decode it too.
pub(crate) fn erasable(root: &Location, path: &str) -> Option<Vec<String>> {
    let inside = |name: &str| decode(name).is_some_and(|decoded| decoded.split('/').all(is_plain));
    names_below(root, path, |name| !name.contains('/') && inside(name))
}

fn names_below(root: &Location, path: &str, is_fine: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let (head, tail) = match path.find('%') {
        None => (path, ""),
        // Clients put partition values percent-encoded into paths. Nothing here ever decodes them: they are
        // names with a `%`, allowed below the root only.
        Some(first) => path.split_at(path.get(..first)?.rfind('/')? + 1),
    };
    let head = Location::parse(head).ok()?;
    if !head.is_within(root) {
        return None;
    }
    let below = head.segments().get(root.segments().len()..)?;
    let tail = tail.split('/').filter(|_| !tail.is_empty()).map(str::to_owned);
    let segments: Vec<String> = below.iter().cloned().chain(tail).collect();
    (!segments.is_empty() && segments.iter().all(|segment| is_fine(segment))).then_some(segments)
}

/// One name, as it stands and as somebody else might decode it.
fn is_plain(segment: &str) -> bool {
    let Some(decoded) = decode(segment) else { return false };
    let fine = |text: &str| !text.is_empty() && text != "." && text != ".." && !text.chars().any(is_refused);
    fine(segment) && fine(&decoded)
}

/// Percent-decodes; `None` for broken escapes and for what is no text.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// A path as it compares with others: clients spell one file's place in several ways.
pub(crate) fn spelling(path: &str) -> String {
    Location::parse(path).map_or_else(|_| path.to_owned(), |location| location.to_string())
}

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct TableFile(Place);

#[derive(Clone, Debug)]
enum Place {
    /// In the local file system.
    Local { file: Arc<File>, len: u64 },
    /// In a bucket.
    Object(OpenObject),
}

impl TableFile {
    fn len(&self) -> u64 {
        match &self.0 {
            Place::Local { len, .. } => *len,
            Place::Object(object) => object.len(),
        }
    }

    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        // Ranges come from the file itself or from a manifest, and may all be the same large one: bounded by what is
        // there, and together, before memory is taken.
        let mut total = 0_u64;
        for range in ranges {
            let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.len());
            total = total.saturating_add(length.ok_or_else(|| unreadable("a range lies outside its file"))?);
        }
        if total > READ_BYTES_MAX {
            return Err(unsupported("a row group of the table is larger than can be read at once"));
        }
        // SECURITY: not charged to the query's memory, which would then run out or not by how much lies in a file, hidden
        // rows included (R34).
        match &self.0 {
            Place::Local { file, .. } => {
                ranges.iter().map(|range| read_local(file, range.clone()).map_err(unreadable)).collect()
            }
            Place::Object(object) => object.ranges(ranges).await.map_err(untold),
        }
    }
}

impl TableFile {
    /// # Errors
    /// The opaque error for a footer that is larger than any that we parse; as for any read.
    async fn check_footer(&self) -> Result<(), Error> {
        let len = self.len();
        let end = self.read(std::slice::from_ref(&(len.saturating_sub(8)..len))).await?;
        let length = end.first().and_then(|end| end.first_chunk::<4>()).map(|bytes| u32::from_le_bytes(*bytes));
        let length = length.ok_or_else(|| unreadable("a file is too short for a footer"))?;
        if u64::from(length) > FOOTER_BYTES_MAX {
            return Err(unreadable("a footer is larger than any that we read"));
        }
        Ok(())
    }
}

fn read_local(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start)?;
    Ok(buffer.into())
}

impl AsyncFileReader for TableFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let mut read = self.read(&[range]).await.map_err(|error| ParquetError::External(Box::new(error)))?;
            read.pop().ok_or_else(|| ParquetError::EOF("a range was not read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.read(&ranges).await.map_err(|error| ParquetError::External(Box::new(error))) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let options = options.map(|options| options.metadata_options().clone());
        async move {
            let len = self.len();
            self.check_footer().await.map_err(|error| ParquetError::External(Box::new(error)))?;
            let reader =
                ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES_HINT)).with_metadata_options(options);
            Ok(Arc::new(reader.load_and_finish(self, len).await?))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
