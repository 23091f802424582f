//! From the names of a statement to governed sources, each authorized for the caller: the one file of the gateway that
//! knows the catalog.
//!
//! What does not resolve is simply not there: absent, invisible and blocked tables leave no trace that could tell them
//! apart (R22). How names resolve: docs/decisions/0005.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use polder_catalog::{OpCtx, tables, visible_tables};
use polder_policy::{Applied, DenialReason, Rule, actions};
use polder_types::{Error, ErrorKind, Namespace, TableIdent, WarehouseName};

use crate::{
    answer::{PolicyApplied, ProvenanceTable},
    gate::RelationName,
    govern::{GovernedTable, Source, TableKey},
    information::{self, Described, INFORMATION_SCHEMA},
    memory::MemorySource,
    scan::{GovernedSource, QueryLocal, TableCache},
};

/// Most tables that `information_schema` tells about.
const DESCRIBED_TABLES_MAX: usize = 1000;
/// Most names of a statement that are looked up at once: each may hold a connection.
const RESOLVED_AT_ONCE: usize = 4;

/// A table of the statement, with what the answer says about it.
pub(crate) struct ResolvedTable {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) key: TableKey,
    /// `None` for the gateway's own tables.
    pub(crate) provenance: Option<ProvenanceTable>,
    pub(crate) policies: Vec<PolicyApplied>,
}

/// What a name stands for, before anybody has looked at the table's directory.
pub(crate) enum Located {
    /// A table of the catalog.
    Table(Box<tables::FoundTable>),
    /// One of the gateway's own.
    Own(ResolvedTable),
}

/// The names of a statement that stand for something.
pub(crate) struct Resolved {
    pub(crate) names: HashMap<RelationName, Arc<ResolvedTable>>,
}

impl Resolved {
    /// The tables as the planner sees them, for one query.
    pub(crate) fn governed(
        &self,
        query: &Arc<QueryLocal>,
        partitions: usize,
    ) -> HashMap<RelationName, Arc<GovernedTable>> {
        let govern = |table: &ResolvedTable| {
            GovernedTable::new(table.key.clone(), table.source.clone(), query.clone(), partitions)
        };
        self.names.iter().map(|(name, table)| (name.clone(), Arc::new(govern(table)))).collect()
    }

    /// The tables by key.
    pub(crate) fn by_key(&self) -> BTreeMap<&TableKey, &ResolvedTable> {
        self.names.values().map(|table| (&table.key, table.as_ref())).collect()
    }
}

/// Resolves names for the caller. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(crate) ctx: OpCtx,
    pub(crate) cache: TableCache,
    /// The warehouse of the request; the tenant's default one if absent.
    pub(crate) warehouse: Option<WarehouseName>,
}

/// The search for the names of a statement. It goes on wherever it is polled.
pub(crate) type Locating = BoxFuture<'static, Result<Vec<(RelationName, Located)>, Error>>;

impl Resolver {
    /// Finds every name that stands for something the caller may read.
    ///
    /// # Errors
    /// What the catalog cannot answer now.
    pub(crate) fn locate(&self, names: Vec<RelationName>) -> Locating {
        let resolver = self.clone();
        Box::pin(async move {
            // Side by side, in their order: each may ask the database.
            let lookups: Vec<_> = names.iter().map(|name| resolver.table(name)).collect();
            let tables: Vec<_> = stream::iter(lookups).buffered(RESOLVED_AT_ONCE).try_collect().await?;
            Ok(names.into_iter().zip(tables).filter_map(|(name, table)| Some((name, table?))).collect())
        })
    }

    /// Looks at the tables' directories and puts the caller's policy over each. Blocks.
    ///
    /// # Errors
    /// `Unsupported` for a table that this build cannot read; `Invalid` for a directory that is a symbolic link.
    pub(crate) fn govern(&self, located: Vec<(RelationName, Located)>) -> Result<Resolved, Error> {
        let mut names = HashMap::with_capacity(located.len());
        for (name, located) in located {
            let table = match located {
                Located::Table(found) => govern(&self.cache, &found.placed_here()?)?,
                Located::Own(table) => table,
            };
            names.insert(name, Arc::new(table));
        }
        Ok(Resolved { names })
    }

    async fn table(&self, name: &RelationName) -> Result<Option<Located>, Error> {
        let Some((warehouse, path)) = self.place(name).await? else { return Ok(None) };
        if let [schema, table] = path
            && schema == INFORMATION_SCHEMA
        {
            // Seldom asked for, and large: the state of no other search holds it.
            return Ok(Box::pin(self.information(warehouse.as_ref(), table)).await?.map(Located::Own));
        }
        // A name that cannot be one of ours names nothing.
        let Some(ident) = ident(path) else { return Ok(None) };
        match tables::for_query(&self.ctx, warehouse.as_ref(), &ident).await {
            Ok(table) => Ok(Some(Located::Table(Box::new(table)))),
            // SECURITY: what may be known but not read is told apart from nothing at the other doors only (R22).
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The warehouse and the path in it that a name stands for.
    async fn place<'n>(&self, name: &'n [String]) -> Result<Option<(Option<WarehouseName>, &'n [String])>, Error> {
        let [first, rest @ ..] = name else { return Ok(None) };
        if rest.is_empty() {
            return Ok(None);
        }
        if rest.len() > 1
            && let Ok(warehouse) = first.parse::<WarehouseName>()
            && self.sees(&warehouse).await?
        {
            return Ok(Some((Some(warehouse), rest)));
        }
        Ok(Some((self.warehouse.clone(), name)))
    }

    async fn sees(&self, warehouse: &WarehouseName) -> Result<bool, Error> {
        let store = self.ctx.catalog().store();
        let Some(row) = store.resolve_warehouse(self.ctx.tenant(), warehouse).await? else { return Ok(false) };
        let decision =
            polder_policy::authorize(self.ctx.snapshot(), self.ctx.principal(), actions::GetConfig, &row.warehouse);
        // A credential for queries only lacks the scope of the other doors; its holder may still know the warehouse.
        Ok(!matches!(decision, Err(denial) if denial.reason == DenialReason::Invisible))
    }

    /// One of the tables about tables.
    async fn information(
        &self,
        warehouse: Option<&WarehouseName>,
        table: &str,
    ) -> Result<Option<ResolvedTable>, Error> {
        let batch = match table {
            "tables" => information::tables(&self.described(warehouse, false).await?)?,
            "columns" => information::columns(&self.described(warehouse, true).await?)?,
            _ => return Ok(None),
        };
        Ok(Some(ResolvedTable {
            source: Arc::new(MemorySource::new(batch)),
            key: TableKey(format!("{INFORMATION_SCHEMA}.{table}").into()),
            provenance: None,
            policies: Vec::new(),
        }))
    }

    /// The tables of a warehouse that the caller may see, with their columns if wanted.
    ///
    /// # Errors
    /// What the catalog cannot answer now; `Forbidden` if the credential does not reach lists.
    pub(crate) async fn described(
        &self,
        warehouse: Option<&WarehouseName>,
        with_columns: bool,
    ) -> Result<Vec<Described>, Error> {
        let store = self.ctx.catalog().store();
        let row = match warehouse {
            Some(name) => store.resolve_warehouse(self.ctx.tenant(), name).await?,
            None => self.ctx.default_warehouse().await?,
        };
        let Some(row) = row else { return Ok(Vec::new()) };
        let name = row.warehouse.name.clone();
        let visible = match visible_tables(&self.ctx, &name, DESCRIBED_TABLES_MAX).await {
            Ok(visible) => visible,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut described = Vec::with_capacity(visible.tables.len());
        for ident in visible.tables {
            let columns = if with_columns { self.columns(&name, &ident).await? } else { None };
            described.push(Described { warehouse: name.to_string(), ident, columns });
        }
        Ok(described)
    }

    async fn columns(
        &self,
        warehouse: &WarehouseName,
        ident: &TableIdent,
    ) -> Result<Option<(datafusion::arrow::datatypes::SchemaRef, Vec<bool>)>, Error> {
        let table = async { tables::for_query(&self.ctx, Some(warehouse), ident).await?.placed().await };
        match table.await.and_then(|table| govern(&self.cache, &table)) {
            Ok(table) => {
                let schema = table.source.schema();
                let masked = (0..schema.fields().len()).map(|column| table.source.masked(column)).collect();
                Ok(Some((schema, masked)))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Unsupported) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn ident(path: &[String]) -> Option<TableIdent> {
    let (name, namespace) = path.split_last()?;
    TableIdent::new(Namespace::new(namespace.to_vec()).ok()?, name.clone()).ok()
}

/// Puts the caller's policy over an authorized table.
fn govern(cache: &TableCache, table: &tables::QueryTable) -> Result<ResolvedTable, Error> {
    let source = GovernedSource::open(cache, table, None)?;
    let place = &table.row.table;
    let name = format!("{}.{}", place.namespace.warehouse.name, place.ident());
    let applied = table.permit.obligations().map(|obligations| obligations.applied.as_slice()).unwrap_or_default();
    let mut policies: Vec<PolicyApplied> = applied.iter().map(|policy| policy_applied(policy, &name)).collect();
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ResolvedTable {
        key: TableKey(name.as_str().into()),
        provenance: Some(ProvenanceTable {
            warehouse: place.namespace.warehouse.name.clone(),
            namespace: place.namespace.name.levels().to_vec(),
            name: place.name.as_ref().to_owned(),
            table_id: place.id,
            snapshot_id: source.snapshot_id(),
        }),
        policies,
        source: Arc::new(source),
    })
}

fn policy_applied(applied: &Applied, table: &str) -> PolicyApplied {
    let column = match &applied.rule {
        Rule::Mask { column, .. } => Some(column.join(".")),
        // A hidden column does not exist for the caller, so it is not named.
        Rule::RowFilter(_) | Rule::Hide { .. } => None,
    };
    PolicyApplied {
        id: applied.id,
        name: applied.name.clone(),
        kind: applied.rule.kind(),
        table: table.to_owned(),
        column,
    }
}
