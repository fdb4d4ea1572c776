-- The record: one SQLite file. Bodies, blobs and log entries are sealed; codes and identifiers in the index are
-- keyed hashes; what stays readable is resource types, ids, versions, times and sizes.

CREATE TABLE patient (
  pid INTEGER PRIMARY KEY,
  id  TEXT NOT NULL UNIQUE
);

CREATE TABLE resource (
  rid     INTEGER PRIMARY KEY,
  pid     INTEGER NOT NULL REFERENCES patient (pid),
  type    TEXT NOT NULL,
  id      TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  mac     BLOB NOT NULL,
  body    BLOB NOT NULL,
  UNIQUE (pid, type, id)
);
CREATE INDEX resource_by_id ON resource (type, id);

CREATE TABLE history (
  rid     INTEGER NOT NULL REFERENCES resource (rid),
  version INTEGER NOT NULL,
  updated TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  mac     BLOB NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (rid, version)
) WITHOUT ROWID;

CREATE TABLE token_index (
  type TEXT NOT NULL, param TEXT NOT NULL, token BLOB NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (type, param, token, rid)
) WITHOUT ROWID;
CREATE INDEX token_index_of_resource ON token_index (rid);

CREATE TABLE date_index (
  type TEXT NOT NULL, param TEXT NOT NULL, lo TEXT NOT NULL, hi TEXT NOT NULL, rid INTEGER NOT NULL,
  PRIMARY KEY (type, param, lo, hi, rid)
) WITHOUT ROWID;
CREATE INDEX date_index_of_resource ON date_index (rid);

CREATE TABLE blob (
  address  TEXT PRIMARY KEY,
  pid      INTEGER NOT NULL REFERENCES patient (pid),
  category TEXT NOT NULL,
  size     INTEGER NOT NULL,
  chunks   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE blob_chunk (
  address TEXT NOT NULL REFERENCES blob (address),
  n       INTEGER NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (address, n)
) WITHOUT ROWID;

CREATE TABLE log_leaf (
  n          INTEGER PRIMARY KEY,
  pid        INTEGER REFERENCES patient (pid),
  topic      TEXT NOT NULL,
  commitment BLOB NOT NULL,
  entry      BLOB NOT NULL
);
CREATE INDEX log_leaf_of_patient ON log_leaf (pid, n);
CREATE INDEX log_leaf_of_topic ON log_leaf (topic, n);

CREATE TABLE log_checkpoint (
  size      INTEGER PRIMARY KEY,
  root      BLOB NOT NULL,
  frontier  BLOB NOT NULL,
  signature BLOB NOT NULL
);

CREATE TABLE quarantine (
  n      INTEGER NOT NULL,
  part   INTEGER NOT NULL,
  body   BLOB NOT NULL,
  PRIMARY KEY (n, part)
) WITHOUT ROWID;
