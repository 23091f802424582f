//! Tests of location checks.

use polder_policy::{TenantRef, WarehouseRef};
use polder_types::{ErrorKind, Micros, WarehouseId};
use uuid::Uuid;

use super::*;
use crate::metadata::{Update, apply, create};

fn at(text: &str) -> Location {
    Location::parse(text).unwrap()
}

fn warehouse() -> WarehouseRow {
    WarehouseRow {
        warehouse: WarehouseRef {
            tenant: TenantRef { id: "acme".parse().unwrap() },
            id: WarehouseId(Uuid::nil()),
            name: "lake".parse().unwrap(),
        },
        root: at("file:///srv/t1"),
        allowed_locations: vec![at("file:///mnt/extra")],
        settings_version: 1,
        default: true,
        created_at: Micros(0),
    }
}

fn table(location: &str) -> TableDoc {
    let request: polder_types::rest::CreateTableRequest = serde_json::from_str(
        r#"{"name": "t", "schema": {"type": "struct", "fields": [{"id": 1, "name": "id", "required": true, "type": "long"}]}}"#,
    )
    .unwrap();
    create((&request).into(), Uuid::from_u128(1), &at(location), Micros(0)).unwrap()
}

fn after(updates: &str) -> Result<TableDoc> {
    let raws: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(updates).unwrap();
    apply(Some(&table("file:///srv/t1/orders")), &Update::parse_all(&raws)?, Micros(0))
}

/// A-004, R7, R10: a table lies strictly below a root of its warehouse, compared by segments.
#[test]
fn tables_lie_strictly_below_a_root() {
    let warehouse = warehouse();
    for good in ["file:///srv/t1/orders", "file:/srv/t1/a/b", "file:///mnt/extra/x"] {
        assert!(check_table_location(&warehouse, &at(good)).is_ok(), "{good}");
    }
    for bad in ["file:///srv/t1", "file:///srv/t10/orders", "file:///srv", "file:///mnt/extra", "s3://srv/t1/orders"] {
        assert_eq!(check_table_location(&warehouse, &at(bad)).unwrap_err().code(), "location_not_allowed", "{bad}");
    }
}

/// R4, R9, R10: whatever a commit names lies below the table's own registered location.
#[test]
fn everything_that_a_document_names_lies_below_the_table() {
    let own = at("file:///srv/t1/orders");
    assert!(check_document(&table("file:///srv/t1/orders"), &own).is_ok());
    let property =
        |name: &str, to: &str| format!(r#"[{{"action": "set-properties", "updates": {{"{name}": "{to}"}}}}]"#);
    let good = after(&property("write.data.path", "file:///srv/t1/orders/elsewhere")).unwrap();
    assert!(check_document(&good, &own).is_ok());
    for (name, to) in [
        ("write.data.path", "file:///srv/t1/customers/data"),
        ("write.data.path", "file:///srv/t1/orders2"),
        ("write.metadata.path", "file:///etc"),
        ("write.object-storage.path", "s3://other/x"),
        ("write.folder-storage.path", "file:///srv/t1/orders/../customers"),
        ("write.data.path", "file:///srv/t1/orders"),
    ] {
        let next = after(&property(name, to)).unwrap();
        assert_eq!(check_document(&next, &own).unwrap_err().kind(), ErrorKind::Invalid, "{name} = {to}");
    }
}

/// R10: a manifest list in a neighbour's directory would read what the neighbour's policies protect.
#[test]
fn a_manifest_list_outside_the_table_is_refused() {
    let own = at("file:///srv/t1/orders");
    let snapshot = |list: &str| {
        format!(
            r#"[{{"action": "add-snapshot", "snapshot": {{"snapshot-id": 7, "sequence-number": 1, "timestamp-ms": 1,
            "manifest-list": "{list}", "summary": {{"operation": "append"}}, "schema-id": 0}}}}]"#
        )
    };
    assert!(check_document(&after(&snapshot("file:///srv/t1/orders/metadata/l.avro")).unwrap(), &own).is_ok());
    for list in ["file:///srv/t1/customers/metadata/l.avro", "file:///srv/t1/orders2/l.avro", "/etc/passwd", "l.avro"] {
        assert!(check_document(&after(&snapshot(list)).unwrap(), &own).is_err(), "{list}");
    }
}

/// R9: the catalog's location wins; a commit cannot move a table.
#[test]
fn a_table_cannot_be_moved() {
    let own = at("file:///srv/t1/orders");
    let moved = |to: &str| after(&format!(r#"[{{"action": "set-location", "location": "{to}"}}]"#)).unwrap();
    assert!(check_document(&moved("file:/srv/t1/orders/"), &own).is_ok(), "the same place in another spelling");
    let error = check_document(&moved("file:///srv/t1/customers"), &own).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(check_document(&moved("file:///srv/t1"), &own).is_err());
    assert!(check_document(&moved("file:///srv/t1/orders/inner"), &own).is_err());
}

/// R1: the root is no namespace's, since all lie in it; a further place of the warehouse may be one's.
#[test]
fn the_root_is_no_namespaces_home() {
    let warehouse = warehouse();
    for good in ["file:///srv/t1/n", "file:/srv/t1/a/b", "file:///mnt/extra"] {
        assert!(check_home(&warehouse, good).is_ok(), "{good}");
    }
    for bad in ["file:///srv/t1", "file:///srv/t1/", "file:///srv/t10/n", "file:///srv", "s3://srv/t1/n"] {
        assert_eq!(check_home(&warehouse, bad).unwrap_err().code(), "location_not_allowed", "{bad}");
    }
}
