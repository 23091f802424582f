//! A-064, F17: what real clients send is answered as it was answered to them.

use std::collections::HashMap;

use polder_types::{Location, rest::CreateTableRequest};
use serde_json::Value;
use uuid::Uuid;

use super::{CORPUS, NOW, TableDoc, Update, parse, raws, value};
use crate::metadata::{NewTable, Requirement, apply, check, create};

/// Applies one change of a commit.
fn change(tables: &HashMap<String, TableDoc>, change: &Value) -> polder_types::Result<TableDoc> {
    let base = tables.get(change["table"].as_str().unwrap());
    let requirements = Requirement::parse_all(&raws(change["requirements"].clone()))?;
    check(base, &requirements)?;
    apply(base, &Update::parse_all(&raws(change["updates"].clone()))?, NOW)
}

/// The uuid that the recorded server gave to a table: the one its next commits ask for.
fn uuid_of(table: &str, later: &[Value]) -> Uuid {
    let changes = later.iter().flat_map(|line| line["commit"].as_array().into_iter().flatten());
    let mut requirements = changes
        .filter(|change| change["table"] == table)
        .flat_map(|change| change["requirements"].as_array().into_iter().flatten());
    let found = requirements.find_map(|requirement| requirement["uuid"].as_str()?.parse().ok());
    found.unwrap_or(Uuid::from_u128(1))
}

/// What we write we read again, and so does the `iceberg` crate, which knows no variant.
fn check_readable(doc: &TableDoc, at: &str) {
    let written = value(doc);
    assert_eq!(value(&parse(&written).unwrap()), written, "{at}");
    if !written.to_string().contains("\"variant\"") {
        let read: Result<iceberg::spec::TableMetadata, _> = serde_json::from_value(written);
        assert!(read.is_ok(), "{at}: {}", read.unwrap_err());
    }
}

fn replay(client: &str) -> usize {
    let text = std::fs::read_to_string(format!("{CORPUS}/commits/{client}.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut tables: HashMap<String, TableDoc> = HashMap::new();
    let mut commits = 0;
    for (index, line) in lines.iter().enumerate() {
        let at = format!("{client} line {}, {}", index + 1, line["step"]);
        if let Some(names) = line["rename"].as_array() {
            let doc = tables.remove(names[0].as_str().unwrap()).unwrap();
            tables.insert(names[1].as_str().unwrap().to_owned(), doc);
        } else if line["create"].is_object() {
            let table = line["table"].as_str().unwrap().to_owned();
            let request: CreateTableRequest = serde_json::from_str(&line["create"].to_string()).unwrap();
            let location = Location::parse(&format!("s3://warehouse/{table}")).unwrap();
            let doc = create(NewTable::from(&request), uuid_of(&table, &lines[index + 1..]), &location, NOW);
            let doc = doc.unwrap_or_else(|error| panic!("{at}: {error}"));
            check_readable(&doc, &at);
            tables.remove(&table);
            if request.stage_create != Some(true) {
                tables.insert(table, doc);
            }
        } else {
            commits += 1;
            let results: Result<Vec<_>, _> = line["commit"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| change(&tables, one).map(|doc| (one, doc)))
                .collect();
            match (results, line["status"].as_u64()) {
                (Ok(done), Some(200)) => {
                    for (one, doc) in done {
                        check_readable(&doc, &at);
                        tables.insert(one["table"].as_str().unwrap().to_owned(), doc);
                    }
                }
                (Err(error), Some(409)) => assert_eq!(Some(error.message()), line["error"].as_str(), "{at}"),
                (Err(error), status) => panic!("{at}: {status:?} expected, {error}"),
                (Ok(_), status) => panic!("{at}: {status:?} expected, but it went through"),
            }
        }
    }
    commits
}

/// every commit that PyIceberg, DuckDB, ClickHouse, iceberg-rust, Spark and Flink were seen to send.
#[test]
fn recorded_commits_are_answered_as_they_were() {
    let clients = ["pyiceberg", "polars_daft", "duckdb", "chdb", "iceberg_rust", "spark", "flink"];
    let commits: usize = clients.into_iter().map(replay).sum();
    assert!(commits > 140, "{commits}");
}
