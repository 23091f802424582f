//! Access to a table's files over HTTP: keys and signatures. Extract, call, render. Decides nothing. Every answer that
//! holds a key or a signature says that nobody may keep it.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use polder_catalog::{
    OpCtx,
    credentials::{self, Delegation, TableAccess},
    scans, sign_request as sign,
    tables::LoadedTable,
    views,
};
use polder_types::{ErrorKind, Result, TableIdent, WarehouseName};
use serde::Deserialize;
use uuid::Uuid;

use super::{chain, table, warehouse};
use crate::{
    call::Call,
    render::{self, Delegated},
};

/// The header by which clients say what they can work with.
const HEADER: &str = "x-iceberg-access-delegation";

/// What the client of a request can work with.
pub(crate) fn wanted(headers: &HeaderMap) -> Delegation {
    Delegation::parse(headers.get_all(HEADER).into_iter().filter_map(|value| value.to_str().ok()))
}

/// The access that goes with the document of a loaded table.
pub(crate) async fn delegate(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    table_uuid: Uuid,
    wanted: Delegation,
) -> Result<Option<Delegated>> {
    let access = credentials::delegate(ctx, warehouse, ident, table_uuid, wanted).await?;
    Ok(access.map(|access| Delegated { access, endpoints: Endpoints::of(warehouse, ident) }))
}

/// Answers with a table that was made, registered or staged, and the access that goes with it.
///
/// What was made is there, whatever becomes of the access: the client may ask for it again. A staged table is not.
pub(crate) async fn made(
    ctx: &OpCtx,
    warehouse: &WarehouseName,
    ident: &TableIdent,
    made: LoadedTable,
    wanted: Delegation,
) -> Result<Response> {
    let staged = made.metadata_location.is_none();
    let access = match staged {
        true => credentials::delegate_staged(ctx, warehouse, ident, &made, wanted).await,
        false => credentials::delegate(ctx, warehouse, ident, made.table_uuid, wanted).await,
    };
    let access = match access {
        Ok(access) => access,
        Err(error) if staged && error.kind() == ErrorKind::Unavailable => return Err(error),
        Err(error) => {
            tracing::warn!(request_id = %ctx.request_id(), code = error.code(), "a new table goes out without access");
            None
        }
    };
    let delegated = access.map(|access| Delegated { access, endpoints: Endpoints::of(warehouse, ident) });
    render::delegated_table(made, delegated)
}

#[derive(Deserialize)]
struct CredentialsQuery {
    #[serde(rename = "planId")]
    plan_id: Option<String>,
}

/// Answers with keys for a table's files (`loadCredentials`). Keys are the table's; a plan that they are for has to be one
/// that the caller may still ask about.
pub(crate) async fn load_credentials(ctx: OpCtx, call: Call) -> Result<Response> {
    let CredentialsQuery { plan_id } = call.query()?;
    let through = chain::referenced_by(&call)?;
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    views::may_load_through(&ctx, &warehouse, &through).await?;
    if let Some(plan) = plan_id {
        let opened = scans::open(&ctx, &warehouse, &ident).await?;
        call.app().gateway().check_plan(&ctx, &opened, &plan)?;
    }
    let found = credentials::load_credentials(&ctx, &warehouse, &ident).await?;
    let access = Delegated { access: TableAccess::Credentials(found), endpoints: Endpoints::of(&warehouse, &ident) };
    render::credentials(&access)
}

/// Signs a request to the table's object store (`signRequest`).
pub(crate) async fn sign_request(ctx: OpCtx, call: Call) -> Result<Response> {
    let (warehouse, ident) = (warehouse(&ctx, &call).await?, table(&call)?);
    let signed = sign(&ctx, &warehouse, &ident, call.json().await?).await?;
    render::secret_json(StatusCode::OK, &signed)
}

/// Where clients of a table ask again; relative to the catalog's URI.
pub(crate) struct Endpoints {
    /// `loadCredentials`.
    pub(crate) credentials: String,
    /// `signRequest`.
    pub(crate) sign: String,
}

impl Endpoints {
    fn of(warehouse: &WarehouseName, ident: &TableIdent) -> Self {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, ENCODED).to_string();
        let (namespace, name) = (encode(&ident.namespace.key()), encode(&ident.name));
        let table = format!("v1/{}/namespaces/{namespace}/tables/{name}", encode(warehouse.as_str()));
        Self { credentials: format!("{table}/credentials"), sign: format!("{table}/sign") }
    }
}

/// Names may hold anything; what RFC 3986 does not reserve stays.
const ENCODED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[cfg(test)]
mod tests;
