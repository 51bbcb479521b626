-- Version 1. One row per record or tombstone of any kind. The checks keep what queries rely on true for every writer.
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    sort_key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    write_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    expires_at TEXT NULL CHECK (expires_at = 'never' OR expires_at GLOB '????-??-??T??:??:??.??????Z'),
    is_tombstone INTEGER NOT NULL CHECK (is_tombstone IN (0, 1)),
    body TEXT NOT NULL,
    extra TEXT NOT NULL,
    fields TEXT NOT NULL CHECK (json_valid(fields)),
    PRIMARY KEY (kind, scope, id)
);

CREATE INDEX IF NOT EXISTS records_in_order ON records (kind, scope, sort_key);

CREATE INDEX IF NOT EXISTS records_by_expiry ON records (kind, expires_at) WHERE expires_at IS NOT NULL;
