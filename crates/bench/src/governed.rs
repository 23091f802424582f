//! Planning in this process, governed and plain, statement by statement in turn.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use polder_catalog::{Catalog, CatalogOptions, OpCtx};
use polder_query::{Gateway, GatewayConfig, QueryRequest};
use polder_store::{RootKey, Store, StoreOptions};
use polder_types::{KeyId, Location, Micros, RequestId, Secret};

use crate::{Result, engine::Engine, subject::TENANT};

/// How long one statement may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The medians of `count` plannings of each statement, governed for the holder of `credential`, and plain.
pub(crate) fn planning(
    data: &Path,
    credential: &str,
    tables: &[String],
    statements: &[(String, String)],
    count: usize,
) -> Result<Vec<(Duration, Duration)>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let engine = Engine::open(&tables).await?;
        let bench = Bench::open(data, credential).await?;
        let mut medians = Vec::new();
        for (governed, plain) in statements {
            let (mut of_governed, mut of_plain) = (Vec::new(), Vec::new());
            for n in 0..count + 10 {
                let plain_time = timed(engine.plan(plain)).await?;
                let governed_time = timed(bench.plan(governed)).await?;
                // The first ones warm caches.
                if n >= 10 {
                    of_governed.push(governed_time);
                    of_plain.push(plain_time);
                }
            }
            medians.push((median(of_governed), median(of_plain)));
        }
        bench.catalog.store().close().await;
        Ok(medians)
    })
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<Duration> {
    let begun = Instant::now();
    work.await?;
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

struct Bench {
    catalog: Catalog,
    gateway: Gateway,
    key: KeyId,
}

impl Bench {
    async fn open(data: &Path, credential: &str) -> Result<Self> {
        let (id, secret) = credential.split_once(':').ok_or("a credential is `id:secret`")?;
        let options = StoreOptions::new(data.join("polder.db"), RootKey::load(&data.join("root.key"))?);
        let store = Store::open(options, now()).await?;
        let key: KeyId = id.parse()?;
        store.verify_key(&key, &Secret::new(secret.to_owned())).await?.ok_or("the credential is not good")?;
        let base = Location::parse(&format!("file://{}", data.join("warehouses").display()))?;
        let options = CatalogOptions { managed_base: Some(base), ..CatalogOptions::default() };
        Ok(Self { catalog: Catalog::new(store, options), gateway: Gateway::new(GatewayConfig::default())?, key })
    }

    /// What a request does between its authentication and the run of its plan.
    async fn plan(&self, sql: &str) -> Result<()> {
        let snapshot = self.catalog.store().policy_snapshot(&TENANT.parse()?).await?.ok_or("no such tenant")?;
        let principal = snapshot.authenticate(&self.key, None, now()).ok_or("the key is not good")?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let request = RequestId(ulid::Ulid::new());
        let ctx = OpCtx::new(self.catalog.clone(), principal, Arc::clone(&snapshot), request, now(), deadline);
        let asked = QueryRequest { sql: sql.to_owned(), max_rows: None, timeout_ms: None, warehouse: None };
        Ok(self.gateway.verify(&ctx, &asked).await?)
    }
}

fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
