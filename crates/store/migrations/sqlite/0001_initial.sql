-- Types are those that SQLite and PostgreSQL share: TEXT, BIGINT (microseconds), BOOLEAN, BLOB (a UUID is 16 bytes).
-- Every table carries its tenant, and every reference carries it too: no row can point into another tenant.
-- Every row that can change has a version, so that the audit's completeness can be checked.

CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    -- Bumped by every change of keys, principals, roles, grants, policies and warehouse settings. Never goes back.
    version BIGINT NOT NULL,
    operator BOOLEAN NOT NULL,
    -- New tables beside restricted ones are invisible to restricted principals until released.
    quarantine BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE warehouses (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    root TEXT NOT NULL,
    allowed_locations TEXT NOT NULL,
    settings_version BIGINT NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE UNIQUE INDEX warehouses_default ON warehouses (tenant_id) WHERE is_default;

-- Roots and allowed locations of all tenants: they must be disjoint.
CREATE TABLE warehouse_locations (
    location TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    warehouse_id BLOB NOT NULL,
    FOREIGN KEY (tenant_id, warehouse_id) REFERENCES warehouses (tenant_id, id)
);

CREATE TABLE namespaces (
    tenant_id TEXT NOT NULL,
    id BLOB NOT NULL,
    warehouse_id BLOB NOT NULL,
    -- The nil UUID at the root of the warehouse.
    parent_id BLOB NOT NULL,
    -- The ids of all levels, outermost first, 16 bytes each.
    path BLOB NOT NULL,
    name_key TEXT NOT NULL,
    leaf TEXT NOT NULL,
    properties TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, warehouse_id, name_key),
    FOREIGN KEY (tenant_id, warehouse_id) REFERENCES warehouses (tenant_id, id)
);
CREATE UNIQUE INDEX namespaces_children ON namespaces (tenant_id, warehouse_id, parent_id, leaf);

-- Tables and views share one name space.
CREATE TABLE relations (
    tenant_id TEXT NOT NULL,
    id BLOB NOT NULL,
    warehouse_id BLOB NOT NULL,
    namespace_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    location TEXT NOT NULL,
    metadata_location TEXT NOT NULL,
    table_uuid BLOB NOT NULL,
    quarantined BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, namespace_id, name),
    UNIQUE (tenant_id, warehouse_id, location),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespaces (tenant_id, id)
);

-- One row for each move of a pointer.
CREATE TABLE commits (
    tenant_id TEXT NOT NULL,
    relation_id BLOB NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    principal_id BLOB NOT NULL,
    previous_metadata_location TEXT NOT NULL,
    metadata_location TEXT NOT NULL,
    PRIMARY KEY (tenant_id, relation_id, version)
);

CREATE TABLE principals (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    attributes TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE roles (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE principal_roles (
    tenant_id TEXT NOT NULL,
    principal_id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, role_id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX principal_roles_role ON principal_roles (tenant_id, role_id);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    principal_id BLOB NOT NULL,
    -- blake3 keyed with the pepper; the secret itself is nowhere.
    hash BLOB NOT NULL,
    prefix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id)
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id);
CREATE INDEX api_keys_principal ON api_keys (tenant_id, principal_id);

-- An allow binds to the id and dies with the object. A deny binds to the id, to the name it was set on, and
-- (grant_bindings) to every id that took the name over.
CREATE TABLE grants (
    tenant_id TEXT NOT NULL,
    id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    effect TEXT NOT NULL,
    privilege TEXT NOT NULL,
    on_kind TEXT NOT NULL,
    -- The nil UUID for the tenant itself.
    on_id BLOB NOT NULL,
    on_warehouse TEXT,
    on_namespace TEXT,
    on_table TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, role_id, effect, privilege, on_kind, on_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX grants_object ON grants (tenant_id, on_kind, on_id);
CREATE INDEX grants_name ON grants (tenant_id, on_warehouse, on_namespace, on_table) WHERE effect = 'deny';

CREATE TABLE grant_bindings (
    tenant_id TEXT NOT NULL,
    grant_id BLOB NOT NULL,
    on_kind TEXT NOT NULL,
    on_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, grant_id, on_kind, on_id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX grant_bindings_object ON grant_bindings (tenant_id, on_kind, on_id);

-- Row filters, masks, hidden columns. They stand on a name, outlive a drop, and end only when deleted.
CREATE TABLE policies (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    namespace_key TEXT NOT NULL,
    table_name TEXT NOT NULL,
    spec TEXT NOT NULL,
    rule TEXT NOT NULL,
    audience TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX policies_table ON policies (tenant_id, warehouse, namespace_key, table_name);

-- The roles of an audience once more: a role that a policy is for cannot be deleted.
CREATE TABLE policy_roles (
    tenant_id TEXT NOT NULL,
    policy_id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, role_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX policy_roles_role ON policy_roles (tenant_id, role_id);

-- Every relation that carried the name since the policy was made.
CREATE TABLE policy_relations (
    tenant_id TEXT NOT NULL,
    policy_id BLOB NOT NULL,
    relation_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, relation_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, relation_id) REFERENCES relations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX policy_relations_relation ON policy_relations (tenant_id, relation_id);

-- Every field id that stood at a column path which the policy reads, for each of its relations.
CREATE TABLE policy_fields (
    tenant_id TEXT NOT NULL,
    policy_id BLOB NOT NULL,
    relation_id BLOB NOT NULL,
    path TEXT NOT NULL,
    field_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, relation_id, path, field_id),
    FOREIGN KEY (tenant_id, policy_id, relation_id)
        REFERENCES policy_relations (tenant_id, policy_id, relation_id) ON DELETE CASCADE
);

-- Keys that sign tokens, sealed with a key that is derived from the root key.
CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL
);

-- tenant_id is empty where nobody was authenticated (no tenant has an empty id).
CREATE TABLE audit (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    principal_id BLOB,
    principal_name TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    object_id TEXT,
    object_name TEXT NOT NULL,
    object_version BIGINT,
    decision TEXT NOT NULL,
    reason TEXT,
    policy_version BIGINT,
    count BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- Exactly one record for each version of each object row.
CREATE UNIQUE INDEX audit_versions ON audit (tenant_id, subject, object_id, object_version)
    WHERE object_version IS NOT NULL;
