-- What the processes of a server share and must remember over a restart, each row for a time: tokens and visits, results
-- that are being paged through, assertions that were used up. Names and owners are keyed hashes; a body is sealed together
-- with all else that its row says. Times are microseconds since 1970. It never goes into a backup.

CREATE TABLE server_state (
  kind    TEXT NOT NULL,
  name    BLOB NOT NULL,
  owner   BLOB NOT NULL,
  used    INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX server_state_of_owner ON server_state (kind, owner, used);
CREATE INDEX server_state_by_end ON server_state (expires);
