//! Iceberg REST wire types that this build serves (field names of the official OpenAPI document).

mod namespaces;
mod plans;
mod reports;
mod signing;
mod tables;
mod tokens;
mod views;

pub use namespaces::{
    CreateNamespaceRequest, NamespaceResponse, UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
};
pub use plans::{FetchScanTasksRequest, PlanTableScanRequest};
pub use reports::{COMMIT_METRICS, MetricResult, ReportMetricsRequest, SCAN_METRICS};
pub use signing::{RemoteSignMethod, RemoteSignRequest, RemoteSignResult};
pub use tables::{
    CommitTableRequest, CommitTransactionRequest, CreateTableRequest, RegisterTableRequest, RenameTableRequest,
    WireTableIdent,
};
pub use tokens::{TokenErrorBody, TokenResponse};
pub use views::{CommitViewRequest, CreateViewRequest, RegisterViewRequest};
