//! What writers write is read, whatever its codec; what would become gigabytes is refused while it is small.

use std::{io::Write, sync::Arc};

use arrow::array::{ArrayRef, Int64Array};
use iceberg::spec::Manifest;
use serde_json::{Value, json};

use super::*;
use crate::scan::fixture::{Lake, lines, long, open_policy, rows, schema as columns};

/// Writes a container of any kind: header entries, and blocks of a count and bytes.
fn container(header: &[(&str, &[u8])], blocks: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    write_long(&mut out, header.len());
    for (key, value) in header {
        write_bytes(&mut out, key.as_bytes());
        write_bytes(&mut out, value);
    }
    out.push(0);
    out.extend_from_slice(&[7; MARKER_BYTES]);
    for (records, data) in blocks {
        out.extend(zigzag(*records));
        write_bytes(&mut out, data);
        out.extend_from_slice(&[7; MARKER_BYTES]);
    }
    out
}

fn zigzag(value: i64) -> Vec<u8> {
    let (mut bits, mut out) = (((value << 1) ^ (value >> 63)) as u64, Vec::new());
    while bits > 0x7f {
        out.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
    out
}

fn record(fields: Value) -> Value {
    json!({"type": "record", "name": "entry", "fields": fields})
}

/// One block under a schema.
fn one(schema: &Value, records: i64, data: Vec<u8>) -> Vec<u8> {
    container(&[("avro.schema", schema.to_string().as_bytes())], &[(records, data)])
}

fn is_refused(container: &[u8]) -> bool {
    let both = [Kept::Values, Kept::Entries].map(|kept| opened(container, kept));
    both.iter().all(|opened| opened.as_ref().is_err_and(|error| error.code() == "unreadable_table"))
}

fn compressed(codec: &str, data: &[u8]) -> Vec<u8> {
    match codec {
        "deflate" => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "snappy" => {
            let mut out = snap::raw::Encoder::new().compress_vec(data).unwrap();
            out.extend_from_slice(&crc32fast::hash(data).to_be_bytes());
            out
        }
        "zstandard" => zstd::encode_all(data, 3).unwrap(),
        _ => data.to_vec(),
    }
}

/// The same container, with another codec, an empty block before all others and after them.
fn recoded(bytes: &[u8], codec: &str) -> Vec<u8> {
    let mut input = Cursor(bytes);
    let header = Header::read(&mut input).unwrap();
    let (schema, mut blocks) = (header.schema.to_string(), vec![(0, compressed(codec, b""))]);
    while !input.0.is_empty() {
        let block = input.block(&header.marker).unwrap();
        let data = inflated(&header.codec, block.data, INFLATED_BYTES_MAX).unwrap();
        blocks.push((i64::try_from(block.records).unwrap(), compressed(codec, &data)));
    }
    blocks.push((0, compressed(codec, b"")));
    let mut entries: Vec<(&str, &[u8])> = vec![("avro.schema", schema.as_bytes()), ("avro.codec", codec.as_bytes())];
    entries.extend(header.user.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
    container(&entries, &blocks)
}

/// Spark writes `deflate` (its "gzip"), `snappy` or `zstandard`, PyIceberg `deflate` or `null`, DuckDB and the Rust crate
/// `null`. An empty block is not the end.
#[tokio::test]
async fn manifests_of_every_codec_are_read() {
    let table = columns(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    for value in 1..=3 {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        lake.append(&rows(&table, vec![column]), 1);
    }
    let document = lake.document().await;
    let metadata = lake.location.local_path().unwrap().join("metadata");
    let files = ["list.avro", "0-m.avro"].map(|name| metadata.join(name));
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        for file in &files {
            let recoded = recoded(&std::fs::read(file).unwrap(), codec);
            std::fs::write(file, recoded).unwrap();
        }
        let source = lake.open(&document, open_policy()).unwrap();
        assert_eq!(lines(&source).await.unwrap(), ["1", "2", "3"], "{codec}");
    }
}

/// The library reads the same out of what is made anew.
#[tokio::test]
async fn nothing_is_lost_on_the_way() {
    let table = columns(0, vec![long(1, "a")]);
    let mut lake = Lake::new(table.clone());
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    lake.append(&rows(&table, vec![column]), 1);
    lake.document().await;
    let bytes = std::fs::read(lake.location.local_path().unwrap().join("metadata/0-m.avro")).unwrap();
    let opened = opened(&bytes, Kept::Entries).unwrap();
    assert_eq!(opened.records, 1);
    assert_eq!(Manifest::parse_avro(&opened.bytes).unwrap(), Manifest::parse_avro(&bytes).unwrap());
}

/// A claim takes no memory: items without width, items after the end, records without width.
#[test]
fn counts_are_charged_before_they_are_believed() {
    let nulls = record(json!([{"name": "a", "type": {"type": "array", "items": "null"}}]));
    let unions = record(json!([{"name": "a", "type": {"type": "array", "items": ["null", "int"]}}]));
    let maps = record(json!([{"name": "a", "type": {"type": "map", "values": "null"}}]));
    for schema in [&nulls, &unions, &maps] {
        for count in [512 * 1024 * 1024, -(512 * 1024 * 1024), i64::MAX, i64::MIN] {
            let mut data = zigzag(count);
            if count < 0 {
                data.push(0);
            }
            data.push(0);
            assert!(is_refused(&one(schema, 1, data)), "{schema} {count}");
        }
    }
    // Many small claims.
    let block = [zigzag(1_000_000), vec![0]].concat();
    assert!(is_refused(&one(&nulls, 1000, block.repeat(1000))));
    let empty = record(json!([{"name": "a", "type": "null"}]));
    for count in [-1, 1 << 40, i64::MAX] {
        assert!(is_refused(&one(&empty, count, Vec::new())), "{count}");
    }
    assert!(opened(&one(&nulls, 1, [zigzag(1000), vec![0]].concat()), Kept::Values).is_ok());
}

/// The library copies a field's name for each record.
#[test]
fn names_are_charged_for_each_record() {
    let name = "n".repeat(100_000);
    let item = json!({"type": "record", "name": "item", "fields": [{"name": name, "type": "null"}]});
    let schema = record(json!([{"name": "a", "type": {"type": "array", "items": item}}]));
    assert!(is_refused(&one(&schema, 1, [zigzag(100_000), vec![0]].concat())));
    assert!(opened(&one(&schema, 1, [zigzag(10), vec![0]].concat()), Kept::Values).is_ok());
}

/// A few bytes that inflate to more than may be are given up there.
#[test]
fn no_codec_inflates_beyond_the_limit() {
    let zeros = vec![0; 100_000];
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let data = compressed(codec, &zeros);
        assert!(inflated(codec.as_bytes(), &data, 99_999).is_err(), "{codec}");
        assert_eq!(inflated(codec.as_bytes(), &data, 100_000).unwrap().len(), 100_000, "{codec}");
        assert!(inflated(codec.as_bytes(), b"\xff\xff\xff\xff\x0fno", 1000).is_err() || codec == "null", "{codec}");
    }
    assert!(inflated(b"deflate", b"", 10).is_err() && inflated(b"snappy", b"123", 10).is_err());
    assert!(inflated(b"bzip2", b"", 10).is_err() && inflated(b"xz", b"", 10).is_err());
    let mut wrong_sum = compressed("snappy", &zeros);
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert!(inflated(b"snappy", &wrong_sum, 100_000).is_err());
}

/// Values that end early, blocks that hold something else than they say, numbers that the library would read otherwise.
#[test]
fn what_does_not_add_up_is_refused() {
    let schema = record(json!([{"name": "a", "type": ["null", "string"]}, {"name": "b", "type": "boolean"}]));
    let good = [vec![2, 4], b"xy".to_vec(), vec![1]].concat();
    assert!(opened(&one(&schema, 1, good.clone()), Kept::Values).is_ok());
    for data in [
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        [good.clone(), vec![0]].concat(),
        vec![4, 0],                                    // no such variant
        vec![1, 0],                                    // a negative one
        [vec![2], zigzag(i64::MAX), vec![0]].concat(), // a text longer than all
        [vec![2], zigzag(-2), vec![0, 0]].concat(),    // a text of less than nothing
        [vec![0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e], vec![0, 1]].concat(), // bits that would fall
    ] {
        assert!(is_refused(&one(&schema, 1, data.clone())), "{data:?}");
    }
    let whole = one(&schema, 1, good);
    for cut in 1..whole.len() {
        assert!(opened(&whole[..cut], Kept::Values).map_or(true, |opened| opened.records == 0), "{cut}");
    }
    let mut marker = whole.clone();
    *marker.last_mut().unwrap() ^= 1;
    assert!(is_refused(&marker));
    assert!(is_refused(b"") && is_refused(b"Obj\x02") && is_refused(b"PAR1"));
}

/// Schemas that say nothing of their size, or that the library takes to mean something else.
#[test]
fn schemas_that_no_manifest_has_are_refused() {
    let recursive = record(json!([{"name": "a", "type": "entry"}]));
    let list = record(json!([{"name": "a", "type": ["null", "entry"]}]));
    let level = |name: &str, inner: Value| json!({"type": "record", "name": name, "fields": [{"name": "x", "type": inner}, {"name": "y", "type": inner["name"]}]});
    // Twenty definitions, a million parts.
    let seed = json!({"type": "record", "name": "l0", "fields": []});
    let doubling = (1..20).fold(seed, |inner, depth| level(&format!("l{depth}"), inner));
    let deep = (0..100).fold(json!("int"), |inner, _| json!({"type": "array", "items": inner}));
    let huge = json!({"type": "fixed", "name": "f", "size": u64::MAX});
    let symbols = json!({"type": "enum", "name": "e", "symbols": ["A"]});
    for ty in [&recursive, &list, &doubling, &deep, &huge, &symbols, &json!("unknown"), &json!(null), &json!({})] {
        let schema = record(json!([{"name": "f", "type": ty}]));
        assert!(is_refused(&one(&schema, 1, vec![0])), "{ty}");
    }
    assert!(is_refused(&one(&json!("null"), 1 << 40, Vec::new())), "not a record");
}

/// Two to the 25 values, made while a schema is parsed.
#[test]
fn defaults_are_never_worked_out() {
    let fields = (0..25).map(|level: u32| {
        let both = |name: &str| match level {
            0 => json!({"name": name, "type": "int", "default": 0}),
            _ => json!({"name": name, "type": format!("l{}", level - 1), "default": {}}),
        };
        let ty = json!({"type": "record", "name": format!("l{level}"), "fields": [both("x"), both("y")]});
        json!({"name": format!("f{level}"), "type": ["null", ty]})
    });
    let schema = record(Value::Array(fields.collect()));
    assert!(is_refused(&one(&schema, 1, vec![0; 25])));
    let simple = record(json!([{"name": "a", "type": {"type": "record", "name": "r", "fields": [
        {"name": "b", "type": ["null", "int"], "default": {"x": []}, "aliases": ["no alias!"]}]}, "default": {}}]));
    assert!(opened(&one(&simple, 1, vec![0]), Kept::Values).is_ok());
}

/// A reference becomes what it stands for, under a name of its own.
#[test]
fn references_are_written_out() {
    let decimal =
        json!({"type": "fixed", "name": "n.d", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2});
    let schema = json!({"type": "record", "name": "entry", "namespace": "n", "doc": "x", "fields": [
        {"name": "a", "type": ["null", decimal], "default": null, "field-id": 1},
        {"name": "b", "type": "d"},
        {"name": "c", "type": {"type": "int", "logicalType": "date"}},
        {"name": "d", "type": {"type": "array", "items": "n.d", "logicalType": "map", "element-id": 5}},
    ]});
    let fixed = |name: &str| json!({"type": "fixed", "name": name, "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2});
    let plain = schema::plain(&schema).unwrap();
    assert_eq!(plain["fields"][0]["type"], json!(["null", fixed("d")]));
    assert_eq!(plain["fields"][1]["type"], fixed("d_2"));
    assert_eq!(plain["fields"][2]["type"], json!({"type": "int", "logicalType": "date"}));
    assert_eq!(plain["fields"][3]["type"], json!({"type": "array", "items": fixed("d_3")}));
    let data = [vec![2, 0, 0, 0, 1], vec![0, 0, 0, 2], vec![2], zigzag(1), vec![0, 0, 0, 3], vec![0]].concat();
    let opened = opened(&one(&schema, 1, data), Kept::Values).unwrap();
    let read: Vec<_> = apache_avro::Reader::new(opened.bytes.as_slice()).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), 1);
}

/// What the library makes of the user metadata is bounded too: full names, and checks of each field against all.
#[test]
fn user_metadata_is_bounded() {
    let schema = record(json!([])).to_string();
    let with = |key: &str, value: &[u8]| container(&[("avro.schema", schema.as_bytes()), (key, value)], &[]);
    let fields: Vec<Value> =
        (0..2000).map(|id| json!({"id": id, "name": "a", "required": false, "type": "int"})).collect();
    let inner = json!({"type": "struct", "fields": fields});
    let named = |name: String| {
        let field = json!({"id": 9999, "name": name, "required": true, "type": inner});
        json!({"type": "struct", "schema-id": 0, "fields": [field]}).to_string()
    };
    assert!(is_refused(&with("schema", named("n".repeat(100_000)).as_bytes())));
    assert!(opened(&with("schema", named("n".to_owned()).as_bytes()), Kept::Entries).is_ok());
    assert!(is_refused(&with("partition-spec", &vec![b' '; SPEC_BYTES_MAX + 1])));
    assert!(is_refused(&with("other", &vec![b' '; HEADER_BYTES_MAX + 1])));
    assert!(opened(&with("other", &vec![b' '; 1000]), Kept::Entries).is_ok());
    let mut endless = [MAGIC, &zigzag(i64::MAX)].concat();
    endless.extend(vec![0; 1000]);
    assert!(is_refused(&endless));
}

#[test]
fn a_value_is_no_larger_than_it_counts() {
    assert!(size_of::<apache_avro::types::Value>() <= values::VALUE_BYTES);
}
