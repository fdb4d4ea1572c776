-- Which kinds of data a resource tells of, as bits (record/kinds.py): its own, and with those of all that it refers to
-- for its content. A search passes over what is not released by this alone, at the same cost as over what is not there;
-- what is opened is held against its body all the same. -1: not told yet (a store of before).

ALTER TABLE resource ADD COLUMN own_kinds INTEGER NOT NULL DEFAULT -1;
ALTER TABLE resource ADD COLUMN kinds INTEGER NOT NULL DEFAULT -1;

CREATE TABLE target (
  rid  INTEGER NOT NULL REFERENCES resource (rid),
  type TEXT NOT NULL,
  id   TEXT NOT NULL,
  PRIMARY KEY (rid, type, id)
) WITHOUT ROWID;
CREATE INDEX target_of ON target (type, id);

CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
