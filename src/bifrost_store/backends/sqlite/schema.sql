-- Version 5. Statements are separated by empty lines, and each leaves alone what exists: carried out on an earlier version they
-- upgrade it, with the indexes that `queries.py` makes for the kinds.

-- One row per record or tombstone of any kind. The checks keep what queries rely on true for every writer.
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

-- One row per document of execution data. Rows are added and removed, never changed.
CREATE TABLE IF NOT EXISTS execution_data (
    execution_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    creation TEXT NOT NULL,
    type TEXT NOT NULL,
    recording INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    timestamp TEXT NOT NULL CHECK (timestamp GLOB '????-??-??T??:??:??.??????Z'),
    write_id TEXT NOT NULL,
    expires_at TEXT NOT NULL CHECK (expires_at = 'never' OR expires_at GLOB '????-??-??T??:??:??.??????Z'),
    body TEXT NOT NULL,
    PRIMARY KEY (execution_id, id)
);

CREATE INDEX IF NOT EXISTS execution_data_by_expiry ON execution_data (expires_at) WHERE expires_at <> 'never';

-- Tells this database from every other, so that positions in its feeds are good for no other.
CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL);

INSERT INTO identity SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM identity);

-- Which feed a kind's changes are in. Kinds of other releases stay, so that what those write is told of too. Kinds that are not
-- here are in none: the library's own.
CREATE TABLE IF NOT EXISTS feeds (kind TEXT PRIMARY KEY, feed TEXT NOT NULL);

-- One row per key: its last change, numbered anew by each. Writers take turns, so numbers are in the order of commits.
-- The key of execution data has an empty kind, and its execution in place of a scope.
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    feed TEXT NOT NULL,
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    id TEXT NOT NULL,
    write_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (kind, place, id)
);

CREATE INDEX IF NOT EXISTS changes_of_feed ON changes (feed);

CREATE TRIGGER IF NOT EXISTS records_created AFTER INSERT ON records
BEGIN
    DELETE FROM changes WHERE kind = new.kind AND place = new.scope AND id = new.id;
    INSERT INTO changes (feed, kind, place, id, write_id, size)
        SELECT feed, new.kind, new.scope, new.id, new.write_id, length(new.body) FROM feeds WHERE kind = new.kind;
END;

CREATE TRIGGER IF NOT EXISTS records_changed AFTER UPDATE ON records
BEGIN
    DELETE FROM changes WHERE kind = old.kind AND place = old.scope AND id = old.id;
    INSERT INTO changes (feed, kind, place, id, write_id, size)
        SELECT feed, new.kind, new.scope, new.id, new.write_id, length(new.body) FROM feeds WHERE kind = new.kind;
END;

CREATE TRIGGER IF NOT EXISTS records_removed AFTER DELETE ON records
BEGIN
    DELETE FROM changes WHERE kind = old.kind AND place = old.scope AND id = old.id;
END;

CREATE TRIGGER IF NOT EXISTS execution_data_added AFTER INSERT ON execution_data
BEGIN
    INSERT INTO changes (feed, kind, place, id, write_id, size)
        VALUES ('execution_data', '', new.execution_id, new.id, new.write_id, length(new.body));
END;

CREATE TRIGGER IF NOT EXISTS execution_data_removed AFTER DELETE ON execution_data
BEGIN
    DELETE FROM changes WHERE kind = '' AND place = old.execution_id AND id = old.id;
END;
