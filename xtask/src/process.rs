//! Child processes: each is printed before it runs, gets no standard input, and is waited for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::repo;

/// Returns a command that runs at the root of the repository.
pub(crate) fn command(program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args).current_dir(repo::root()).stdin(Stdio::null());
    command
}

/// Returns cargo, as this process was started by it.
///
/// Without what cargo tells a program about its own package: build scripts of dependencies watch some of these
/// variables, and half the tree would be built again after every plain `cargo` command.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), args);
    for (name, _) in std::env::vars_os() {
        let of_a_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if of_a_package {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end; true when it succeeded.
///
/// # Errors
/// A program that cannot be started.
pub(crate) fn run(mut command: Command) -> Result<bool, String> {
    announce(&command);
    command.status().map(|status| status.success()).map_err(|e| not_started(&command, &e))
}

/// Runs a command, prints each line of its standard output as it comes and shows it to `see`; true when it succeeded.
///
/// # Errors
/// A program that cannot be started or read.
pub(crate) fn run_seen(mut command: Command, mut see: impl FnMut(&str)) -> Result<bool, String> {
    announce(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| not_started(&command, &e))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(|e| format!("cannot read what `{}` prints: {e}", name(&command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    child.wait().map(|status| status.success()).map_err(|e| not_started(&command, &e))
}

/// Returns the standard output of a command that succeeds quietly.
///
/// # Errors
/// A program that cannot be started or that fails, with what it wrote to standard error.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|e| not_started(&command, &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{}` failed: {}", name(&command), String::from_utf8_lossy(&output.stderr).trim()))
}

fn announce(command: &Command) {
    let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    println!("$ {} {}", name(command), args.join(" "));
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run `{}`: {error}", name(command))
}
