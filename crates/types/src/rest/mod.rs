//! Iceberg REST wire types that this build serves (field names of the official OpenAPI document).

mod namespaces;
mod plans;
mod tables;
mod tokens;

pub use namespaces::{
    CreateNamespaceRequest, NamespaceResponse, UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
};
pub use plans::{FetchScanTasksRequest, PlanTableScanRequest};
pub use tables::{
    CommitTableRequest, CommitTransactionRequest, CreateTableRequest, RenameTableRequest, WireTableIdent,
};
pub use tokens::{TokenErrorBody, TokenResponse};
