//! A small world for the tests: two tenants with the same ids and names, so that only the tenant tells them apart.

use std::{collections::BTreeMap, sync::Arc};

use polder_types::{
    Attribute, CredentialId, NamespaceId, PolicyId, Principal, PrincipalId, PrincipalKind, RelationId, RoleId, Scopes,
    WarehouseId,
};
use uuid::Uuid;

use crate::{
    Audience, Effect, Field, FieldType, Grant, NamespaceRef, PolicySnapshot, PolicySpec, Primitive, Privilege,
    Resource, Restriction, Rule, Schema, SnapshotParts, TableRef, TenantRef, WarehouseRef, compile,
};

pub(crate) fn tenant(name: &str) -> TenantRef {
    TenantRef { id: name.parse().unwrap() }
}

pub(crate) fn role(n: u128) -> RoleId {
    RoleId(Uuid::from_u128(n))
}

pub(crate) fn warehouse(tenant_name: &str, n: u128, name: &str) -> WarehouseRef {
    WarehouseRef { tenant: tenant(tenant_name), id: WarehouseId(Uuid::from_u128(n)), name: name.parse().unwrap() }
}

/// A namespace whose levels have these ids and names.
pub(crate) fn namespace(warehouse: &WarehouseRef, levels: &[(u128, &str)]) -> NamespaceRef {
    NamespaceRef {
        warehouse: warehouse.clone(),
        chain: levels.iter().map(|(id, _)| NamespaceId(Uuid::from_u128(*id))).collect(),
        name: polder_types::Namespace::new(levels.iter().map(|(_, name)| (*name).to_owned()).collect()).unwrap(),
    }
}

pub(crate) fn table(namespace: &NamespaceRef, n: u128, name: &str) -> TableRef {
    let id = RelationId(Uuid::from_u128(n));
    TableRef { namespace: namespace.clone(), id, name: name.into(), quarantined: false }
}

/// `acme`, `lake`, `pub`.
pub(crate) fn public() -> NamespaceRef {
    namespace(&warehouse("acme", 1, "lake"), &[(1, "pub")])
}

/// `acme`, `lake`, `pub.emp`.
pub(crate) fn emp() -> TableRef {
    table(&public(), 1, "emp")
}

pub(crate) fn principal(tenant_name: &str, roles: &[u128]) -> Principal {
    Principal {
        tenant: tenant_name.parse().unwrap(),
        id: PrincipalId(Uuid::from_u128(1)),
        name: "ann".into(),
        kind: PrincipalKind::User,
        credential: CredentialId::Key("pk_aaaaaaaaaaaaaaaaaaaa".parse().unwrap()),
        scopes: Scopes::all(),
        roles: roles.iter().copied().map(role).collect(),
        attributes: Arc::default(),
        actor: None,
    }
}

/// A principal that another one acts for.
pub(crate) fn acted_for(principal: Principal, actor: Principal) -> Principal {
    Principal { actor: Some(Arc::new(actor)), ..principal }
}

pub(crate) fn with_attribute(principal: Principal, name: &str, value: Attribute) -> Principal {
    let mut attributes = (*principal.attributes).clone();
    attributes.insert(name.to_owned(), value);
    Principal { attributes: attributes.into(), ..principal }
}

/// A grant as the store makes it: bound to the id, a denial to the name too.
pub(crate) fn grant<R: Resource>(role_n: u128, effect: Effect, privilege: Privilege, on: &R) -> Grant {
    let mut chain = on.chain();
    let own = chain.remove(0);
    let name = if effect == Effect::Deny { on.names().into_iter().next() } else { None };
    Grant { role: role(role_n), effect, privilege, on: own, within: chain, also_on: Vec::new(), name }
}

pub(crate) fn allow<R: Resource>(role_n: u128, privilege: Privilege, on: &R) -> Grant {
    grant(role_n, Effect::Allow, privilege, on)
}

pub(crate) fn deny<R: Resource>(role_n: u128, privilege: Privilege, on: &R) -> Grant {
    grant(role_n, Effect::Deny, privilege, on)
}

/// A restriction on a table, bound by name and by the table's id, without field ids.
pub(crate) fn restriction(n: u128, table: &TableRef, audience: Audience, rule: Rule) -> Restriction {
    Restriction {
        id: PolicyId(Uuid::from_u128(n)),
        name: format!("policy-{n}"),
        table: table.qualified(),
        bound: BTreeMap::from([(table.id, BTreeMap::new())]),
        audience,
        rule,
    }
}

pub(crate) fn snapshot(tenant_name: &str, grants: Vec<Grant>, restrictions: Vec<Restriction>) -> PolicySnapshot {
    PolicySnapshot::new(SnapshotParts {
        tenant: tenant_name.parse().unwrap(),
        version: 7,
        operator: false,
        principals: Vec::new(),
        keys: Vec::new(),
        roles: Vec::new(),
        impersonations: Vec::new(),
        grants,
        restrictions,
    })
}

pub(crate) fn field(id: i32, name: &str, required: bool, ty: Primitive) -> Field {
    Field { id, name: name.to_owned(), required, ty: FieldType::Primitive(ty) }
}

/// `id`, `name`, `region`, `dept`, `salary`, `ssn`, `info: {phone, city}`, `tags: [string]`, `born`, `scores: map`,
/// `code` (required text), `rate` (float), `price` (decimal(9, 2)), `shape` (required, of an unknown type).
pub(crate) fn emp_schema() -> Schema {
    let info = FieldType::Struct(vec![
        field(8, "phone", false, Primitive::String),
        field(9, "city", false, Primitive::String),
    ]);
    let tags = FieldType::List(Box::new(field(11, "element", false, Primitive::String)));
    let scores = FieldType::Map(
        Box::new(field(14, "key", true, Primitive::String)),
        Box::new(field(15, "value", false, Primitive::Long)),
    );
    Schema {
        fields: vec![
            field(1, "id", true, Primitive::Long),
            field(2, "name", false, Primitive::String),
            field(3, "region", false, Primitive::String),
            field(4, "dept", false, Primitive::String),
            field(5, "salary", false, Primitive::Int),
            field(6, "ssn", false, Primitive::String),
            Field { id: 7, name: "info".into(), required: false, ty: info },
            Field { id: 10, name: "tags".into(), required: false, ty: tags },
            field(12, "born", false, Primitive::Date),
            Field { id: 13, name: "scores".into(), required: false, ty: scores },
            field(16, "code", true, Primitive::String),
            field(17, "rate", false, Primitive::Float),
            field(18, "price", false, Primitive::Decimal { precision: 9, scale: 2 }),
            field(19, "shape", true, Primitive::Other),
        ],
    }
}

/// A policy on `emp` from the parts that say what it does.
pub(crate) fn spec(body: serde_json::Value) -> Result<PolicySpec, serde_json::Error> {
    let mut whole = serde_json::json!({
        "name": "p",
        "table": {"warehouse": "lake", "namespace": ["pub"], "name": "emp"},
    });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    serde_json::from_value(whole)
}

/// The rule of a policy on `emp`.
pub(crate) fn rule(body: serde_json::Value) -> Rule {
    compile(&spec(body).unwrap(), &emp_schema()).unwrap()
}
