//! A-064, F5, F13: snapshots, branches, tags and the history of the main branch.

use polder_types::{ErrorKind, Micros};
use serde_json::{Value, json};

use super::{NOW, add, commit, parse, point, refused, snapshot, valid, value};

const OLD: i64 = 3_051_729_675_574_597_004;
const CURRENT: i64 = 3_055_729_675_574_597_004;

fn log(document: &Value) -> Vec<(i64, i64)> {
    let steps = document["snapshot-log"].as_array().unwrap().iter();
    steps.map(|step| (step["snapshot-id"].as_i64().unwrap(), step["timestamp-ms"].as_i64().unwrap())).collect()
}

/// A-064: an append moves the branch, the current snapshot, the history and the sequence number together.
#[test]
fn an_append_moves_everything_together() {
    let late = NOW.millis() + 5000;
    let doc = valid("V2Valid");
    let after = commit(&doc, json!([add(snapshot(7, Some(CURRENT), 35, late)), point("main", "branch", 7)])).unwrap();
    assert_eq!(
        (after.current_snapshot_id(), after.last_sequence_number(), after.last_updated_ms()),
        (Some(7), 35, late)
    );
    let written = value(&after);
    assert_eq!(log(&written).last(), Some(&(7, late)));
    assert_eq!(written["refs"]["main"], json!({"type": "branch", "snapshot-id": 7}));
    assert_eq!(written["snapshots"][2], snapshot(7, Some(CURRENT), 35, late));
}

/// A-064: a snapshot that no reference names is stored, and nothing moves.
#[test]
fn a_staged_snapshot_moves_nothing() {
    let doc = valid("V2Valid");
    let after = commit(&doc, json!([add(snapshot(7, Some(CURRENT), 35, 9))])).unwrap();
    assert_eq!(after.current_snapshot_id(), Some(CURRENT));
    assert_eq!(log(&value(&after)), log(&value(&doc)));
    assert!(after.snapshot_by_id(7).is_some());
}

/// F5: a stale sequence number or row id is a conflict, so that clients retry.
#[test]
fn stale_numbers_are_conflicts() {
    let doc = valid("V2Valid");
    for stale in [0, 1, 34] {
        let error =
            refused(&doc, json!([add(snapshot(7, Some(CURRENT), stale, 9))]), "older than last sequence number 34");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "stale_sequence_number"));
    }
    let v3 = valid("V3ValidMinimal");
    let mut first = snapshot(7, None, 35, 9);
    (first["first-row-id"], first["added-rows"]) = (0.into(), 10.into());
    let after = commit(&v3, json!([add(first.clone()), point("main", "branch", 7)])).unwrap();
    assert_eq!(after.next_row_id(), Some(10));
    let mut second = snapshot(8, Some(7), 36, 9);
    (second["first-row-id"], second["added-rows"]) = (9.into(), 1.into());
    let error = refused(&after, json!([add(second.clone())]), "first-row-id is behind table next-row-id: 9 < 10");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    second["first-row-id"] = 12.into();
    assert_eq!(
        commit(&after, json!([add(second.clone())])).unwrap().next_row_id(),
        Some(13),
        "no row id is given twice"
    );
    second["added-rows"] = i64::MAX.into();
    refused(&after, json!([add(second.clone())]), "no row ids");
    second["added-rows"] = (-1).into();
    refused(&after, json!([add(second.clone())]), "`added-rows`");
    second.as_object_mut().unwrap().remove("first-row-id");
    refused(&after, json!([add(second)]), "`first-row-id`");
}

/// A-064: a replaced table (a snapshot without a parent) may repeat a sequence number, but never lowers it.
#[test]
fn a_snapshot_without_a_parent_does_not_lower_the_sequence_number() {
    let doc = valid("V2Valid");
    let after = commit(&doc, json!([add(snapshot(7, None, 34, 9))])).unwrap();
    assert_eq!(after.last_sequence_number(), 34);
    let mut clickhouse = snapshot(8, None, 3, 9);
    clickhouse["parent-snapshot-id"] = (-1).into();
    let after = commit(&doc, json!([add(clickhouse)])).unwrap();
    assert_eq!((after.last_sequence_number(), after.snapshot_by_id(8).unwrap().parent_snapshot_id), (34, None));
}

/// A-064: snapshots that no reader could use are refused.
#[test]
fn bad_snapshots_are_refused() {
    let doc = valid("V2Valid");
    let without = |member: &str| {
        let mut bad = snapshot(7, Some(CURRENT), 35, 9);
        bad.as_object_mut().unwrap().remove(member);
        json!([add(bad)])
    };
    let with = |member: &str, wrong: Value| {
        let mut bad = snapshot(7, Some(CURRENT), 35, 9);
        bad[member] = wrong;
        json!([add(bad)])
    };
    for member in ["snapshot-id", "timestamp-ms", "manifest-list", "summary", "sequence-number"] {
        refused(&doc, without(member), &format!("`{member}`"));
    }
    refused(&doc, with("summary", json!({})), "`operation`");
    refused(&doc, with("summary", json!({"operation": 1})), "snapshot");
    refused(&doc, with("schema-id", json!(9)), "schema 9 does not exist");
    refused(&doc, with("snapshot-id", json!(-7)), "negative");
    refused(&doc, with("snapshot-id", json!(OLD)), "already exists");
    refused(&valid("V1Valid"), json!([add(snapshot(7, None, 1, 9))]), "format version 1");
    let twice = json!([add(snapshot(7, None, 35, 9)), add(snapshot(7, None, 35, 9))]);
    assert_eq!(commit(&doc, twice).unwrap().snapshots().len(), 3, "the very same one again is no change");
}

/// A-064: format version 1 has no sequence numbers.
#[test]
fn a_table_of_version_1_takes_snapshots() {
    let after = commit(&valid("V1Valid"), json!([add(snapshot(7, None, 0, 9)), point("main", "branch", 7)])).unwrap();
    assert_eq!((after.current_snapshot_id(), after.last_sequence_number()), (Some(7), 0));
}

/// A-064: only the last of several moves of `main` in one commit is history (PyIceberg's overwrite).
#[test]
fn steps_undone_in_the_same_commit_leave_no_history() {
    let doc = valid("V2Valid");
    let after = commit(
        &doc,
        json!([
            add(snapshot(7, Some(CURRENT), 35, 2_000_000_000_000)),
            point("main", "branch", 7),
            add(snapshot(8, Some(7), 36, 2_000_000_000_001)),
            point("main", "branch", 8),
        ]),
    );
    let after = value(&after.unwrap());
    assert_eq!(log(&after)[2..], [(8, 2_000_000_000_001)]);
    assert_eq!(after["current-snapshot-id"], 8);
}

/// A-064: a roll-back is a step of the history, now; setting the same reference again is none.
#[test]
fn a_rollback_is_a_step_of_the_history() {
    let doc = valid("V2Valid");
    let after = commit(&doc, json!([point("main", "branch", OLD)])).unwrap();
    assert_eq!(log(&value(&after)).last(), Some(&(OLD, NOW.millis())));
    assert_eq!(after.snapshot_as_of(Micros(1_600_000_000_000_000)).unwrap().snapshot_id, CURRENT);
    assert_eq!(after.snapshot_as_of(NOW).unwrap().snapshot_id, OLD);
    assert!(after.snapshot_as_of(Micros(0)).is_none());
    let same = commit(&after, json!([point("main", "branch", OLD)])).unwrap();
    assert_eq!(log(&value(&same)), log(&value(&after)));
    let mut kept = point("main", "branch", OLD);
    kept["min-snapshots-to-keep"] = 3.into();
    let kept = commit(&after, json!([kept])).unwrap();
    assert_eq!(value(&kept)["refs"]["main"]["min-snapshots-to-keep"], 3);
    assert_eq!(log(&value(&kept)), log(&value(&after)), "a new retention is no step");
}

/// A-064: a clock that runs behind does not put the history out of order, which Java would refuse to load.
#[test]
fn the_history_stays_in_order() {
    let doc = valid("V2Valid");
    let after = commit(&doc, json!([add(snapshot(7, Some(CURRENT), 35, 5)), point("main", "branch", 7)])).unwrap();
    let times: Vec<i64> = log(&value(&after)).into_iter().map(|(_, time)| time).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(after.snapshot_by_id(7).unwrap().timestamp_ms, 5, "the snapshot keeps its own time");
}

/// A-064: references to nothing, of no known kind, or with retention that makes no sense are refused.
#[test]
fn bad_references_are_refused() {
    let doc = valid("V2Valid");
    let with = |kind: &str, member: &str, value: i64| {
        let mut reference = point("r", kind, OLD);
        reference[member] = value.into();
        json!([reference])
    };
    refused(&doc, json!([point("main", "branch", 1)]), "unknown snapshot: 1");
    refused(&doc, json!([point("main", "tag", OLD)]), "cannot be a tag");
    refused(&doc, json!([point("r", "twig", OLD)]), "reference");
    for member in ["min-snapshots-to-keep", "max-snapshot-age-ms"] {
        refused(&doc, with("tag", member, 1), "tags support neither");
        refused(&doc, with("branch", member, 0), "above 0");
        commit(&doc, with("branch", member, 1)).unwrap();
    }
    refused(&doc, with("tag", "max-ref-age-ms", -1), "above 0");
    let mut nulls = point("r", "TAG", OLD);
    (nulls["max-ref-age-ms"], nulls["x-later"]) = (Value::Null, json!([1]));
    let after = commit(&doc, json!([nulls])).unwrap();
    assert_eq!(value(&after)["refs"]["r"], json!({"type": "TAG", "snapshot-id": OLD, "x-later": [1]}));
}

/// F13: removed snapshots take their references, statistics and history with them.
#[test]
fn removed_snapshots_leave_nothing_behind() {
    let doc = valid("V2Valid");
    let file = json!({"snapshot-id": OLD, "statistics-path": "s3://a/b/s"});
    let tagged = commit(
        &doc,
        json!([
            point("t", "tag", OLD), point("b", "branch", OLD), point("keep", "tag", CURRENT),
            {"action": "set-statistics", "statistics": file},
            {"action": "set-partition-statistics", "partition-statistics": file},
        ]),
    );
    let after = commit(&tagged.unwrap(), json!([{"action": "remove-snapshots", "snapshot-ids": [OLD, 1]}])).unwrap();
    let written = value(&after);
    let names: Vec<_> = after.refs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["main", "keep"]);
    assert_eq!(log(&written), [(CURRENT, 1_555_100_955_770)]);
    assert_eq!((&written["statistics"], &written["partition-statistics"]), (&json!([]), &json!([])));
    assert_eq!(after.snapshots().len(), 1);
}

/// F13: without its current snapshot the table is empty, not broken.
#[test]
fn removing_the_current_snapshot_empties_the_table() {
    for (name, none) in [("V2Valid", json!(-1)), ("V3ValidEncryption", Value::Null)] {
        let source = if name.starts_with("V3") { "rust" } else { "java" };
        let doc = super::TableDoc::parse(&super::corpus(&format!("{source}-TableMetadata{name}.json"))).unwrap();
        let current = doc.current_snapshot_id().unwrap();
        let before = value(&doc)["snapshot-log"].clone();
        for (updates, history) in [
            (json!([{"action": "remove-snapshots", "snapshot-ids": [current]}]), json!([])),
            (json!([{"action": "remove-snapshot-ref", "ref-name": "main"}]), before),
        ] {
            let after = commit(&doc, updates).unwrap();
            assert_eq!((after.current_snapshot_id(), after.snapshot_ref("main")), (None, None));
            let written = value(&after);
            assert_eq!((&written["current-snapshot-id"], &written["snapshot-log"]), (&none, &history));
        }
    }
}

/// F13: a replaced table keeps its history: `main` goes and comes again in one commit.
#[test]
fn a_replaced_table_keeps_its_history() {
    let doc = valid("V2Valid");
    let after = commit(
        &doc,
        json!([
            {"action": "remove-snapshot-ref", "ref-name": "main"},
            add(snapshot(7, None, 35, 2_000_000_000_000)),
            point("main", "branch", 7),
        ]),
    )
    .unwrap();
    let mut wanted = log(&value(&doc));
    wanted.push((7, 2_000_000_000_000));
    assert_eq!((after.current_snapshot_id(), log(&value(&after))), (Some(7), wanted));
}

/// A-064: a gap in the history cuts off what was before it.
#[test]
fn a_gap_cuts_off_the_history_before_it() {
    let doc = valid("V2Valid");
    let doc = commit(&doc, json!([add(snapshot(7, Some(CURRENT), 35, 2_000_000_000_000)), point("main", "branch", 7)]))
        .unwrap();
    let after = commit(&doc, json!([{"action": "remove-snapshots", "snapshot-ids": [CURRENT]}])).unwrap();
    assert_eq!(log(&value(&after)), [(7, 2_000_000_000_000)]);
}

/// A-064: removing what is not there changes nothing; PyIceberg sends an empty list.
#[test]
fn removing_nothing_changes_nothing() {
    let doc = valid("V2Valid");
    let after = commit(
        &doc,
        json!([
        {"action": "remove-snapshots", "snapshot-ids": []}, {"action": "remove-snapshots", "snapshot-ids": [1]},
        {"action": "remove-snapshot-ref", "ref-name": "none"}]),
    );
    let (mut before, mut after) = (value(&doc), value(&after.unwrap()));
    before["last-updated-ms"] = after["last-updated-ms"].take();
    after["last-updated-ms"] = before["last-updated-ms"].clone();
    after.as_object_mut().unwrap().remove("refs");
    assert_eq!(after, before);
}

/// A-064: absent, null and -1 all mean that there is no current snapshot; `main` is implied where it is not written.
#[test]
fn no_current_snapshot_has_three_spellings() {
    for none in [None, Some(Value::Null), Some(json!(-1))] {
        let mut document = value(&valid("V2ValidMinimal"));
        if let Some(none) = none {
            document["current-snapshot-id"] = none;
        }
        let doc = parse(&document).unwrap();
        assert!(doc.current_snapshot_id().is_none() && doc.current_snapshot().is_none() && doc.refs().is_empty());
    }
    let implied = valid("V2Valid");
    assert_eq!(implied.snapshot_by_ref("main").unwrap().snapshot_id, CURRENT);
    assert!(implied.snapshot_by_ref("other").is_none());
}
