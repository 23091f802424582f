//! The local object writer: create-only, durable before it says so, never out of its root. Refuses every scheme
//! but `file`. Everything here blocks; the catalog runs it on blocking threads.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use polder_types::{Error, Location, Result};

use crate::faults::{Faults, Step};

/// `O_NONBLOCK` of `open`: a pipe is opened at once, whether or not anybody writes to it.
const NON_BLOCKING: i32 = if cfg!(target_os = "linux") { 0o4_000 } else { 0x4 };
/// `O_NOFOLLOW` of `open`: a symbolic link is an error.
const NO_FOLLOW: i32 = match (cfg!(target_os = "linux"), cfg!(any(target_arch = "aarch64", target_arch = "arm"))) {
    (true, true) => 0o100_000,
    (true, false) => 0o400_000,
    _ => 0x100,
};

/// Writes and reads files below a warehouse's roots.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalWriter {
    pub(crate) faults: Faults,
}

impl LocalWriter {
    /// Creates a file with these bytes, durably: temporary file, fsync, hard link to the name, fsync of the
    /// directory and of every parent that is new. `fresh` makes the temporary name unique.
    ///
    /// A file of that name with the same bytes is our own earlier attempt and counts as written (F19).
    ///
    /// # Errors
    /// `Unavailable` if the disk is full or failing, or the name holds other bytes: nothing happened; `Invalid` if
    /// the place leads out of the root.
    pub(crate) fn put_new(&self, root: &Location, place: &Location, bytes: &[u8], fresh: &str) -> Result<()> {
        let path = local_path(place)?;
        let parent = path.parent().ok_or_else(|| escape("the file has no directory"))?;
        let made = self.make_parents(root, place, parent)?;
        let temporary = parent.join(format!(".{fresh}.tmp"));
        let written = self.write_and_link(&temporary, &path, bytes);
        // The temporary name goes in every case; a crash leaves at most a hidden file that nothing names.
        let removed = fs::remove_file(&temporary);
        written?;
        removed.map_err(unavailable)?;
        self.sync_directories(parent, &made).map_err(unavailable)
    }

    fn write_and_link(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write_temporary(temporary, bytes).map_err(unavailable)?;
        let linked = self.faults.check(Step::LinkFile).and_then(|()| fs::hard_link(temporary, path));
        match linked {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if read_bounded(path, bytes.len() as u64).is_ok_and(|present| present == bytes) {
                    Ok(())
                } else {
                    Err(unavailable(error))
                }
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn write_temporary(&self, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        self.faults.check(Step::CreateFile)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
        self.faults.check(Step::WriteFile)?;
        file.write_all(bytes)?;
        self.faults.check(Step::SyncFile)?;
        file.sync_all()
    }

    fn sync_directories(&self, parent: &Path, made: &[PathBuf]) -> io::Result<()> {
        self.faults.check(Step::SyncDirectory)?;
        sync_directory(parent)?;
        // A directory that is new is durable only when its own parent is.
        made.iter().filter_map(|new| new.parent()).try_for_each(sync_directory)
    }

    /// Makes a directory and what is missing above it, durably.
    ///
    /// # Errors
    /// As [`LocalWriter::put_new`].
    pub(crate) fn make_directory(&self, root: &Location, place: &Location) -> Result<()> {
        let path = local_path(place)?;
        let made = self.make_parents(root, place, &path)?;
        self.sync_directories(&path, &made).map_err(unavailable)
    }

    /// Makes the root of a warehouse itself.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be made; `Invalid` unless it is a `file` location.
    pub(crate) fn make_root(&self, root: &Location) -> Result<()> {
        let path = local_path(root)?;
        let missing = missing_directories(&path);
        self.faults.check(Step::MakeDirectory).and_then(|()| fs::create_dir_all(&path)).map_err(unavailable)?;
        self.sync_directories(&path, &missing).map_err(unavailable)
    }

    /// The location as the file system knows it, every symbolic link followed; what does not exist yet is kept.
    ///
    /// # Errors
    /// `Invalid` if it cannot be followed or is no plain text; it is `Unsupported` unless it is a `file` location.
    pub(crate) fn real(&self, place: &Location) -> Result<Location> {
        let path = local_path(place)?;
        let existing = path.ancestors().find(|level| fs::symlink_metadata(level).is_ok());
        let existing = existing.ok_or_else(|| escape("it has no directory that exists"))?;
        let real = fs::canonicalize(existing).map_err(|_| escape("a symbolic link leads nowhere"))?;
        let below = path.strip_prefix(existing).map_err(|_| escape("it is not below itself"))?;
        // Joined only if there is something to join: an empty path would leave a slash behind.
        let real = if below.as_os_str().is_empty() { real } else { real.join(below) };
        let text = real.to_str().ok_or_else(|| escape("a symbolic link leads to a path that is no text"))?;
        Location::parse(&format!("file://{text}"))
    }

    /// Refuses a place to which a symbolic link below the root leads.
    ///
    /// # Errors
    /// `Invalid` then; `Unavailable` if the root cannot be looked at.
    pub(crate) fn check_place(&self, root: &Location, place: &Location) -> Result<()> {
        stays_within(root, place, &local_path(place)?)
    }

    fn make_parents(&self, root: &Location, place: &Location, directory: &Path) -> Result<Vec<PathBuf>> {
        stays_within(root, place, directory)?;
        let missing = missing_directories(directory);
        self.faults.check(Step::MakeDirectory).and_then(|()| fs::create_dir_all(directory)).map_err(unavailable)?;
        // Again, now that every level exists: what was made in between by others counts too.
        stays_within(root, place, directory)?;
        Ok(missing)
    }

    /// Reads a whole file of at most `bytes_max`.
    ///
    /// # Errors
    /// `Internal` if it is gone or too large; `Unavailable` if it cannot be read now; `Invalid` if the place leads
    /// out of the root.
    pub(crate) fn read(&self, root: &Location, place: &Location, bytes_max: u64) -> Result<Vec<u8>> {
        let path = local_path(place)?;
        stays_within(root, place, &path)?;
        read_bounded(&path, bytes_max).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData => Error::internal(error),
            _ => Error::unavailable("storage_unavailable", "a metadata file cannot be read now").with_source(error),
        })
    }

    /// Removes a file that is known to be referenced by nothing; one that is gone already is no error.
    ///
    /// # Errors
    /// `Unavailable` if it stays; `Invalid` if the place leads out of the root.
    pub(crate) fn delete(&self, root: &Location, place: &Location) -> Result<()> {
        let path = local_path(place)?;
        stays_within(root, place, &path)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// Reads a file below a table's location, if it is there.
    ///
    /// # Errors
    /// As [`LocalWriter::read`].
    pub(crate) fn read_below(&self, place: &Below, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let Some(path) = path_below(place)? else { return Ok(None) };
        match read_bounded(&path, bytes_max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::internal(error)),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Removes a file below a table's location; one that is gone already is no error.
    ///
    /// # Errors
    /// As [`LocalWriter::delete`].
    pub(crate) fn delete_below(&self, place: &Below) -> Result<()> {
        let Some(path) = path_below(place)? else { return Ok(()) };
        match self.faults.check(Step::DeleteFile).and_then(|()| fs::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// Removes the empty directories at and below a location. True if nothing is left of it.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be looked at; `Invalid` if it leads out of the root.
    pub(crate) fn remove_empty(&self, root: &Location, location: &Location) -> Result<bool> {
        let path = local_path(location)?;
        stays_within(root, location, &path)?;
        let mut room = DIRECTORIES_MAX;
        remove_empty(&path, DEPTH_MAX, &mut room).map_err(unavailable)
    }
}

/// A file below a table's location, by names that may hold what a location cannot: clients put percent-encoded partition
/// values there.
#[derive(Clone, Debug)]
pub(crate) struct Below {
    /// The root of the warehouse.
    pub(crate) root: Location,
    /// The table's location.
    pub(crate) location: Location,
    /// The names below it, the file's own last.
    pub(crate) names: Vec<String>,
}

/// The path of a file; `None` if a directory on the way is not there.
// SECURITY: plain names only, and no symbolic link on the way: neither out of the table's directory nor to another one
// (A-004, F9). The last name is not followed by what is done with it.
fn path_below(place: &Below) -> Result<Option<PathBuf>> {
    let directory = local_path(&place.location)?;
    stays_within(&place.root, &place.location, &directory)?;
    let plain = |name: &String| !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    let Some((name, above)) = place.names.split_last().filter(|_| place.names.iter().all(plain)) else {
        return Err(escape("a file's name is not plain"));
    };
    let absent = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let mut parent = directory.clone();
    parent.extend(above);
    let (mut wanted, real) = match (fs::canonicalize(&directory), fs::canonicalize(&parent)) {
        (Ok(wanted), Ok(real)) => (wanted, real),
        (Err(error), _) | (_, Err(error)) if absent(&error) => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(unavailable(error)),
    };
    wanted.extend(above);
    if real == wanted { Ok(Some(real.join(name))) } else { Err(escape("a symbolic link leads out of it")) }
}

/// Most levels of directories that are looked through, and most directories.
const DEPTH_MAX: usize = 64;
const DIRECTORIES_MAX: usize = 100_000;

/// True if the directory is gone now, because nothing was in it but empty directories.
fn remove_empty(path: &Path, depth: usize, room: &mut usize) -> io::Result<bool> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    let mut empty = true;
    for entry in entries {
        let entry = entry?;
        // The type of the entry itself: a link is no directory.
        if !entry.file_type()?.is_dir() || depth == 0 || *room == 0 {
            empty = false;
            continue;
        }
        *room -= 1;
        empty &= remove_empty(&entry.path(), depth - 1, room)?;
    }
    if !empty {
        return Ok(false);
    }
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

fn local_path(place: &Location) -> Result<PathBuf> {
    place.local_path().ok_or_else(|| {
        Error::unsupported("unsupported_scheme", format!("this build stores nothing at `{}:`", place.scheme()))
    })
}

/// Refuses a path that is not below the root, as parsed segments and again as the file system sees it.
// SECURITY: a symbolic link below the root must not lead a read or a write out of it.
fn stays_within(root: &Location, place: &Location, path: &Path) -> Result<()> {
    if !place.is_within(root) {
        return Err(escape("it is not below a root of the warehouse"));
    }
    let root_path = local_path(root)?;
    let real_root = fs::canonicalize(&root_path).map_err(unavailable)?;
    let mut existing = path;
    while fs::symlink_metadata(existing).is_err() {
        existing = existing.parent().ok_or_else(|| escape("it has no directory that exists"))?;
    }
    let below = existing.strip_prefix(&root_path).map_err(|_| escape("it is not below a root of the warehouse"))?;
    let real = fs::canonicalize(existing).map_err(|_| escape("a symbolic link leads nowhere"))?;
    // Equal only if no component between the root and here is a link.
    if real == real_root.join(below) { Ok(()) } else { Err(escape("a symbolic link leads out of it")) }
}

fn missing_directories(path: &Path) -> Vec<PathBuf> {
    path.ancestors().take_while(|level| !level.exists()).map(Path::to_path_buf).collect()
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // SECURITY: whoever writes the warehouse's files may have put anything there: a link since it was looked at, or a
    // pipe, on which a plain `open` would wait for ever.
    let file = OpenOptions::new().read(true).custom_flags(NON_BLOCKING | NO_FOLLOW).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() || facts.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a plain file of at most the allowed size"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or_default());
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(io::ErrorKind::InvalidData.into()) } else { Ok(bytes) }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn escape(why: &'static str) -> Error {
    Error::invalid("location_not_allowed", "the location is not below a root of the warehouse").with_source(why)
}

fn unavailable(error: io::Error) -> Error {
    Error::unavailable("storage_unavailable", "the warehouse's storage cannot be written now; nothing was changed")
        .with_source(error)
}

#[cfg(test)]
mod tests;
