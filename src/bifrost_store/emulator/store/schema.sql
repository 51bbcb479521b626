CREATE TABLE resources (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    parent INTEGER NOT NULL,
    rid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    etag TEXT NOT NULL,
    ts INTEGER NOT NULL,
    UNIQUE (kind, parent, name)
);

-- What a container has beyond its properties: the number of its last write, and its physical partitions as JSON.
CREATE TABLE containers (
    number INTEGER PRIMARY KEY,
    lsn INTEGER NOT NULL,
    ranges TEXT NOT NULL
);
