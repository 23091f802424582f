//! Every route, grouped by who calls it, one line each: method, path, operation, handler. Nothing else registers one.

use std::sync::Arc;

use axum::Router;
use http::Method;

use crate::{
    app::App,
    op,
    routes::{
        admin::{self, audit, grants, jobs, keys, policies, principals, roles, tenants, warehouses},
        api::query as sql,
        iceberg::{access, config, namespaces, plans, reports, tables, transactions, views},
        metrics, oauth, probes,
    },
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
    let public = if app.posture().opens_metrics() {
        public.on(GET, "/metrics", &op::SHOW_METRICS, metrics::show_metrics)
    } else {
        public
    };
    routing::build(app, public, protected)
}

/// Every route but `/metrics`, which is there in some postures only; for `getConfig` and for the tests that go over all of them.
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
        .on(GET, "/iceberg/v1/config", &op::GET_CONFIG, config::get_config)
        .in_warehouse(GET, "/namespaces", &op::LIST_NAMESPACES, namespaces::list_namespaces)
        .in_warehouse(POST, "/namespaces", &op::CREATE_NAMESPACE, namespaces::create_namespace)
        .in_warehouse(GET, "/namespaces/{namespace}", &op::LOAD_NAMESPACE_METADATA, namespaces::load_namespace_metadata)
        .in_warehouse(HEAD, "/namespaces/{namespace}", &op::NAMESPACE_EXISTS, namespaces::namespace_exists)
        .in_warehouse(DELETE, "/namespaces/{namespace}", &op::DROP_NAMESPACE, namespaces::drop_namespace)
        .in_warehouse(POST, "/namespaces/{namespace}/properties", &op::UPDATE_PROPERTIES, namespaces::update_properties)
        .in_warehouse(GET, "/namespaces/{namespace}/tables", &op::LIST_TABLES, tables::list_tables)
        .in_warehouse(POST, "/namespaces/{namespace}/tables", &op::CREATE_TABLE, tables::create_table)
        .in_warehouse(GET, "/namespaces/{namespace}/tables/{table}", &op::LOAD_TABLE, tables::load_table)
        .in_warehouse(HEAD, "/namespaces/{namespace}/tables/{table}", &op::TABLE_EXISTS, tables::table_exists)
        .in_warehouse(POST, "/namespaces/{namespace}/tables/{table}", &op::UPDATE_TABLE, tables::update_table)
        .in_warehouse(DELETE, "/namespaces/{namespace}/tables/{table}", &op::DROP_TABLE, tables::drop_table)
        .in_warehouse(POST, "/namespaces/{namespace}/register", &op::REGISTER_TABLE, tables::register_table)
        .in_warehouse(
            POST,
            "/namespaces/{namespace}/tables/{table}/unregister",
            &op::UNREGISTER_TABLE,
            tables::unregister_table,
        )
        .in_warehouse(
            POST,
            "/namespaces/{namespace}/tables/{table}/metrics",
            &op::REPORT_METRICS,
            reports::report_metrics,
        )
        .in_warehouse(
            GET,
            "/namespaces/{namespace}/tables/{table}/credentials",
            &op::LOAD_CREDENTIALS,
            access::load_credentials,
        )
        .in_warehouse(POST, "/namespaces/{namespace}/tables/{table}/sign", &op::SIGN_REQUEST, access::sign_request)
        .in_warehouse(POST, "/transactions/commit", &op::COMMIT_TRANSACTION, transactions::commit_transaction)
        .in_warehouse(POST, "/tables/rename", &op::RENAME_TABLE, tables::rename_table)
        .in_warehouse(POST, "/namespaces/{namespace}/tables/{table}/plan", &op::PLAN_TABLE_SCAN, plans::plan_table_scan)
        .in_warehouse(
            GET,
            "/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
            &op::FETCH_PLANNING_RESULT,
            plans::fetch_planning_result,
        )
        .in_warehouse(
            DELETE,
            "/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
            &op::CANCEL_PLANNING,
            plans::cancel_planning,
        )
        .in_warehouse(
            POST,
            "/namespaces/{namespace}/tables/{table}/tasks",
            &op::FETCH_SCAN_TASKS,
            plans::fetch_scan_tasks,
        )
        .in_warehouse(GET, "/namespaces/{namespace}/views", &op::LIST_VIEWS, views::list_views)
        .in_warehouse(POST, "/namespaces/{namespace}/views", &op::CREATE_VIEW, views::create_view)
        .in_warehouse(GET, "/namespaces/{namespace}/views/{view}", &op::LOAD_VIEW, views::load_view)
        .in_warehouse(HEAD, "/namespaces/{namespace}/views/{view}", &op::VIEW_EXISTS, views::view_exists)
        .in_warehouse(POST, "/namespaces/{namespace}/views/{view}", &op::REPLACE_VIEW, views::replace_view)
        .in_warehouse(DELETE, "/namespaces/{namespace}/views/{view}", &op::DROP_VIEW, views::drop_view)
        .in_warehouse(POST, "/namespaces/{namespace}/register-view", &op::REGISTER_VIEW, views::register_view)
        .in_warehouse(POST, "/views/rename", &op::RENAME_VIEW, views::rename_view)
}

/// Analysts and agents.
fn analysts(routes: Protected) -> Protected {
    routes.on(POST, "/api/v1/query", &op::QUERY, sql::query).on(POST, "/api/v1/explain", &op::EXPLAIN, sql::explain)
}

/// Administrators.
fn administrators(routes: Protected) -> Protected {
    routes
        .on(POST, "/api/v1/admin/tenants", &op::CREATE_TENANT, tenants::create_tenant)
        .on(GET, "/api/v1/admin/tenants", &op::LIST_TENANTS, tenants::list_tenants)
        .on(POST, "/api/v1/admin/warehouses", &op::CREATE_WAREHOUSE, warehouses::create_warehouse)
        .on(GET, "/api/v1/admin/warehouses", &op::LIST_WAREHOUSES, warehouses::list_warehouses)
        .on(GET, "/api/v1/admin/warehouses/{warehouse}", &op::SHOW_WAREHOUSE, warehouses::show_warehouse)
        .on(DELETE, "/api/v1/admin/warehouses/{warehouse}", &op::DELETE_WAREHOUSE, warehouses::delete_warehouse)
        .on(POST, "/api/v1/admin/principals", &op::CREATE_PRINCIPAL, principals::create_principal)
        .on(GET, "/api/v1/admin/principals", &op::LIST_PRINCIPALS, principals::list_principals)
        .on(GET, "/api/v1/admin/principals/{principal}", &op::SHOW_PRINCIPAL, principals::show_principal)
        .on(PATCH, "/api/v1/admin/principals/{principal}", &op::UPDATE_PRINCIPAL, principals::update_principal)
        .on(DELETE, "/api/v1/admin/principals/{principal}", &op::DELETE_PRINCIPAL, principals::delete_principal)
        .on(POST, "/api/v1/admin/keys", &op::CREATE_KEY, keys::create_key)
        .on(GET, "/api/v1/admin/keys", &op::LIST_KEYS, keys::list_keys)
        .on(DELETE, "/api/v1/admin/keys/{key}", &op::REVOKE_KEY, keys::revoke_key)
        .on(POST, "/api/v1/admin/roles", &op::CREATE_ROLE, roles::create_role)
        .on(GET, "/api/v1/admin/roles", &op::LIST_ROLES, roles::list_roles)
        .on(DELETE, "/api/v1/admin/roles/{role}", &op::DELETE_ROLE, roles::delete_role)
        .on(PUT, "/api/v1/admin/roles/{role}/principals/{principal}", &op::ASSIGN_ROLE, roles::assign_role)
        .on(DELETE, "/api/v1/admin/roles/{role}/principals/{principal}", &op::UNASSIGN_ROLE, roles::unassign_role)
        .on(
            PUT,
            "/api/v1/admin/roles/{role}/impersonates/{subject}",
            &op::ALLOW_IMPERSONATION,
            roles::allow_impersonation,
        )
        .on(
            DELETE,
            "/api/v1/admin/roles/{role}/impersonates/{subject}",
            &op::REVOKE_IMPERSONATION,
            roles::revoke_impersonation,
        )
        .on(POST, "/api/v1/admin/grants", &op::CREATE_GRANT, grants::create_grant)
        .on(GET, "/api/v1/admin/grants", &op::LIST_GRANTS, grants::list_grants)
        .on(DELETE, "/api/v1/admin/grants/{grant}", &op::DELETE_GRANT, grants::delete_grant)
        .on(POST, "/api/v1/admin/policies", &op::CREATE_POLICY, policies::create_policy)
        .on(GET, "/api/v1/admin/policies", &op::LIST_POLICIES, policies::list_policies)
        .on(GET, "/api/v1/admin/policies/{policy}", &op::SHOW_POLICY, policies::show_policy)
        .on(DELETE, "/api/v1/admin/policies/{policy}", &op::DELETE_POLICY, policies::delete_policy)
        .on(POST, "/api/v1/admin/tables/release", &op::RELEASE_TABLE, admin::tables::release_table)
        .on(GET, "/api/v1/admin/jobs", &op::LIST_JOBS, jobs::list_jobs)
        .on(GET, "/api/v1/admin/reports", &op::LIST_REPORTS, admin::reports::list_reports)
        .on(GET, "/api/v1/admin/audit", &op::LIST_AUDIT, audit::list_audit)
}
