-- Version 7. Statements are separated by empty lines, and each leaves alone what exists: carried out on an earlier version they
-- upgrade it.

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

-- Runs are listed by any of user, workflow, form and status, newest first. There is an index for each of them, and one with the
-- status last for each combination: a list that names no status reads all statuses side by side (`queries.py`). Runs of no form
-- are in no index of forms.
CREATE INDEX IF NOT EXISTS records_execution_workflowName
    ON records (scope, json_extract(fields, '$.workflowName'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_execution_executedBy
    ON records (scope, json_extract(fields, '$.executedBy'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_execution_of_form
    ON records (scope, json_extract(fields, '$.formId'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.formId') IS NOT NULL;

CREATE INDEX IF NOT EXISTS records_execution_executedBy_status
    ON records (scope, json_extract(fields, '$.executedBy'), json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_execution_workflowName_status
    ON records (scope, json_extract(fields, '$.workflowName'), json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_execution_formId_status
    ON records (scope, json_extract(fields, '$.formId'), json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.formId') IS NOT NULL;

CREATE INDEX IF NOT EXISTS records_execution_executedBy_workflowName_status
    ON records (scope, json_extract(fields, '$.executedBy'), json_extract(fields, '$.workflowName'),
        json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_execution_formId_executedBy_status
    ON records (scope, json_extract(fields, '$.formId'), json_extract(fields, '$.executedBy'),
        json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.formId') IS NOT NULL;

CREATE INDEX IF NOT EXISTS records_execution_formId_workflowName_status
    ON records (scope, json_extract(fields, '$.formId'), json_extract(fields, '$.workflowName'),
        json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.formId') IS NOT NULL;

CREATE INDEX IF NOT EXISTS records_execution_formId_executedBy_workflowName_status
    ON records (scope, json_extract(fields, '$.formId'), json_extract(fields, '$.executedBy'),
        json_extract(fields, '$.workflowName'), json_extract(fields, '$.status'), sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.formId') IS NOT NULL;

-- Before the scope, for lists of all scopes.
CREATE INDEX IF NOT EXISTS records_execution_by_status
    ON records (json_extract(fields, '$.status'), scope, sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0;

-- Empty, unless a run has a status that there is not.
CREATE INDEX IF NOT EXISTS records_execution_other_status
    ON records (scope, sort_key)
    WHERE kind = 'execution' AND is_tombstone = 0 AND ifnull(json_extract(fields, '$.status'), '') NOT IN
        ('Cancelled', 'Cancelling', 'CompletedWithErrors', 'Failed', 'Pending', 'Running', 'Success', 'Timeout');

CREATE INDEX IF NOT EXISTS records_execution_completedAt
    ON records (scope, json_extract(fields, '$.completedAt'))
    WHERE kind = 'execution' AND is_tombstone = 0 AND json_extract(fields, '$.completedAt') IS NOT NULL;

-- What else is looked up by a field, and may become many.
CREATE INDEX IF NOT EXISTS records_audit_event_eventType
    ON records (scope, json_extract(fields, '$.eventType'), sort_key)
    WHERE kind = 'audit_event' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_user_entraUserId
    ON records (scope, json_extract(fields, '$.entraUserId'), sort_key)
    WHERE kind = 'user' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_api_key_workflowId
    ON records (scope, json_extract(fields, '$.workflowId'), sort_key)
    WHERE kind = 'api_key' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_role_user_userId
    ON records (scope, json_extract(fields, '$.userId'), sort_key)
    WHERE kind = 'role_user' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_role_user_roleId
    ON records (scope, json_extract(fields, '$.roleId'), sort_key)
    WHERE kind = 'role_user' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_role_form_formId
    ON records (scope, json_extract(fields, '$.formId'), sort_key)
    WHERE kind = 'role_form' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_role_form_roleId
    ON records (scope, json_extract(fields, '$.roleId'), sort_key)
    WHERE kind = 'role_form' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_form_linkedWorkflow
    ON records (scope, json_extract(fields, '$.linkedWorkflow'), sort_key)
    WHERE kind = 'form' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_organization_domain
    ON records (scope, json_extract(fields, '$.domain'), sort_key)
    WHERE kind = 'organization' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_legacy_row_table
    ON records (scope, json_extract(fields, '$.table'), sort_key)
    WHERE kind = 'legacy_row' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_schedule_nextRunAt
    ON records (scope, json_extract(fields, '$.nextRunAt'))
    WHERE kind = 'schedule' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_feed_dead_letter_processor
    ON records (scope, json_extract(fields, '$.processor'), sort_key)
    WHERE kind = 'feed_dead_letter' AND is_tombstone = 0;

-- By type, as truth values are compared.
CREATE INDEX IF NOT EXISTS records_api_key_isRevoked
    ON records (scope, json_type(fields, '$.isRevoked'), sort_key)
    WHERE kind = 'api_key' AND is_tombstone = 0;

-- The same in all scopes.
CREATE INDEX IF NOT EXISTS records_membership_email
    ON records (json_extract(fields, '$.email'), scope, sort_key)
    WHERE kind = 'membership' AND is_tombstone = 0;

CREATE INDEX IF NOT EXISTS records_metrics_date
    ON records (json_extract(fields, '$.date'), scope, sort_key)
    WHERE kind = 'metrics' AND is_tombstone = 0;

-- Of earlier versions.
DROP INDEX IF EXISTS records_execution_status;

DROP INDEX IF EXISTS records_execution_formId;

DROP INDEX IF EXISTS records_execution_executedBy_workflowName;

DROP INDEX IF EXISTS records_execution_formId_executedBy;

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
