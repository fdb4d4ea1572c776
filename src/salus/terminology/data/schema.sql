-- One terminology file: the shipped one, an optional pack, or a user's release. Codes are kept without dots, as integers
-- where they are whole numbers without a leading zero, which is a third of the size.
CREATE TABLE origin (name TEXT PRIMARY KEY, version TEXT, licence TEXT, digest TEXT, notice TEXT) WITHOUT ROWID;
-- A set of concepts or ingredients, sorted, joined by "+".
CREATE TABLE meaning (id INTEGER PRIMARY KEY, names TEXT);
-- What an exact code of a diagnosis, procedure or measurement means. kind: d or m.
CREATE TABLE code (kind TEXT, system TEXT, code, meaning INTEGER, aspect TEXT, PRIMARY KEY (kind, system, code)) WITHOUT ROWID;
-- What every code with this prefix means. mode: include or exclude; aspect: history or nothing; note: national or nothing.
CREATE TABLE prefix (system TEXT, prefix TEXT, concept TEXT, mode TEXT, aspect TEXT, note TEXT,
  PRIMARY KEY (system, prefix, concept)) WITHOUT ROWID;
-- Regular expressions over a procedure's code without dots.
CREATE TABLE pattern (system TEXT, concept TEXT, match TEXT, PRIMARY KEY (system, concept)) WITHOUT ROWID;
-- The codes of a classification that is held whole, by category: what follows the category in each of its codes.
CREATE TABLE listed (system TEXT, category TEXT, rest TEXT, PRIMARY KEY (system, category)) WITHOUT ROWID;
-- Medicinal products and substances. strength: mg in one tablet or capsule; substance: 1 for a code of one substance,
-- which may stand for a part of the product only.
CREATE TABLE product (system TEXT, code, meaning INTEGER, strength TEXT, substance INTEGER, PRIMARY KEY (system, code)) WITHOUT ROWID;
-- Names in small letters without accents. kind: i ingredient, b brand, m measurement.
CREATE TABLE name (kind TEXT, name TEXT, meaning INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID;
-- Names of diagnoses that the rules over words would read otherwise: the first eight bytes of a name's BLAKE2b digest.
CREATE TABLE title (digest BLOB PRIMARY KEY, meaning INTEGER) WITHOUT ROWID;
-- Single words of clinical English. telling: 1 for a word that names of diseases hold,
-- 2 of measurements, 4 of states that procedures leave, or their sum.
CREATE TABLE word (word TEXT PRIMARY KEY, telling INTEGER) WITHOUT ROWID;
-- Words that mean a concept: a regular expression, one that must not match, and the letters without which it cannot.
CREATE TABLE rule (concept TEXT PRIMARY KEY, match TEXT, unless TEXT, letters TEXT) WITHOUT ROWID;
