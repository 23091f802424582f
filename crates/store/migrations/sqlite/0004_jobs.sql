-- Work that a change to the catalog leaves behind: files to be deleted. A row is made in the change's own transaction.
CREATE TABLE jobs (
    tenant_id TEXT NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    -- What is to be done, and by which document.
    work TEXT NOT NULL,
    warehouse_id BLOB NOT NULL,
    relation_id BLOB NOT NULL,
    relation_name TEXT NOT NULL,
    location TEXT NOT NULL,
    -- Who asked for it, and in which request.
    principal_id BLOB NOT NULL,
    principal_name TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- waiting, done or failed.
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When the next attempt may begin; while one runs, when its lease ends.
    due_at BIGINT NOT NULL,
    -- Who holds the lease.
    holder BLOB,
    files BIGINT NOT NULL,
    problem TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE INDEX jobs_due ON jobs (state, due_at);
CREATE INDEX jobs_places ON jobs (tenant_id, location, state);

-- What a dropped table was called and which restrictions were bound to it: whoever registers its files again takes them
-- over. Rows from before have none of it, and are a policy editor's to open.
ALTER TABLE retired_locations ADD COLUMN warehouse TEXT;
ALTER TABLE retired_locations ADD COLUMN namespace_key TEXT;
ALTER TABLE retired_locations ADD COLUMN table_name TEXT;
ALTER TABLE retired_locations ADD COLUMN restrictions TEXT;
