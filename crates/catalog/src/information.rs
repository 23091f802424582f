//! What a principal can see, for the gateway's own information: every visible table of a warehouse, bounded.

use std::collections::VecDeque;

use polder_store::PageRequest;
use polder_types::{ErrorKind, Namespace, Result, TableIdent, WarehouseName};

use crate::{OpCtx, namespaces, tables};

/// Most namespaces that are looked into.
const NAMESPACES_MAX: usize = 10_000;

/// The visible part of a warehouse.
#[derive(Clone, Debug, Default)]
pub struct VisibleTables {
    /// The namespaces, each after its parent.
    pub namespaces: Vec<Namespace>,
    /// The tables.
    pub tables: Vec<TableIdent>,
    /// True if there are more than were asked for.
    pub truncated: bool,
}

/// Lists the namespaces and tables of a warehouse that the caller may know, at most `tables_max` tables.
///
/// # Errors
/// `NotFound` if the warehouse does not exist or the caller may not know it.
pub async fn visible_tables(ctx: &OpCtx, warehouse: &WarehouseName, tables_max: usize) -> Result<VisibleTables> {
    let mut seen = VisibleTables::default();
    let all = PageRequest { token: None, rows: None };
    let mut waiting: VecDeque<Namespace> = namespaces::list(ctx, warehouse, None, &all).await?.items.into();
    while let Some(namespace) = waiting.pop_front() {
        if seen.namespaces.len() == NAMESPACES_MAX || seen.tables.len() >= tables_max {
            seen.truncated = true;
            break;
        }
        let (inner, found) = match inside(ctx, warehouse, &namespace, &all).await {
            Ok(both) => both,
            // Dropped since it was listed: a list never fails for that (F6).
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        seen.namespaces.push(namespace);
        waiting.extend(inner);
        seen.tables.extend(found);
    }
    seen.truncated |= seen.tables.len() > tables_max;
    seen.tables.truncate(tables_max);
    Ok(seen)
}

async fn inside(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    namespace: &Namespace,
    all: &PageRequest,
) -> Result<(Vec<Namespace>, Vec<TableIdent>)> {
    let inner = namespaces::list(ctx, warehouse, Some(namespace), all).await?;
    let found = tables::list(ctx, warehouse, namespace, all).await?;
    Ok((inner.items, found.items.into_iter().map(|entry| entry.ident).collect()))
}
