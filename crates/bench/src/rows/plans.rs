//! Planning a scan of a table of many files, against one of few.

use std::{collections::HashMap, time::Duration};

use iceberg::{
    io::FileIO,
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, ManifestListWriter, ManifestWriterBuilder,
        Struct, TableMetadata,
    },
};
use serde_json::{Value, json};

use super::tables::{NAMESPACE, create_namespace, creation, now_ms, table_path, tables_path};
use crate::{
    Options, Result,
    client::{Duel, Measured, Round, cycle},
    report::Line,
    stats::Spread,
    subject::{Installation, bearer},
    wire::{self, Caller},
};

/// Data files of the large and of the small table.
const FILES: [i64; 2] = [10_000, 100];
/// Data files that one manifest names.
const PER_MANIFEST: i64 = 1_000;
/// Rows of a file; their ids follow each other.
const ROWS: i64 = 1_000;

/// The plan of a range of ids that two files hold, of tables of 10⁴ and 10² files.
pub(super) fn plans(options: &Options) -> Result<Vec<Line>> {
    let (rounds, each) = if options.quick { (2, 500) } else { (5, 2_000) };
    let installation = Installation::new(options, None)?;
    let server = installation.serve()?;
    let lake = installation.found(&server)?;
    let authorization = bearer(&server, &lake.engineer)?;
    let mut caller = Caller::connect(server.address, Some(&authorization))?;
    create_namespace(&mut caller, NAMESPACE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut loads, mut requests) = (Vec::new(), Vec::new());
    for files in FILES {
        let name = format!("files_{files:05}");
        let created = caller.json("POST", &tables_path(NAMESPACE), Some(&creation(&name, 20)))?;
        let commit = runtime.block_on(append(&created, files))?;
        caller.json("POST", &table_path(NAMESPACE, &name), Some(&commit))?;
        let range = |kind: &str, value: i64| json!({"type": kind, "term": "column_001", "value": value});
        let middle = files / 2 * ROWS;
        let filter = json!({"type": "and", "left": range("gt-eq", middle - 10), "right": range("lt", middle + 10)});
        let (bodies, told) = whole(&mut caller, &table_path(NAMESPACE, &name), json!({"filter": filter}))?;
        if told != 2 {
            return Err(format!("{name}: {told} files were told, not 2").into());
        }
        requests.push(u32::try_from(bodies.len())?);
        let post = |(path, body): &(String, String)| {
            wire::request("POST", path, Some(&authorization), Some(("application/json", body.as_bytes())))
        };
        loads.push(server.load(1, cycle(bodies.iter().map(post).collect())));
    }
    let (Some(reference), Some(subject)) = (loads.pop(), loads.pop()) else { return Err("no tables".into()) };
    let [of_subject, of_reference] = *requests else { return Err("no tables".into()) };
    let rounds = Duel { subject, reference, rounds, each: Duration::from_millis(each) }.run()?;
    // A plan with all its tasks, in milliseconds.
    let time = |requests: u32, measured: &Measured| f64::from(requests) / measured.rate * 1e3;
    let (subject, reference) =
        (|round: &Round| time(of_subject, &round.subject), |round: &Round| time(of_reference, &round.reference));
    let ratio = Spread::of(rounds.iter().map(|round| subject(round) / reference(round)));
    Ok(vec![Line {
        what: format!("plan of 2 of {} data files in {} manifests, warm", FILES[0], FILES[0] / PER_MANIFEST),
        measured: ratio.times(),
        target: "of a table of 100 files",
        hit: None,
        details: format!(
            "{:.2} / {:.2} ms, in {of_subject} / {of_reference} requests",
            Spread::of(rounds.iter().map(subject)).median,
            Spread::of(rounds.iter().map(reference)).median,
        ),
    }])
}

/// The requests of a plan and of all its tasks, each with its path, and how many files they tell together.
fn whole(caller: &mut Caller, table: &str, body: Value) -> Result<(Vec<(String, String)>, usize)> {
    let (mut waiting, mut requests, mut told) = (vec![(format!("{table}/plan"), body)], Vec::new(), 0);
    while let Some((path, body)) = waiting.pop() {
        let answer = caller.json("POST", &path, Some(&body))?;
        told += answer["file-scan-tasks"].as_array().map_or(0, Vec::len);
        let tasks = answer["plan-tasks"].as_array().into_iter().flatten();
        waiting.extend(tasks.map(|task| (format!("{table}/tasks"), json!({"plan-task": task}))));
        requests.push((path, body.to_string()));
    }
    Ok((requests, told))
}

/// Writes manifests and their list, as a client does, and says the commit that appends them. The data files themselves are
/// not there: plans read none.
async fn append(created: &Value, files: i64) -> Result<Value> {
    let metadata: TableMetadata = serde_json::from_value(created["metadata"].clone())?;
    let (location, io, id) = (metadata.location(), FileIO::new_with_fs(), files);
    let mut manifests = Vec::new();
    for first in (0..files).step_by(usize::try_from(PER_MANIFEST)?) {
        let manifest = io.new_output(format!("{location}/metadata/{first}-m.avro"))?;
        let spec = metadata.default_partition_spec().as_ref().clone();
        let builder = ManifestWriterBuilder::new(manifest, Some(id), metadata.current_schema().clone(), spec);
        let mut writer = builder.build_v2_data();
        for n in first..files.min(first + PER_MANIFEST) {
            writer.add_file(file(location, n)?, 1)?;
        }
        manifests.push(writer.write_manifest_file().await?);
    }
    let list = format!("{location}/metadata/{id}-list.avro");
    let output = io.new_output(&list)?.writer().await?;
    let mut writer = ManifestListWriter::v2(output, id, None, 1);
    writer.add_manifests(manifests.into_iter())?;
    writer.close().await?;
    let snapshot = json!({
        "snapshot-id": id, "sequence-number": 1, "timestamp-ms": now_ms(), "manifest-list": list,
        "summary": {"operation": "append"}, "schema-id": 0,
    });
    let main = json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id});
    Ok(json!({"requirements": [], "updates": [{"action": "add-snapshot", "snapshot": snapshot}, main]}))
}

/// The `n`-th file.
fn file(location: &str, n: i64) -> Result<DataFile> {
    let (first, last) = (Datum::long(n * ROWS), Datum::long((n + 1) * ROWS - 1));
    let file = DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("{location}/data/{n:05}.parquet"))
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(100_000)
        .record_count(u64::try_from(ROWS)?)
        .partition(Struct::empty())
        .lower_bounds(HashMap::from([(1, first)]))
        .upper_bounds(HashMap::from([(1, last)]))
        .null_value_counts(HashMap::from([(1, 0)]))
        .value_counts(HashMap::from([(1, u64::try_from(ROWS)?)]))
        .build()?;
    Ok(file)
}
