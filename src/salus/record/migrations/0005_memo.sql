-- What was worked out of a record and stands until something of it is written or its time is over. Sealed, and never
-- the only copy: it may be deleted at any time.

CREATE TABLE memo (
  pid  INTEGER NOT NULL REFERENCES patient (pid),
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (pid, name)
) WITHOUT ROWID;
