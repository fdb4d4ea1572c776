-- What was worked out of a record and stands until something of it is written or its time is over. Sealed, and never
-- the only copy: it may be deleted at any time. The name is a keyed hash, for it would tell what was released.

CREATE TABLE memo (
  pid  INTEGER NOT NULL REFERENCES patient (pid),
  kind TEXT NOT NULL,
  name BLOB NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (pid, kind, name)
) WITHOUT ROWID;
