//! Cold start, idle memory and the size of the binary.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::tables::{NAMESPACE, create_namespace, table_of_20_kb, table_path};
use crate::{
    Options, Result,
    report::Line,
    stats::Spread,
    subject::{Installation, basic},
    wire::{self, Caller},
};

/// How long a server rests before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// From the start of the process to an authenticated, authorized load of a table; then its memory at rest.
pub(super) fn start(options: &Options) -> Result<Vec<Line>> {
    let starts = if options.quick { 3 } else { 15 };
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = basic(&lake.engineer);
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    table_of_20_kb(&mut caller, "table")?;
    drop(caller);
    server.stop()?;
    let load = wire::request("GET", &table_path(NAMESPACE, "table"), Some(&authorization), None);
    let (mut times, mut rss, mut pss) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..starts {
        let begun = Instant::now();
        let server = installation.serve()?;
        let (status, _) = Caller::connect(server.address, None)?.send(&load)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        if status != 200 {
            return Err(format!("the first answer is {status}").into());
        }
        if n < 3 {
            std::thread::sleep(REST);
            rss.push(memory_mb(server.process(), "Rss:")?);
            pss.push(memory_mb(server.process(), "Pss:")?);
        }
        server.stop()?;
    }
    let (times, rss, pss) = (Spread::of(times), Spread::of(rss), Spread::of(pss));
    #[allow(clippy::cast_precision_loss, reason = "megabytes")]
    let size = fs::metadata(&options.polder)?.len() as f64 / 1e6;
    let line =
        |what: &str, measured, target, hit, details| Line { what: what.to_owned(), measured, target, hit, details };
    Ok(vec![
        line(
            "cold start to the first authenticated load",
            format!("{:.0} ms ({:.0}–{:.0})", times.median, times.min, times.max),
            "≤ 100 ms",
            Some(times.median <= 100.0),
            format!("{starts} starts"),
        ),
        line(
            "idle memory after a load (RSS)",
            format!("{:.1} MB", rss.median),
            "≤ 50 MB",
            Some(rss.median <= 50.0),
            format!("PSS {:.1} MB", pss.median),
        ),
        line(
            "size of the binary",
            format!("{size:.1} MB"),
            "",
            None,
            "release profile, debug information stripped".to_owned(),
        ),
    ])
}

fn memory_mb(process: u32, field: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with(field)).ok_or("no such field of memory")?;
    Ok(line.split_ascii_whitespace().nth(1).ok_or("no figure")?.parse::<f64>()? * 1024.0 / 1e6)
}
