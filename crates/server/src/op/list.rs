//! Every operation, one line each. Names are those of the Iceberg specification where it has one.

use polder_policy::actions::*;

use super::Op;
use crate::render::Style;

/// Bodies that carry table metadata.
const METADATA_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A form of the token endpoint: two tokens and some words.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Bodies that carry the definition of a view.
const VIEW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The gateway's own bound on a statement is 64 KiB; JSON may escape every byte of it.
const QUERY_BYTES_MAX: usize = 512 * 1024;

macro_rules! ops {
    ($($name:ident = $op:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: Op = $op;)*
    };
}

ops! {
    GET_TOKEN = Op::open("get_token", Style::OAuth).body(FORM_BYTES_MAX);
    LIVEZ = Op::open("livez", Style::Gateway).body(0);
    SHOW_METRICS = Op::open("show_metrics", Style::Gateway).body(0);
    READYZ = Op::open("readyz", Style::Gateway).body(0);

    GET_CONFIG = Op::iceberg::<GetConfig>("get_config");
    LIST_NAMESPACES = Op::iceberg::<ListRootNamespaces>("list_namespaces");
    CREATE_NAMESPACE = Op::iceberg::<CreateRootNamespace>("create_namespace");
    LOAD_NAMESPACE_METADATA = Op::iceberg::<LoadNamespace>("load_namespace_metadata");
    NAMESPACE_EXISTS = Op::iceberg::<LoadNamespace>("namespace_exists");
    DROP_NAMESPACE = Op::iceberg::<DropNamespace>("drop_namespace");
    UPDATE_PROPERTIES = Op::iceberg::<UpdateNamespace>("update_properties");
    LIST_TABLES = Op::iceberg::<ListTables>("list_tables");
    CREATE_TABLE = Op::iceberg::<CreateTable>("create_table").body(METADATA_BYTES_MAX).seconds(60);
    LOAD_TABLE = Op::iceberg::<LoadTable>("load_table");
    TABLE_EXISTS = Op::iceberg::<TableExists>("table_exists");
    UPDATE_TABLE = Op::iceberg::<CommitTable>("update_table").body(METADATA_BYTES_MAX).seconds(60);
    DROP_TABLE = Op::iceberg::<DropTable>("drop_table");
    REGISTER_TABLE = Op::iceberg::<RegisterTable>("register_table").seconds(60);
    UNREGISTER_TABLE = Op::iceberg::<DropTable>("unregister_table");
    REPORT_METRICS = Op::iceberg::<ReportMetrics>("report_metrics");
    COMMIT_TRANSACTION = Op::iceberg::<CommitTable>("commit_transaction").body(METADATA_BYTES_MAX).seconds(60);
    RENAME_TABLE = Op::iceberg::<RenameTable>("rename_table");
    PLAN_TABLE_SCAN = Op::iceberg::<PlanTable>("plan_table_scan").reading_key();
    FETCH_PLANNING_RESULT = Op::iceberg::<PlanTable>("fetch_planning_result");
    CANCEL_PLANNING = Op::iceberg::<PlanTable>("cancel_planning").reading_key();
    FETCH_SCAN_TASKS = Op::iceberg::<PlanTable>("fetch_scan_tasks").reading_key();
    LIST_VIEWS = Op::iceberg::<ListViews>("list_views");
    CREATE_VIEW = Op::iceberg::<CreateView>("create_view").body(VIEW_BYTES_MAX).seconds(60);
    REGISTER_VIEW = Op::iceberg::<RegisterView>("register_view").seconds(60);
    LOAD_VIEW = Op::iceberg::<LoadView>("load_view");
    VIEW_EXISTS = Op::iceberg::<ViewExists>("view_exists");
    REPLACE_VIEW = Op::iceberg::<ReplaceView>("replace_view").body(VIEW_BYTES_MAX).seconds(60);
    DROP_VIEW = Op::iceberg::<DropView>("drop_view");
    RENAME_VIEW = Op::iceberg::<RenameView>("rename_view");
    LOAD_CREDENTIALS = Op::iceberg::<VendCredentials>("load_credentials");
    SIGN_REQUEST = Op::iceberg::<SignRead>("sign_request");

    QUERY = Op::gateway::<Query>("query").body(QUERY_BYTES_MAX).seconds(60);
    EXPLAIN = Op::gateway::<Query>("explain").body(QUERY_BYTES_MAX).seconds(60);

    CREATE_TENANT = Op::gateway::<ManageTenants>("create_tenant");
    LIST_TENANTS = Op::gateway::<ListTenants>("list_tenants");
    CREATE_WAREHOUSE = Op::gateway::<ManageWarehouses>("create_warehouse");
    LIST_WAREHOUSES = Op::gateway::<ListWarehouses>("list_warehouses");
    SHOW_WAREHOUSE = Op::gateway::<ListWarehouses>("show_warehouse");
    DELETE_WAREHOUSE = Op::gateway::<ManageWarehouses>("delete_warehouse");
    CREATE_PRINCIPAL = Op::gateway::<ManageAccess>("create_principal");
    LIST_PRINCIPALS = Op::gateway::<ListAccess>("list_principals");
    SHOW_PRINCIPAL = Op::gateway::<ListAccess>("show_principal");
    UPDATE_PRINCIPAL = Op::gateway::<ManageAccess>("update_principal");
    DELETE_PRINCIPAL = Op::gateway::<ManageAccess>("delete_principal");
    CREATE_KEY = Op::gateway::<ManageKeys>("create_key");
    LIST_KEYS = Op::gateway::<ListAccess>("list_keys");
    REVOKE_KEY = Op::gateway::<ManageKeys>("revoke_key");
    CREATE_ROLE = Op::gateway::<ManageAccess>("create_role");
    LIST_ROLES = Op::gateway::<ListAccess>("list_roles");
    DELETE_ROLE = Op::gateway::<ManageAccess>("delete_role");
    ASSIGN_ROLE = Op::gateway::<ManageAccess>("assign_role");
    UNASSIGN_ROLE = Op::gateway::<ManageAccess>("unassign_role");
    ALLOW_IMPERSONATION = Op::gateway::<ManageAccess>("allow_impersonation");
    REVOKE_IMPERSONATION = Op::gateway::<ManageAccess>("revoke_impersonation");
    CREATE_GRANT = Op::gateway::<ManageAccess>("create_grant");
    LIST_GRANTS = Op::gateway::<ListAccess>("list_grants");
    DELETE_GRANT = Op::gateway::<ManageAccess>("delete_grant");
    CREATE_POLICY = Op::gateway::<ManagePolicies>("create_policy");
    LIST_POLICIES = Op::gateway::<ListPolicies>("list_policies");
    SHOW_POLICY = Op::gateway::<ListPolicies>("show_policy");
    DELETE_POLICY = Op::gateway::<ManagePolicies>("delete_policy");
    RELEASE_TABLE = Op::gateway::<ReleaseTable>("release_table");
    LIST_JOBS = Op::gateway::<ListJobs>("list_jobs");
    LIST_REPORTS = Op::gateway::<ListReports>("list_reports");
    LIST_AUDIT = Op::gateway::<ReadAudit>("list_audit");
}
