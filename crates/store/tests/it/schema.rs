//! One version of skew between program and schema, and what is refused.

use polder_store::{Database, Store};
use polder_types::ErrorKind;
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::world::{Home, Who, World};

/// What a migration of a later program would leave behind: it only adds, and notes its version.
const LATER: [&str; 3] = [
    "ALTER TABLE relations ADD COLUMN later TEXT",
    "CREATE TABLE later (tenant_id TEXT NOT NULL PRIMARY KEY)",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     SELECT max(version) + 1, 'later', TRUE, min(checksum), 0 FROM _sqlx_migrations",
];

async fn run(home: &Home, statements: &'static [&'static str]) {
    match &home.database {
        Database::Sqlite(path) => {
            let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
            for text in statements {
                sqlx::query(*text).execute(&mut conn).await.unwrap();
            }
            conn.close().await.unwrap();
        }
        Database::Postgres(url) => {
            let mut conn = PgConnection::connect(url.expose()).await.unwrap();
            for text in statements {
                // `min` of bytes is not everywhere.
                let text = text.replace("min(checksum)", "'\\x00'::bytea");
                sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
            }
            conn.close().await.unwrap();
        }
    }
}

async fn reopened(home: &Home) -> polder_types::Result<Store> {
    World::open(home).await
}

/// F10: a program works beside a schema that is one version ahead, as during a rolling upgrade, and refuses one that is
/// further ahead, saying what to do.
#[tokio::test]
async fn one_version_of_skew_and_no_more() {
    let world = World::new().await;
    let (acme, lake, ns) = world.acme().await;
    acme.table(&ns, "before").await;
    world.store.close().await;
    let World { dir, store, operator } = world;
    let (tenant, key, secret) = (acme.tenant.clone(), acme.key.clone(), acme.secret.clone());
    drop((store, operator, acme));

    run(&dir, &LATER).await;
    let store = reopened(&dir).await.unwrap();
    let acme = Who { store: store.clone(), tenant, key, secret };
    let row = acme.table(&ns, "after").await;
    assert!(matches!(acme.commit(&row, "s3://lake/x", vec![]).await, polder_store::CommitOutcome::Committed(_)));
    assert!(acme.resolve(&ns, "before").await.is_some());
    assert_eq!(row.warehouse.warehouse, lake.warehouse);
    store.close().await;
    drop((store, acme));

    run(&dir, &LATER[2..]).await;
    let error = reopened(&dir).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "database_newer"));
    assert!(error.message().contains("newer program"), "{}", error.message());
}
