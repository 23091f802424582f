//! Iceberg REST wire types that this build serves (field names of the official OpenAPI document).

mod namespaces;
mod tables;
mod tokens;
mod views;

pub use namespaces::{
    CreateNamespaceRequest, NamespaceResponse, UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
};
pub use tables::{
    CommitTableRequest, CommitTransactionRequest, CreateTableRequest, RenameTableRequest, WireTableIdent,
};
pub use tokens::{TokenErrorBody, TokenResponse};
pub use views::{CommitViewRequest, CreateViewRequest, RegisterViewRequest};
