//! Actions as types: a permit for one cannot be used for another.

use polder_types::Scope;

use crate::{NamespaceRef, Privilege, Resource, TableRef, TenantRef, ViewRef, WarehouseRef};

/// How an action is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditClass {
    /// In the mutation's own transaction.
    Atomic,
    /// Durable before anything is released.
    Strict,
    /// Counted in memory, exact, flushed within 10 s.
    Counted,
}

/// What an action does with a row filter, mask or hidden column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObligationMode {
    /// It cannot enforce them: a restricted principal is refused.
    Refuse,
    /// It enforces them.
    Enforce,
    /// It shows nothing that they protect (list, exists, drop, rename).
    Indifferent,
}

/// Something that a principal may be permitted to do with a resource.
pub trait Action: Send + Sync + 'static {
    /// What it is done to.
    type Resource: Resource;
    /// The name in audit records, snake case.
    const NAME: &'static str;
    /// The privilege it needs on the resource.
    const PRIVILEGE: Privilege;
    /// The scope the credential must hold.
    const SCOPE: Scope;
    /// How it is recorded.
    const AUDIT: AuditClass;
    /// What it does with restrictions.
    const OBLIGATIONS: ObligationMode = ObligationMode::Refuse;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident($resource:ty) = $text:literal, $privilege:ident, $scope:ident, $audit:ident, $obligations:ident;)*) => {
        /// Every action, one type each.
        pub mod actions {
            use super::*;
            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Action for $name {
                    type Resource = $resource;
                    const NAME: &'static str = $text;
                    const PRIVILEGE: Privilege = Privilege::$privilege;
                    const SCOPE: Scope = Scope::$scope;
                    const AUDIT: AuditClass = AuditClass::$audit;
                    const OBLIGATIONS: ObligationMode = ObligationMode::$obligations;
                }
            )*

            /// (name, privilege, audit class) of every action, for the documentation and its tests.
            pub const TABLE: &[(&str, Privilege, AuditClass, ObligationMode)] = &[
                $(($text, Privilege::$privilege, AuditClass::$audit, ObligationMode::$obligations),)*
            ];
        }
    };
}

actions! {
    /// `getConfig` of a warehouse.
    GetConfig(WarehouseRef) = "get_config", List, Catalog, Counted, Indifferent;
    /// `listNamespaces` at the root of a warehouse.
    ListRootNamespaces(WarehouseRef) = "list_namespaces", List, Catalog, Counted, Indifferent;
    /// `listNamespaces` below a parent.
    ListNamespaces(NamespaceRef) = "list_namespaces", List, Catalog, Counted, Indifferent;
    /// `createNamespace` at the root of a warehouse.
    CreateRootNamespace(WarehouseRef) = "create_namespace", Create, Catalog, Atomic, Indifferent;
    /// `createNamespace` below a parent.
    CreateNamespace(NamespaceRef) = "create_namespace", Create, Catalog, Atomic, Indifferent;
    /// `loadNamespaceMetadata`, `namespaceExists`.
    LoadNamespace(NamespaceRef) = "load_namespace", List, Catalog, Counted, Indifferent;
    /// `updateProperties` of a namespace.
    UpdateNamespace(NamespaceRef) = "update_namespace", Write, Catalog, Atomic, Indifferent;
    /// `dropNamespace`.
    DropNamespace(NamespaceRef) = "drop_namespace", Drop, Catalog, Atomic, Indifferent;
    /// `listTables`.
    ListTables(NamespaceRef) = "list_tables", List, Catalog, Counted, Indifferent;
    /// `createTable` (staged too).
    CreateTable(NamespaceRef) = "create_table", Create, Catalog, Atomic, Indifferent;
    /// `registerTable`, by what is told of the namespace; what is told of the table is `LoadTable`'s.
    RegisterTable(NamespaceRef) = "register_table", Create, Catalog, Atomic, Indifferent;
    /// The destination of `renameTable`.
    RenameInto(NamespaceRef) = "rename_into", Create, Catalog, Atomic, Indifferent;
    /// `loadTable`.
    LoadTable(TableRef) = "load_table", Read, Catalog, Counted, Refuse;
    /// `planTableScan`, `fetchPlanningResult`, `cancelPlanning`, `fetchScanTasks`.
    PlanTable(TableRef) = "plan_table", Read, Catalog, Counted, Refuse;
    /// `tableExists`.
    TableExists(TableRef) = "table_exists", List, Catalog, Counted, Indifferent;
    /// `updateTable`, `commitTransaction`.
    CommitTable(TableRef) = "commit_table", Write, Catalog, Atomic, Refuse;
    /// `dropTable`.
    DropTable(TableRef) = "drop_table", Drop, Catalog, Atomic, Indifferent;
    /// The source of `renameTable`.
    RenameTable(TableRef) = "rename_table", Drop, Catalog, Atomic, Indifferent;
    /// `reportMetrics`.
    ReportMetrics(TableRef) = "report_metrics", Read, Catalog, Counted, Refuse;
    /// `listViews`.
    ListViews(NamespaceRef) = "list_views", List, Catalog, Counted, Indifferent;
    /// `createView`.
    CreateView(NamespaceRef) = "create_view", Create, Catalog, Atomic, Indifferent;
    /// `registerView`.
    RegisterView(NamespaceRef) = "register_view", Create, Catalog, Atomic, Indifferent;
    /// `loadView`; also a view that a table is loaded through (`referenced-by`).
    LoadView(ViewRef) = "load_view", Read, Catalog, Counted, Refuse;
    /// `viewExists`.
    ViewExists(ViewRef) = "view_exists", List, Catalog, Counted, Indifferent;
    /// `replaceView`.
    ReplaceView(ViewRef) = "replace_view", Write, Catalog, Atomic, Refuse;
    /// `dropView`.
    DropView(ViewRef) = "drop_view", Drop, Catalog, Atomic, Indifferent;
    /// The source of `renameView`.
    RenameView(ViewRef) = "rename_view", Drop, Catalog, Atomic, Indifferent;
    /// Keys for the table's files, to read them: `loadCredentials`, delegation on load and create.
    VendCredentials(TableRef) = "vend_credentials", Read, Catalog, Strict, Refuse;
    /// Keys for the table's files, to write them too.
    VendWriteCredentials(TableRef) = "vend_credentials", Write, Catalog, Strict, Refuse;
    /// `signRequest` of a read.
    SignRead(TableRef) = "sign_request", Read, Catalog, Strict, Refuse;
    /// `signRequest` of a write or deletion.
    SignWrite(TableRef) = "sign_request", Write, Catalog, Strict, Refuse;
    /// `query` and `explain` over a table.
    QueryTable(TableRef) = "query_table", Read, Query, Strict, Enforce;
    /// A query as a whole; every principal of the tenant may ask, each table is authorized by itself.
    Query(TenantRef) = "query", List, Query, Strict, Indifferent;
    /// Releases a quarantined table.
    ReleaseTable(TableRef) = "release_table", ManagePolicies, AdminPolicies, Atomic, Indifferent;
    /// Creates a tenant.
    ManageTenants(TenantRef) = "manage_tenants", ManageTenants, AdminTenants, Atomic, Indifferent;
    /// Lists tenants.
    ListTenants(TenantRef) = "list_tenants", ManageTenants, AdminTenants, Counted, Indifferent;
    /// Creates or deletes a warehouse.
    ManageWarehouses(TenantRef) = "manage_warehouses", ManageWarehouses, AdminWarehouses, Atomic, Indifferent;
    /// Lists warehouses.
    ListWarehouses(TenantRef) = "list_warehouses", ManageWarehouses, AdminWarehouses, Counted, Indifferent;
    /// Creates or changes principals, roles and grants.
    ManageAccess(TenantRef) = "manage_access", ManageAccess, AdminAccess, Atomic, Indifferent;
    /// Creates or revokes an API key; a new one is shown once, after its record is durable.
    ManageKeys(TenantRef) = "manage_keys", ManageAccess, AdminAccess, Atomic, Indifferent;
    /// Lists principals, keys, roles and grants.
    ListAccess(TenantRef) = "list_access", ManageAccess, AdminAccess, Counted, Indifferent;
    /// Creates or deletes a policy.
    ManagePolicies(TenantRef) = "manage_policies", ManagePolicies, AdminPolicies, Atomic, Indifferent;
    /// Lists or shows policies.
    ListPolicies(TenantRef) = "list_policies", ManagePolicies, AdminPolicies, Counted, Indifferent;
    /// Lists jobs.
    ListJobs(TenantRef) = "list_jobs", ManageWarehouses, AdminWarehouses, Counted, Indifferent;
    /// Lists what clients reported of their scans and commits, which says who read what.
    ListReports(TenantRef) = "list_reports", ReadAudit, AdminAudit, Counted, Indifferent;
    /// Reads audit records.
    ReadAudit(TenantRef) = "read_audit", ReadAudit, AdminAudit, Counted, Indifferent;
}
