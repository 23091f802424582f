//! Iceberg REST wire types that this build serves (field names of the official OpenAPI document).

mod namespaces;
mod signing;
mod tables;
mod tokens;

pub use namespaces::{
    CreateNamespaceRequest, NamespaceResponse, UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
};
pub use signing::{RemoteSignMethod, RemoteSignRequest, RemoteSignResult};
pub use tables::{
    CommitTableRequest, CommitTransactionRequest, CreateTableRequest, RenameTableRequest, WireTableIdent,
};
pub use tokens::{TokenErrorBody, TokenResponse};
