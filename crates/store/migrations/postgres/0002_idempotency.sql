-- Outcomes of requests that came with an Idempotency-Key, kept for the lifetime that `getConfig` promises. An outcome is
-- written in its effect's own transaction. It names objects and holds no body, no metadata and no secret.
CREATE TABLE idempotency_keys (
    tenant_id TEXT COLLATE "C" NOT NULL,
    principal_id UUID NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    key UUID NOT NULL,
    -- blake3 of the request: method, path, query and body.
    fingerprint BYTEA NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, route, key),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
