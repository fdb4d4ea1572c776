-- Roots of full tiles of the log's tree, 256 a row (C2SP tlog-tiles, levels from 1 on): proofs read a few rows instead of
-- hashing every leaf. Level 0 is the leaves themselves. Whatever stands here follows from them.

CREATE TABLE log_tile (
  level  INTEGER NOT NULL,
  tile   INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (level, tile)
) WITHOUT ROWID;

-- Who looked, when, on which basis, sealed to the key of the audit for as long as the law asks for it: it tells of an
-- access also after the record was erased. Epochs hold the keys under which entries are sealed, wrapped for that key.

CREATE TABLE log_audit_epoch (
  epoch   INTEGER PRIMARY KEY,
  begun   TEXT NOT NULL,
  wrapped BLOB NOT NULL
);

CREATE TABLE log_audit (
  n     INTEGER PRIMARY KEY REFERENCES log_leaf (n),
  epoch INTEGER NOT NULL REFERENCES log_audit_epoch (epoch),
  entry BLOB NOT NULL
);
