-- Places that keys open though no table lies there: of staged tables, and of purged ones, until the keys have ended.
CREATE TABLE held_locations (
    tenant_id TEXT NOT NULL,
    location TEXT NOT NULL,
    -- For whose table of which name; NULL: for nobody.
    principal_id BLOB,
    namespace_id BLOB,
    relation_name TEXT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, location),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE INDEX held_locations_expiry ON held_locations (tenant_id, expires_at);

-- Where a namespace says that its tables lie (its property `location`), in its one spelling: found by index, since every
-- table that is made is compared with it.
ALTER TABLE namespaces ADD COLUMN location TEXT;
UPDATE namespaces SET location = rtrim(json_extract(properties, '$.location'), '/')
    WHERE json_extract(properties, '$.location') IS NOT NULL;
UPDATE namespaces SET location = 's3://' || substr(location, 7) WHERE location LIKE 's3a://%' OR location LIKE 's3n://%';
UPDATE namespaces SET location = 'file:///' || ltrim(substr(location, 6), '/') WHERE location LIKE 'file:%';
CREATE INDEX namespaces_location ON namespaces (tenant_id, warehouse_id, location);
