//! The shim between the server and the disk (`shim/faults.c`): compiled here with the system's C compiler, switched on and
//! off while the server runs, through a page that both see.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Outcome, Why},
    program::Program,
};

const SOURCE: &str = include_str!("../shim/faults.c");
/// Words of the control page, in the order of the C struct.
const WORDS: usize = 10;
const CALLS: usize = 6;
const FIRED: usize = 7;

/// Calls that flush (fsync, fdatasync).
pub(crate) const FLUSH: u64 = 1;
/// Calls that write bytes or cut a file.
pub(crate) const DATA: u64 = 2;
/// Calls that make a name (create, link, mkdir).
pub(crate) const NAME: u64 = 4;
/// Everything that changes the disk.
pub(crate) const ALL: u64 = FLUSH | DATA | NAME;
/// Files of the warehouses.
pub(crate) const WAREHOUSE: u64 = 1;
/// The metadata database.
pub(crate) const DATABASE: u64 = 2;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL instead of the call.
    Kill,
    /// The power goes: everything not flushed is undone, then SIGKILL.
    Power,
    /// The call fails with this `errno`, and so do the next ones: `span` of them.
    Fail { errno: u64, span: u64 },
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) fault: Fault,
    pub(crate) kinds: u64,
    pub(crate) places: u64,
    /// The n-th call that matches, counted from now on, from 1.
    pub(crate) call: u64,
}

/// The way to the shim inside the server.
pub(crate) struct Shim {
    control: File,
    trace: PathBuf,
    remember: u64,
    deaf: u64,
}

impl Shim {
    /// Compiles the shim and puts it into every later `serve` of the program.
    pub(crate) fn attach(program: &mut Program) -> Outcome<Self> {
        let root = program.root().to_owned();
        let library = compile(&root)?;
        let (page, trace) = (root.join("control"), root.join("trace"));
        let control = File::options().create(true).truncate(true).read(true).write(true).open(&page).why("the page")?;
        control.set_len(4096).why("the page")?;
        for (name, path) in [("LD_PRELOAD", &library), ("FAULTS_CONTROL", &page), ("FAULTS_TRACE", &trace)] {
            program.set(name, &path.to_string_lossy());
        }
        Ok(Self { control, trace, remember: 0, deaf: 0 })
    }

    /// Keeps what is needed to undo writes that were not flushed, from the server's next start on. With `deaf` no flush
    /// is believed: a check that finds nothing wrong then could not find anything.
    pub(crate) fn remember(&mut self, on: bool, deaf: bool) -> Outcome<()> {
        (self.remember, self.deaf) = (u64::from(on), u64::from(deaf));
        self.disarm()
    }

    /// Lets the fault strike from now on.
    pub(crate) fn arm(&self, aim: Aim) -> Outcome<()> {
        let (mode, errno, span) = match aim.fault {
            Fault::Kill => (2, 0, 1),
            Fault::Power => (3, 0, 1),
            Fault::Fail { errno, span } => (4, errno, span),
        };
        std::fs::write(&self.trace, "").why("the trace")?;
        self.write([mode, aim.kinds, aim.places, aim.call, errno, span])
    }

    /// Lets everything pass.
    pub(crate) fn disarm(&self) -> Outcome<()> {
        self.write([0; 6])
    }

    /// How many calls matched since it was armed, and how many of them met the fault.
    pub(crate) fn counts(&self) -> Outcome<(u64, u64)> {
        let word = |index: usize| -> Outcome<u64> {
            let mut bytes = [0; 8];
            self.control.read_exact_at(&mut bytes, (index * 8) as u64).why("the control page")?;
            Ok(u64::from_le_bytes(bytes))
        };
        Ok((word(CALLS)?, word(FIRED)?))
    }

    /// The call that met the fault, in words.
    pub(crate) fn struck(&self, call: u64) -> String {
        let text = std::fs::read_to_string(&self.trace).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(&format!("{call} ")));
        let name = line.map(|line| line.rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>());
        let action = line.and_then(|line| line.split(' ').nth(1)).unwrap_or("?");
        format!("{action} {}", name.unwrap_or_default().join("/"))
    }

    /// Everything but the mode first: the server reads the page while we write it.
    fn write(&self, words: [u64; 6]) -> Outcome<()> {
        let [mode, rest @ ..] = words;
        let all = [&[0], rest.as_slice(), &[0, 0, self.remember, self.deaf]].concat();
        debug_assert_eq!(all.len(), WORDS);
        let bytes: Vec<u8> = all.into_iter().flat_map(u64::to_le_bytes).collect();
        self.control.write_all_at(&bytes, 0).why("the control page")?;
        self.control.write_all_at(&mode.to_le_bytes(), 0).why("the control page")
    }
}

fn compile(root: &Path) -> Outcome<PathBuf> {
    let (source, library) = (root.join("faults.c"), root.join("faults.so"));
    std::fs::write(&source, SOURCE).why("the shim")?;
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"]);
    let output = command.output().why("the C compiler `cc`")?;
    if !output.status.success() {
        return Err(format!("the shim does not compile: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(library)
}
