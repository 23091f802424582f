-- In the order in which transactions of running nodes take these tables: tenants, roles, jobs, audit.

-- What clients reported of their scans and commits: counts only, the newest of each tenant.
CREATE TABLE metrics_reports (
    tenant_id TEXT NOT NULL,
    -- Begins with the time it came at.
    id BLOB NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    principal_id BLOB NOT NULL,
    principal_name TEXT NOT NULL,
    actor_id BLOB,
    actor_name TEXT,
    relation_id BLOB NOT NULL,
    relation_name TEXT NOT NULL,
    -- scan or commit.
    kind TEXT NOT NULL,
    snapshot_id BIGINT NOT NULL,
    metrics TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

-- Roles whose holders may act for the holders of another role (decision 0030). A row is part of the acting role.
CREATE TABLE impersonations (
    tenant_id TEXT NOT NULL,
    role_id BLOB NOT NULL,
    subject_role_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, role_id, subject_role_id),
    -- A node of the version before deletes roles and knows nothing of these.
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, subject_role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX impersonations_subject ON impersonations (tenant_id, subject_role_id);

-- Who acted for the principal, if it did not act itself.
ALTER TABLE jobs ADD COLUMN actor_id BLOB;
ALTER TABLE jobs ADD COLUMN actor_name TEXT;
ALTER TABLE audit ADD COLUMN actor_id BLOB;
ALTER TABLE audit ADD COLUMN actor_name TEXT;
