//! Every operation, one line each. Names are those of the Iceberg specification where it has one.

use polder_policy::AuditClass::{Atomic, Counted, Strict};
use polder_types::Scope;

use super::Op;
use crate::render::Style;

/// Bodies that carry table metadata.
const METADATA_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A form of the token endpoint: two tokens and some words.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// The gateway's own bound on a statement is 64 KiB; JSON may escape every byte of it.
const QUERY_BYTES_MAX: usize = 512 * 1024;

macro_rules! ops {
    ($($name:ident = $op:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: Op = $op;)*
    };
}

ops! {
    GET_TOKEN = Op::new("get_token", None, Counted, Style::OAuth).body(FORM_BYTES_MAX);
    LIVEZ = Op::new("livez", None, Counted, Style::Gateway).body(0);
    SHOW_METRICS = Op::new("show_metrics", None, Counted, Style::Gateway).body(0);
    READYZ = Op::new("readyz", None, Counted, Style::Gateway).body(0);

    GET_CONFIG = Op::iceberg("get_config", Counted);
    LIST_NAMESPACES = Op::iceberg("list_namespaces", Counted);
    CREATE_NAMESPACE = Op::iceberg("create_namespace", Atomic);
    LOAD_NAMESPACE_METADATA = Op::iceberg("load_namespace_metadata", Counted);
    NAMESPACE_EXISTS = Op::iceberg("namespace_exists", Counted);
    DROP_NAMESPACE = Op::iceberg("drop_namespace", Atomic);
    UPDATE_PROPERTIES = Op::iceberg("update_properties", Atomic);
    LIST_TABLES = Op::iceberg("list_tables", Counted);
    CREATE_TABLE = Op::iceberg("create_table", Atomic).body(METADATA_BYTES_MAX).seconds(60);
    LOAD_TABLE = Op::iceberg("load_table", Counted);
    TABLE_EXISTS = Op::iceberg("table_exists", Counted);
    UPDATE_TABLE = Op::iceberg("update_table", Atomic).body(METADATA_BYTES_MAX).seconds(60);
    DROP_TABLE = Op::iceberg("drop_table", Atomic);
    COMMIT_TRANSACTION = Op::iceberg("commit_transaction", Atomic).body(METADATA_BYTES_MAX).seconds(60);
    RENAME_TABLE = Op::iceberg("rename_table", Atomic);

    QUERY = Op::gateway("query", Scope::Query, Strict).body(QUERY_BYTES_MAX).seconds(60);
    EXPLAIN = Op::gateway("explain", Scope::Query, Strict).body(QUERY_BYTES_MAX).seconds(60);

    CREATE_TENANT = Op::gateway("create_tenant", Scope::AdminTenants, Atomic);
    LIST_TENANTS = Op::gateway("list_tenants", Scope::AdminTenants, Counted);
    CREATE_WAREHOUSE = Op::gateway("create_warehouse", Scope::AdminWarehouses, Atomic);
    LIST_WAREHOUSES = Op::gateway("list_warehouses", Scope::AdminWarehouses, Counted);
    SHOW_WAREHOUSE = Op::gateway("show_warehouse", Scope::AdminWarehouses, Counted);
    DELETE_WAREHOUSE = Op::gateway("delete_warehouse", Scope::AdminWarehouses, Atomic);
    CREATE_PRINCIPAL = Op::gateway("create_principal", Scope::AdminAccess, Atomic);
    LIST_PRINCIPALS = Op::gateway("list_principals", Scope::AdminAccess, Counted);
    SHOW_PRINCIPAL = Op::gateway("show_principal", Scope::AdminAccess, Counted);
    UPDATE_PRINCIPAL = Op::gateway("update_principal", Scope::AdminAccess, Atomic);
    DELETE_PRINCIPAL = Op::gateway("delete_principal", Scope::AdminAccess, Atomic);
    CREATE_KEY = Op::gateway("create_key", Scope::AdminAccess, Atomic);
    LIST_KEYS = Op::gateway("list_keys", Scope::AdminAccess, Counted);
    REVOKE_KEY = Op::gateway("revoke_key", Scope::AdminAccess, Atomic);
    CREATE_ROLE = Op::gateway("create_role", Scope::AdminAccess, Atomic);
    LIST_ROLES = Op::gateway("list_roles", Scope::AdminAccess, Counted);
    DELETE_ROLE = Op::gateway("delete_role", Scope::AdminAccess, Atomic);
    ASSIGN_ROLE = Op::gateway("assign_role", Scope::AdminAccess, Atomic);
    UNASSIGN_ROLE = Op::gateway("unassign_role", Scope::AdminAccess, Atomic);
    CREATE_GRANT = Op::gateway("create_grant", Scope::AdminAccess, Atomic);
    LIST_GRANTS = Op::gateway("list_grants", Scope::AdminAccess, Counted);
    DELETE_GRANT = Op::gateway("delete_grant", Scope::AdminAccess, Atomic);
    CREATE_POLICY = Op::gateway("create_policy", Scope::AdminPolicies, Atomic);
    LIST_POLICIES = Op::gateway("list_policies", Scope::AdminPolicies, Counted);
    SHOW_POLICY = Op::gateway("show_policy", Scope::AdminPolicies, Counted);
    DELETE_POLICY = Op::gateway("delete_policy", Scope::AdminPolicies, Atomic);
    RELEASE_TABLE = Op::gateway("release_table", Scope::AdminPolicies, Atomic);
    LIST_AUDIT = Op::gateway("list_audit", Scope::AdminAudit, Counted);
}
