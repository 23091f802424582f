//! What the figures were taken on.

use std::{fs, path::Path, process::Command};

/// Machine, system, revision and load, as a line of prose.
pub(crate) fn facts(directory: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split(' ').next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / (1024 * 1024);
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let filesystem = run("stat", &["-f", "-c", "%T", &directory.display().to_string()]);
    format!(
        "{cores} cores of {cpu}, {memory} GiB, Linux {kernel}, data on {filesystem}, {}, load before the run {load}, {}",
        run("rustc", &["--version"]),
        run("date", &["-u", "+%Y-%m-%d"])
    )
}

/// The revision that is checked out.
pub(crate) fn revision() -> String {
    run("git", &["describe", "--always", "--dirty=+"])
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
