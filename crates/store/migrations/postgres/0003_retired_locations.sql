-- Where dropped tables lay: their files are still there, and nobody but a policy editor may make a table over them.
CREATE TABLE retired_locations (
    tenant_id TEXT COLLATE "C" NOT NULL,
    location TEXT COLLATE "C" NOT NULL,
    relation_id UUID NOT NULL,
    retired_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, location),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
