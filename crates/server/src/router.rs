//! Every route, grouped by who calls it, one line each: method, path, operation, handler. Nothing else registers one.

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::{
    app::App,
    op,
    routes::{admin, api, iceberg, oauth, probes},
    routing::{self, Protected, Public, Route},
};

const GET: Method = Method::GET;
const HEAD: Method = Method::HEAD;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// Makes the service.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let (public, protected) = all();
    routing::build(app, public, protected)
}

/// Every route, for `getConfig` and for the tests that go over all of them.
#[must_use]
pub fn routes() -> Vec<Route> {
    let (public, protected) = all();
    routing::list(&public, &protected)
}

fn all() -> (Public, Protected) {
    let protected = administrators(analysts(iceberg_clients(Protected::default())));
    (public(Public::default()), protected)
}

/// Who has no credential yet, and who watches the process. A router of its own: no path decides who may enter.
fn public(routes: Public) -> Public {
    routes
        .on(POST, "/iceberg/v1/oauth/tokens", &op::GET_TOKEN, oauth::get_token)
        .on(GET, "/livez", &op::LIVEZ, probes::livez)
        .on(GET, "/readyz", &op::READYZ, probes::readyz)
}

/// Iceberg clients. `in_warehouse` also serves the path without `{prefix}`: the tenant's default warehouse.
fn iceberg_clients(routes: Protected) -> Protected {
    routes
        .on(GET, "/iceberg/v1/config", &op::GET_CONFIG, iceberg::config::get_config)
        .in_warehouse(GET, "/namespaces", &op::LIST_NAMESPACES, iceberg::namespaces::list_namespaces)
        .in_warehouse(POST, "/namespaces", &op::CREATE_NAMESPACE, iceberg::namespaces::create_namespace)
        .in_warehouse(GET, "/namespaces/{namespace}", &op::LOAD_NAMESPACE_METADATA, iceberg::namespaces::load_namespace_metadata)
        .in_warehouse(HEAD, "/namespaces/{namespace}", &op::NAMESPACE_EXISTS, iceberg::namespaces::namespace_exists)
        .in_warehouse(DELETE, "/namespaces/{namespace}", &op::DROP_NAMESPACE, iceberg::namespaces::drop_namespace)
        .in_warehouse(POST, "/namespaces/{namespace}/properties", &op::UPDATE_PROPERTIES, iceberg::namespaces::update_properties)
        .in_warehouse(GET, "/namespaces/{namespace}/tables", &op::LIST_TABLES, iceberg::tables::list_tables)
        .in_warehouse(POST, "/namespaces/{namespace}/tables", &op::CREATE_TABLE, iceberg::tables::create_table)
        .in_warehouse(GET, "/namespaces/{namespace}/tables/{table}", &op::LOAD_TABLE, iceberg::tables::load_table)
        .in_warehouse(HEAD, "/namespaces/{namespace}/tables/{table}", &op::TABLE_EXISTS, iceberg::tables::table_exists)
        .in_warehouse(POST, "/namespaces/{namespace}/tables/{table}", &op::UPDATE_TABLE, iceberg::tables::update_table)
        .in_warehouse(DELETE, "/namespaces/{namespace}/tables/{table}", &op::DROP_TABLE, iceberg::tables::drop_table)
        .in_warehouse(POST, "/tables/rename", &op::RENAME_TABLE, iceberg::tables::rename_table)
}

/// Analysts and agents.
fn analysts(routes: Protected) -> Protected {
    routes
        .on(POST, "/api/v1/query", &op::QUERY, api::query::query)
        .on(POST, "/api/v1/explain", &op::EXPLAIN, api::query::explain)
}

/// Administrators.
fn administrators(routes: Protected) -> Protected {
    routes
        .on(POST, "/api/v1/admin/tenants", &op::CREATE_TENANT, admin::tenants::create_tenant)
        .on(GET, "/api/v1/admin/tenants", &op::LIST_TENANTS, admin::tenants::list_tenants)
        .on(POST, "/api/v1/admin/warehouses", &op::CREATE_WAREHOUSE, admin::warehouses::create_warehouse)
        .on(GET, "/api/v1/admin/warehouses", &op::LIST_WAREHOUSES, admin::warehouses::list_warehouses)
        .on(GET, "/api/v1/admin/warehouses/{warehouse}", &op::SHOW_WAREHOUSE, admin::warehouses::show_warehouse)
        .on(DELETE, "/api/v1/admin/warehouses/{warehouse}", &op::DELETE_WAREHOUSE, admin::warehouses::delete_warehouse)
        .on(POST, "/api/v1/admin/principals", &op::CREATE_PRINCIPAL, admin::principals::create_principal)
        .on(GET, "/api/v1/admin/principals", &op::LIST_PRINCIPALS, admin::principals::list_principals)
        .on(GET, "/api/v1/admin/principals/{principal}", &op::SHOW_PRINCIPAL, admin::principals::show_principal)
        .on(PATCH, "/api/v1/admin/principals/{principal}", &op::UPDATE_PRINCIPAL, admin::principals::update_principal)
        .on(DELETE, "/api/v1/admin/principals/{principal}", &op::DELETE_PRINCIPAL, admin::principals::delete_principal)
        .on(POST, "/api/v1/admin/keys", &op::CREATE_KEY, admin::keys::create_key)
        .on(GET, "/api/v1/admin/keys", &op::LIST_KEYS, admin::keys::list_keys)
        .on(DELETE, "/api/v1/admin/keys/{key}", &op::REVOKE_KEY, admin::keys::revoke_key)
        .on(POST, "/api/v1/admin/roles", &op::CREATE_ROLE, admin::roles::create_role)
        .on(GET, "/api/v1/admin/roles", &op::LIST_ROLES, admin::roles::list_roles)
        .on(DELETE, "/api/v1/admin/roles/{role}", &op::DELETE_ROLE, admin::roles::delete_role)
        .on(PUT, "/api/v1/admin/roles/{role}/principals/{principal}", &op::ASSIGN_ROLE, admin::roles::assign_role)
        .on(DELETE, "/api/v1/admin/roles/{role}/principals/{principal}", &op::UNASSIGN_ROLE, admin::roles::unassign_role)
        .on(POST, "/api/v1/admin/grants", &op::CREATE_GRANT, admin::grants::create_grant)
        .on(GET, "/api/v1/admin/grants", &op::LIST_GRANTS, admin::grants::list_grants)
        .on(DELETE, "/api/v1/admin/grants/{grant}", &op::DELETE_GRANT, admin::grants::delete_grant)
        .on(POST, "/api/v1/admin/policies", &op::CREATE_POLICY, admin::policies::create_policy)
        .on(GET, "/api/v1/admin/policies", &op::LIST_POLICIES, admin::policies::list_policies)
        .on(GET, "/api/v1/admin/policies/{policy}", &op::SHOW_POLICY, admin::policies::show_policy)
        .on(DELETE, "/api/v1/admin/policies/{policy}", &op::DELETE_POLICY, admin::policies::delete_policy)
        .on(POST, "/api/v1/admin/tables/release", &op::RELEASE_TABLE, admin::tables::release_table)
        .on(GET, "/api/v1/admin/audit", &op::LIST_AUDIT, admin::audit::list_audit)
}
