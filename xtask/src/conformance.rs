//! The conformance suite: real clients against the built binary, in a Python environment of its own that is made once for
//! each version of `conformance/requirements.txt`. Where no environment can be made, the suite is shown as skipped; in
//! CI that is a failure.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{cargo, command as process, output, run, run_seen};
use crate::repo;
use crate::summary::{Counts, pytest_line};

const REQUIREMENTS: &str = "conformance/requirements.txt";

/// Builds the binary and runs the suite alone; true when nothing failed.
///
/// # Errors
/// Tools that cannot be started.
pub(crate) fn command(args: &[String]) -> Result<bool, String> {
    let Some(binary) = binary()? else { return Ok(false) };
    let counts = suite(&binary, args)?;
    println!("{counts}");
    Ok(counts.failed == 0)
}

/// Runs the engines with everything that they can, JVMs too, and writes `docs/engine-matrix.md`; true when nothing failed.
///
/// # Errors
/// Tools that cannot be started; no environment can be made.
pub(crate) fn engines(args: &[String]) -> Result<bool, String> {
    let Some(binary) = binary()? else { return Ok(false) };
    let mut matrix = process(environment()?, &["-m", "engines.matrix"]);
    matrix.args(args).env("POLDER_BIN", binary).env("PYTHONPATH", repo::root().join("conformance"));
    matrix.env("PYTHONDONTWRITEBYTECODE", "1");
    run(matrix)
}

/// Returns the binary under test: the one that the environment names, else the debug build; `None` if it does not build.
fn binary() -> Result<Option<PathBuf>, String> {
    match std::env::var_os("POLDER_BIN") {
        Some(path) => Ok(Some(PathBuf::from(path))),
        None if run(cargo(&["build", "--workspace", "--bins"]))? => Ok(Some(repo::target_dir().join("debug/polder"))),
        None => Ok(None),
    }
}

/// Runs the suite against `binary`.
///
/// # Errors
/// Tools that cannot be started, files that cannot be read.
pub(crate) fn suite(binary: &Path, args: &[String]) -> Result<Counts, String> {
    if !binary.is_file() {
        println!("conformance: there is no binary at `{}`", binary.display());
        return Ok(Counts { failed: 1, ..Counts::default() });
    }
    let python = match environment() {
        Ok(python) => python,
        Err(why) if std::env::var_os("CI").is_some() => {
            println!("conformance: its environment is needed in CI: {why}");
            return Ok(Counts { failed: 1, ..Counts::default() });
        }
        Err(why) => {
            println!("SKIPPED conformance: {why}");
            return Ok(Counts { skipped: 1, ..Counts::default() });
        }
    };
    let mut pytest = process(python, &["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "conformance"]);
    pytest.args(args).env("POLDER_BIN", binary).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut counts = Counts::default();
    let succeeded = run_seen(pytest, |line| counts = pytest_line(line).unwrap_or(counts))?;
    Ok(counts.or_failed(succeeded))
}

/// Returns the object store that the suite's environment holds, for the tests of S3.
///
/// # Errors
/// No environment can be made.
pub(crate) fn object_store() -> Result<PathBuf, String> {
    let weed = environment()?.with_file_name("weed");
    if weed.is_file() { Ok(weed) } else { Err(format!("there is no `{}`", weed.display())) }
}

/// Returns the interpreter of the suite's environment, which is made if it is not there.
fn environment() -> Result<PathBuf, String> {
    let requirements = repo::root().join(REQUIREMENTS);
    let text = fs::read(&requirements).map_err(|e| format!("cannot read `{REQUIREMENTS}`: {e}"))?;
    let version = output(process("python3", &["--version"]))?;
    let key = fingerprint(&[text.as_slice(), version.trim().as_bytes()].concat());
    let folder = repo::target_dir().join(format!("conformance-venv-{key:016x}"));
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if ready.is_file() {
        return Ok(python);
    }
    let path = |p: &Path| p.to_string_lossy().into_owned();
    println!("conformance: making a Python environment in `{}`", folder.display());
    output(process("python3", &["-m", "venv", "--clear", &path(&folder)]))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", &path(&requirements)];
    output(process(&python, &install))?;
    fs::write(&ready, "").map_err(|e| format!("cannot write `{}`: {e}", ready.display()))?;
    Ok(python)
}

/// FNV-1a, 64 bits: names a folder, guards nothing.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
