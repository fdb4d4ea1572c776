-- A search that names no patient goes from those who release something to what it asks for: so a token stands by patient,
-- and with the kinds of data its row tells of (those of the resource), by which it is counted without a look at the row.

CREATE TABLE token_index_by_patient (
  type  TEXT NOT NULL,
  param TEXT NOT NULL,
  token BLOB NOT NULL,
  pid   INTEGER NOT NULL,
  rid   INTEGER NOT NULL,
  kinds INTEGER NOT NULL,
  PRIMARY KEY (type, param, token, pid, rid)
) WITHOUT ROWID;

INSERT INTO token_index_by_patient
  SELECT t.type, t.param, t.token, r.pid, t.rid, r.kinds FROM token_index t JOIN resource r ON r.rid = t.rid;
DROP TABLE token_index;
ALTER TABLE token_index_by_patient RENAME TO token_index;
CREATE INDEX token_index_of_resource ON token_index (rid);

-- Of whom which reader is released anything, as it was compiled (trust/reaching.py). Sealed under the house's key and
-- never the only copy: it may be deleted at any time. The name is a keyed hash.

CREATE TABLE reach (
  name BLOB PRIMARY KEY,
  body BLOB NOT NULL
) WITHOUT ROWID;
