//! Where a test can make the catalog fail; outside tests every step simply goes on.

use std::io;

/// A step of the commit protocol that the world can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The directory of a new file is made.
    MakeDirectory,
    /// The temporary file is created.
    CreateFile,
    /// Its bytes are written.
    WriteFile,
    /// It is flushed to the disk.
    SyncFile,
    /// It gets its name.
    LinkFile,
    /// The directory is flushed to the disk.
    SyncDirectory,
    /// A file of a dropped table is removed.
    DeleteFile,
    /// The transaction begins.
    BeforeTransaction,
    /// The transaction's answer arrives.
    AfterTransaction,
}

/// What a test does at a step; `None` fails it.
#[cfg(test)]
type Act = Option<Box<dyn FnOnce() + Send>>;

/// The faults that a test has planned.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    planned: std::sync::Arc<std::sync::Mutex<Vec<(Step, Act)>>>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    /// Fails if a test has planned it for this step, once.
    #[cfg_attr(not(test), allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests plan faults"))]
    pub(crate) fn check(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        {
            let mut planned = self.planned.lock().unwrap();
            let next = planned.iter().position(|(wanted, _)| *wanted == step).map(|index| planned.remove(index));
            drop(planned);
            match next {
                Some((_, Some(act))) => act(),
                Some((_, None)) => return Err(io::Error::other(format!("planned fault at {step:?}"))),
                None => {}
            }
        }
        let _ = step;
        Ok(())
    }

    /// Plans a fault.
    #[cfg(test)]
    pub(crate) fn plan(&self, step: Step) {
        self.planned.lock().unwrap().push((step, None));
    }

    /// Plans that something is done when a commit comes to this step, which goes on then.
    #[cfg(test)]
    pub(crate) fn before(&self, step: Step, act: impl FnOnce() + Send + 'static) {
        self.planned.lock().unwrap().push((step, Some(Box::new(act))));
    }
}
