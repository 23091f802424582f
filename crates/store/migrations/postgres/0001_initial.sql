-- The schema of migrations/sqlite in PostgreSQL's types. TEXT COLLATE "C" everywhere: pages are in the order of bytes on
-- both databases, whatever the database's own locale. Written to be run while servers of the version before are up.
-- Every table carries its tenant, and every reference carries it too: no row can point into another tenant.
-- Every row that can change has a version, so that the audit's completeness can be checked.

CREATE TABLE tenants (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Bumped by every change of keys, principals, roles, grants, policies and warehouse settings. Never goes back.
    version BIGINT NOT NULL,
    operator BOOLEAN NOT NULL,
    -- New tables beside restricted ones are invisible to restricted principals until released.
    quarantine BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE warehouses (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    root TEXT COLLATE "C" NOT NULL,
    allowed_locations TEXT COLLATE "C" NOT NULL,
    settings_version BIGINT NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE UNIQUE INDEX warehouses_default ON warehouses (tenant_id) WHERE is_default;

-- Roots and allowed locations of all tenants: they must be disjoint.
CREATE TABLE warehouse_locations (
    location TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL,
    warehouse_id UUID NOT NULL,
    FOREIGN KEY (tenant_id, warehouse_id) REFERENCES warehouses (tenant_id, id)
);

CREATE TABLE namespaces (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    warehouse_id UUID NOT NULL,
    -- The nil UUID at the root of the warehouse.
    parent_id UUID NOT NULL,
    -- The ids of all levels, outermost first, 16 bytes each.
    path BYTEA NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    leaf TEXT COLLATE "C" NOT NULL,
    properties TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, warehouse_id, name_key),
    FOREIGN KEY (tenant_id, warehouse_id) REFERENCES warehouses (tenant_id, id)
);
CREATE UNIQUE INDEX namespaces_children ON namespaces (tenant_id, warehouse_id, parent_id, leaf);

-- Tables and views share one name space.
CREATE TABLE relations (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    warehouse_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    location TEXT COLLATE "C" NOT NULL,
    metadata_location TEXT COLLATE "C" NOT NULL,
    table_uuid UUID NOT NULL,
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
    tenant_id TEXT COLLATE "C" NOT NULL,
    relation_id UUID NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    principal_id UUID NOT NULL,
    previous_metadata_location TEXT COLLATE "C" NOT NULL,
    metadata_location TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, relation_id, version)
);

CREATE TABLE principals (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    enabled BOOLEAN NOT NULL,
    attributes TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE roles (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE principal_roles (
    tenant_id TEXT COLLATE "C" NOT NULL,
    principal_id UUID NOT NULL,
    role_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, role_id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX principal_roles_role ON principal_roles (tenant_id, role_id);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL,
    principal_id UUID NOT NULL,
    -- blake3 keyed with the pepper; the secret itself is nowhere.
    hash BYTEA NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
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
    tenant_id TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    role_id UUID NOT NULL,
    effect TEXT COLLATE "C" NOT NULL,
    privilege TEXT COLLATE "C" NOT NULL,
    on_kind TEXT COLLATE "C" NOT NULL,
    -- The nil UUID for the tenant itself.
    on_id UUID NOT NULL,
    on_warehouse TEXT COLLATE "C",
    on_namespace TEXT COLLATE "C",
    on_table TEXT COLLATE "C",
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, role_id, effect, privilege, on_kind, on_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX grants_object ON grants (tenant_id, on_kind, on_id);
CREATE INDEX grants_name ON grants (tenant_id, on_warehouse, on_namespace, on_table) WHERE effect = 'deny';

CREATE TABLE grant_bindings (
    tenant_id TEXT COLLATE "C" NOT NULL,
    grant_id UUID NOT NULL,
    on_kind TEXT COLLATE "C" NOT NULL,
    on_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, grant_id, on_kind, on_id),
    FOREIGN KEY (tenant_id, grant_id) REFERENCES grants (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX grant_bindings_object ON grant_bindings (tenant_id, on_kind, on_id);

-- Row filters, masks, hidden columns. They stand on a name, outlive a drop, and end only when deleted.
CREATE TABLE policies (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    warehouse TEXT COLLATE "C" NOT NULL,
    namespace_key TEXT COLLATE "C" NOT NULL,
    table_name TEXT COLLATE "C" NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    audience TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX policies_table ON policies (tenant_id, warehouse, namespace_key, table_name);

-- The roles of an audience once more: a role that a policy is for cannot be deleted.
CREATE TABLE policy_roles (
    tenant_id TEXT COLLATE "C" NOT NULL,
    policy_id UUID NOT NULL,
    role_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, role_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX policy_roles_role ON policy_roles (tenant_id, role_id);

-- Every relation that carried the name since the policy was made.
CREATE TABLE policy_relations (
    tenant_id TEXT COLLATE "C" NOT NULL,
    policy_id UUID NOT NULL,
    relation_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, relation_id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, relation_id) REFERENCES relations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX policy_relations_relation ON policy_relations (tenant_id, relation_id);

-- Every field id that stood at a column path which the policy reads, for each of its relations.
CREATE TABLE policy_fields (
    tenant_id TEXT COLLATE "C" NOT NULL,
    policy_id UUID NOT NULL,
    relation_id UUID NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    field_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, relation_id, path, field_id),
    FOREIGN KEY (tenant_id, policy_id, relation_id)
        REFERENCES policy_relations (tenant_id, policy_id, relation_id) ON DELETE CASCADE
);

-- Keys that sign tokens, sealed with a key that is derived from the root key.
CREATE TABLE signing_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- tenant_id is empty where nobody was authenticated (no tenant has an empty id).
CREATE TABLE audit (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    principal_id UUID,
    principal_name TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    object_id TEXT COLLATE "C",
    object_name TEXT COLLATE "C" NOT NULL,
    object_version BIGINT,
    decision TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C",
    policy_version BIGINT,
    count BIGINT NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- Exactly one record for each version of each object row.
CREATE UNIQUE INDEX audit_versions ON audit (tenant_id, subject, object_id, object_version)
    WHERE object_version IS NOT NULL;
