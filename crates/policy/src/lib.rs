//! The policy kernel: (principal, action, resource) + policy snapshot → permit with obligations, or a denial.
//!
//! Pure: no I/O, no clock, no randomness, no async. The only maker of [`Permit`]s.

mod action;
mod authorize;
mod compile;
mod decide;
mod grant;
mod lower;
mod mask;
mod permit;
mod predicate;
mod privilege;
pub mod reference;
mod resource;
mod restriction;
mod schema;
mod snapshot;
mod spec;
mod words;

#[cfg(test)]
mod fixture;

pub use action::{Action, AuditClass, ObligationMode, actions};
pub use authorize::{Denial, DenialReason, authorize, authorize_list, authorize_root_list, denied};
pub use compile::compile;
pub use grant::{Effect, Grant, Securable, SecurableName};
pub use lower::{FieldRule, TablePolicy, lower};
pub use mask::{BoundMask, Mask, MaskAction};
pub use permit::{ListPermit, Permit, Visibility, Visible};
pub use predicate::{BoundPredicate, Comparison, FieldPredicate, Literal, Operand, Predicate};
pub use privilege::Privilege;
pub use resource::{NamespaceRef, Resource, TableRef, TenantRef, ViewRef, WarehouseRef};
pub use restriction::{Applied, Audience, ColumnPath, Obligations, Restriction, Rule};
pub use schema::{Field, FieldType, Primitive, Schema};
pub use snapshot::{
    EXTERNAL_SUBJECT, ImpersonationDenial, KeyRecord, PolicySnapshot, PrincipalRecord, RoleRecord, SnapshotParts,
};
pub use spec::{ActionSpec, ColumnMaskSpec, ColumnSpec, MaskSpec, PolicySpec, Show, TableSpec};
