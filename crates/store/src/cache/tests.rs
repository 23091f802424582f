use polder_policy::{TenantRef, WarehouseRef};
use polder_types::{Location, Micros, NamespaceId, RelationId};
use uuid::Uuid;

use super::*;

fn row(name: &str) -> Arc<TableRow> {
    let tenant = TenantRef { id: "acme".parse().unwrap() };
    let warehouse = WarehouseRef { tenant, id: WarehouseId(Uuid::nil()), name: "lake".parse().unwrap() };
    let namespace = NamespaceRef {
        warehouse: warehouse.clone(),
        chain: [NamespaceId(Uuid::nil())].into(),
        name: Namespace::new(vec!["sales".to_owned()]).unwrap(),
    };
    let root = Location::parse("file:///lake").unwrap();
    let settings = WarehouseRow {
        warehouse,
        root: root.clone(),
        allowed_locations: Vec::new(),
        settings_version: 1,
        default: true,
        created_at: Micros(0),
    };
    Arc::new(TableRow {
        table: TableRef {
            namespace,
            id: RelationId(Uuid::from_u128(u128::from(name.as_bytes()[0]))),
            name: name.into(),
            quarantined: false,
        },
        warehouse: Arc::new(settings),
        location: root.join(name).unwrap(),
        metadata_location: String::new(),
        table_uuid: Uuid::nil(),
        version: 1,
    })
}

fn kept(caches: &Caches, row: &Arc<TableRow>) -> bool {
    caches.table(&table_key(&row.table)).is_some()
}

fn read(caches: &Caches, row: &Arc<TableRow>) {
    let key = table_key(&row.table);
    caches.fill_table(caches.seen(&key), key, row.clone());
}

/// Nobody may see one table as it is after a transaction and then another, kept, as it was before.
#[test]
fn tables_of_one_transaction_are_not_kept_while_it_commits() {
    let (caches, rows) = (Caches::new(false), [row("a"), row("b")]);
    rows.iter().for_each(|row| read(&caches, row));
    assert!(rows.iter().all(|row| kept(&caches, row)));
    let changes = || rows.iter().map(|row| Change::Table(row.clone())).collect::<Vec<_>>();
    let withdrawn = caches.withdraw(&changes());
    rows.iter().for_each(|row| read(&caches, row));
    assert!(!rows.iter().any(|row| kept(&caches, row)), "what is read now may be what was before");
    caches.publish(changes());
    caches.release(withdrawn);
    assert!(rows.iter().all(|row| kept(&caches, row)));
    // One that was rolled back leaves them to be read again.
    let withdrawn = caches.withdraw(&changes());
    caches.release(withdrawn);
    assert!(!rows.iter().any(|row| kept(&caches, row)));
    rows.iter().for_each(|row| read(&caches, row));
    assert!(rows.iter().all(|row| kept(&caches, row)));
}

/// A transaction of one table takes nothing away from its readers.
#[test]
fn one_table_is_kept_while_it_commits() {
    let (caches, row) = (Caches::new(false), row("a"));
    read(&caches, &row);
    let withdrawn = caches.withdraw(&[Change::Table(row.clone())]);
    assert!(kept(&caches, &row));
    caches.release(withdrawn);
}
