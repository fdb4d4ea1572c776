"""What the concepts of a SNOMED CT edition mean in salus: by subsumption, by their definition, by their successor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby

from salus.terminology.codes import SYSTEMS, Code
from salus.terminology.codes import concepts as registry
from salus.terminology.diagnosis_words import plain_words
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import Pack, joined

__all__ = ["Meanings"]

Model = Mapping[str, Mapping[str, int]]
_OR = re.compile(r"\b(?:and/or|or)\b", re.IGNORECASE)
LONGEST_CHAIN = 10
"""Successors of successors that are followed."""
_TABLES = """
CREATE TABLE work.isa (child INTEGER, parent INTEGER, PRIMARY KEY (child, parent)) WITHOUT ROWID;
CREATE TABLE work.known (id INTEGER PRIMARY KEY);
CREATE TABLE work.gap (id INTEGER PRIMARY KEY);
CREATE TABLE work.reach (id INTEGER, root INTEGER, PRIMARY KEY (id, root)) WITHOUT ROWID;
CREATE TABLE work.broader (id INTEGER PRIMARY KEY);
CREATE TABLE work.situation (id INTEGER PRIMARY KEY);
CREATE TABLE work.inside (id INTEGER PRIMARY KEY);
CREATE TABLE work.settled (id INTEGER PRIMARY KEY, meaning INTEGER, aspect TEXT);
CREATE TABLE work.other (id INTEGER PRIMARY KEY);
"""
_BELOW = """
INSERT INTO work.{} WITH RECURSIVE below (id) AS (SELECT ? UNION SELECT isa.child FROM below
  JOIN work.isa AS isa ON isa.parent = below.id) SELECT id FROM below WHERE true ON CONFLICT DO NOTHING
"""
_GAP = """
INSERT INTO work.gap WITH RECURSIVE gap (id) AS (
  SELECT child FROM work.isa WHERE parent NOT IN (SELECT id FROM work.concept WHERE active)
    AND parent NOT IN (SELECT id FROM work.known)
  UNION SELECT isa.child FROM gap JOIN work.isa AS isa ON isa.parent = gap.id
    WHERE gap.id NOT IN (SELECT id FROM work.known)) SELECT id FROM gap
"""
_REACH = """
INSERT INTO work.reach WITH RECURSIVE reach (id, root) AS (
  SELECT child, parent FROM work.isa WHERE parent IN (SELECT id FROM work.known)
  UNION SELECT isa.child, reach.root FROM reach JOIN work.isa AS isa ON isa.parent = reach.id
    WHERE reach.id NOT IN (SELECT id FROM work.known)) SELECT id, root FROM reach
"""
_BROADER = """
INSERT INTO work.broader WITH RECURSIVE up (id) AS (
  SELECT parent FROM work.isa WHERE child IN (SELECT id FROM work.known)
  UNION SELECT isa.parent FROM up JOIN work.isa AS isa ON isa.child = up.id) SELECT id FROM up
"""
_OTHER = """
INSERT INTO work.other SELECT id FROM work.concept WHERE active AND id IN (SELECT id FROM work.inside)
  AND id NOT IN (SELECT id FROM work.known) AND id NOT IN (SELECT id FROM work.reach)
  AND id NOT IN (SELECT id FROM work.gap) AND id NOT IN (SELECT id FROM work.broader)
  AND id NOT IN (SELECT id FROM work.situation)
"""


class Meanings:
    """Settles what each concept means, in working tables of the pack."""

    def __init__(self, pack: Pack, known: Known, model: Model) -> None:
        self._pack, self._known, self._model = pack, known, model
        self._several: frozenset[int] = frozenset()

    @cached_property
    def _roots(self) -> Mapping[int, tuple[frozenset[str], str]]:
        """(concepts, aspect) of each concept that the shipped tables know as one or several of salus's."""
        rows = self._known.codes("d", "snomed")
        return {int(code): (frozenset(names.split("+")), aspect) for code, names, aspect in rows if names}

    @cached_property
    def _shipped_others(self) -> frozenset[int]:
        """Concepts that the shipped tables know as none of salus's; this says nothing of what stands below them."""
        return frozenset(int(code) for code, names, _ in self._known.codes("d", "snomed") if not names)

    def settle(self, described: Iterable[tuple[int, bool, str]]) -> None:
        """Fill ``work.settled`` from concepts, relationships and associations.

        A concept of several things ("disorder of pregnancy, childbirth and/or puerperium") says of none of its kinds
        which of them it is: ``described`` are the names by which such concepts are told, and passed over.
        """
        self._several = frozenset(
            number for number, full, term in described if full and number in self._roots and _OR.search(term)
        )
        pack, model = self._pack, self._model
        for statement in _TABLES.split(";"):
            pack.sql(statement)
        pack.many("INSERT INTO work.known VALUES (?)", ((number,) for number in self._roots))
        pack.sql(
            "INSERT OR IGNORE INTO work.isa SELECT child, parent FROM work.link WHERE active AND type = ? "
            "AND child IN (SELECT id FROM work.concept WHERE active)", model["type"]["is-a"],
        )  # fmt: skip
        pack.sql("CREATE INDEX work.children ON isa (parent, child)")
        for statement in (_GAP, _REACH, _BROADER):
            pack.sql(statement)
        pack.sql(_BELOW.format("situation"), model["context"]["situation"])
        for top in model["hierarchy"].values():
            pack.sql(_BELOW.format("inside"), top)
        self._subsumed()
        self._situations()
        pack.sql(_OTHER)
        for number in self._shipped_others:
            pack.sql("DELETE FROM work.other WHERE id = ?", number)
            if pack.sql("SELECT 1 FROM work.concept WHERE id = ?", number).fetchone():
                self._put(number, (), "")
        self._count()

    def _subsumed(self) -> None:
        direct = dict(self._pairs("id IN (SELECT id FROM work.known)"))
        above = _closed(direct)
        situations = {row[0] for row in self._pack.sql("SELECT id FROM work.situation")}
        for number, roots in self._pairs(
            "id NOT IN (SELECT id FROM work.known) AND id NOT IN (SELECT id FROM work.gap) "
            "AND id IN (SELECT id FROM work.concept WHERE active)"
        ):
            roots = self._told(roots, direct)
            nearest = roots - {upper for root in roots for upper in above(root)}
            if not nearest:
                self._pack.losses.add("concepts below a concept of several things, left unread")
                continue
            aspects = {self._roots[root][1] for root in nearest}
            if len(aspects) != 1 or (number in situations and not nearest <= situations):
                self._pack.losses.add("concepts below concepts of several aspects, left unread")
            else:
                self._put(number, frozenset().union(*(self._roots[root][0] for root in nearest)), aspects.pop())

    def _told(self, roots: frozenset[int], direct: Mapping[int, frozenset[int]]) -> frozenset[int]:
        """Known concepts, with what stands above them instead of each that is a concept of several things."""
        seen: set[int] = set()
        waiting = list(roots)
        while waiting:
            root = waiting.pop()
            if root not in seen:
                seen.add(root)
                waiting += direct.get(root, ()) if root in self._several else ()
        return frozenset(seen - self._several)

    def _pairs(self, where: str) -> Iterator[tuple[int, frozenset[int]]]:
        """(concept, the nearest known concepts above it), by concept."""
        rows = self._pack.sql(f"SELECT id, root FROM work.reach WHERE {where} ORDER BY id")
        for number, group in groupby(rows, key=lambda row: int(row[0])):
            yield number, frozenset(int(root) for _, root in group)

    def _put(self, number: int, concepts: Iterable[str], aspect: str) -> None:
        meaning = self._pack.meaning(joined(concepts))
        self._pack.sql("INSERT OR REPLACE INTO work.settled VALUES (?, ?, ?)", number, meaning, aspect)

    def _situations(self) -> None:
        """Read situations by their attributes: whose finding it is, whether it is there, and when."""
        kinds = {value: name for name, value in self._model["situation"].items()}
        rows = self._pack.sql(
            "SELECT child, type, parent FROM work.link WHERE active AND child IN (SELECT id FROM work.situation) "
            "AND child IN (SELECT id FROM work.concept WHERE active) AND child NOT IN (SELECT id FROM work.known) "
            "AND child NOT IN (SELECT id FROM work.settled) AND child <> ? ORDER BY child",
            self._model["context"]["situation"],
        ).fetchall()
        for number, group in groupby(rows, key=lambda row: int(row[0])):
            values: dict[str, set[int]] = {}
            for _, kind, value in group:
                values.setdefault(kinds.get(kind, ""), set()).add(value)
            aspect = self._aspect(values)
            finding = next(iter(values["finding"])) if aspect else 0
            concepts, own = self._meaning(finding) or (frozenset(), "")
            if concepts and not own and (aspect != "denied" or _is_all_of(finding, concepts)):
                self._put(number, concepts, aspect)
            else:
                self._pack.losses.add("situations that their definition does not settle, left unread")

    def _aspect(self, values: Mapping[str, set[int]]) -> str:
        """The aspect that a definition states; "" where it is none of those that salus reads."""
        names = ("finding", "finding-context", "temporal-context", "subject")
        if any(len(values.get(name, ())) != 1 for name in names):
            return ""
        _, context, time, subject = (next(iter(values[name])) for name in names)
        ids = self._model["situation"]
        past, present = time == ids["past"], context == ids["known-present"]
        if subject == ids["subject-of-record"]:
            if present:
                return "history" if past else ""
            return "denied" if context == ids["known-absent"] and not past else ""
        return "family" if present and subject in self._relatives else ""

    @cached_property
    def _relatives(self) -> frozenset[int]:
        """The subject that is a person of the family, and its kinds."""
        self._pack.sql("CREATE TABLE work.relative (id INTEGER PRIMARY KEY)")
        self._pack.sql(_BELOW.format("relative"), self._model["situation"]["person-in-family"])
        return frozenset(int(row[0]) for row in self._pack.sql("SELECT id FROM work.relative"))

    def _meaning(self, number: int) -> tuple[frozenset[str], str] | None:
        """(concepts, aspect) of a concept that is settled or known."""
        if number in self._roots:
            return self._roots[number]
        row = self._pack.sql(
            "SELECT names, aspect FROM work.settled AS s JOIN meaning ON meaning.id = s.meaning WHERE s.id = ?", number
        ).fetchone()
        return (frozenset(row[0].split("+")) - {""}, row[1]) if row else None

    def _count(self) -> None:
        losses = self._pack.losses
        gap = "SELECT count(*) FROM work.gap WHERE id IN (SELECT id FROM work.concept WHERE active)"
        losses.add("concepts whose ancestors the release does not hold, left unread",
                   count=self._pack.sql(gap).fetchone()[0])  # fmt: skip
        broad = (
            "SELECT count(*) FROM work.broader WHERE id NOT IN (SELECT id FROM work.known) "
            "AND id NOT IN (SELECT id FROM work.reach)"
        )
        losses.add("concepts broader than one of salus's, left unread", count=self._pack.sql(broad).fetchone()[0])

    def full_names(self, described: Iterable[tuple[int, bool, str]]) -> None:
        """Hold the fully specified names against what was settled: a name that says otherwise leaves it unread."""
        words = self._known.words
        for number, full, term in described:
            if not full:
                continue
            plain = plain_words(term)
            found = self._pack.sql("SELECT aspect FROM work.settled WHERE id = ?", number).fetchone()
            if found and not found[0] and words.split(plain)[0] != "active":
                self._pack.sql("DELETE FROM work.settled WHERE id = ?", number)
                self._pack.losses.add("concepts whose name states another aspect than their place, left unread")
            elif self._pack.sql("SELECT 1 FROM work.other WHERE id = ?", number).fetchone() and words.by_rules(
                words.split(plain)[1]
            ):
                self._pack.sql("DELETE FROM work.other WHERE id = ?", number)
                self._pack.losses.add("concepts whose name, but not their place, names one of salus's, left unread")

    def outside(self) -> None:
        """Settle what is none of salus's concepts, and then the inactive concepts by their successors."""
        self._pack.sql("INSERT INTO work.settled SELECT id, ?, '' FROM work.other", self._pack.meaning(""))
        rows = self._pack.sql(
            "SELECT old, min(new) FROM work.replaced WHERE active AND old IN "
            "(SELECT id FROM work.concept WHERE NOT active) GROUP BY old HAVING count(DISTINCT new) = 1"
        )
        successor = {int(old): int(new) for old, new in rows}
        inactive = [int(row[0]) for row in self._pack.sql("SELECT id FROM work.concept WHERE NOT active")]
        for number in inactive:
            if number in self._roots:
                continue
            target = number
            for _ in range(LONGEST_CHAIN):
                target = successor.get(target, target)
            found = self._meaning(target) if target not in successor and target != number else None
            if found:
                self._put(number, *found)
            else:
                self._pack.losses.add("inactive concepts without one successor that is read, left unread")

    def names(self, described: Iterable[tuple[int, bool, str]]) -> None:
        """Names of diagnoses, for look-up of whole texts, in every language of the edition."""
        for number, _, term in described:
            found = self._meaning(number)
            if not found or found[1]:
                continue
            names = joined(found[0])
            digest = self._known.title_of(term, names)
            if digest is not None:
                self._pack.title(digest, names)

    def write(self) -> None:
        """Write the codes into the pack."""
        self._pack.sql("INSERT INTO code SELECT 'd', 'snomed', id, meaning, aspect FROM work.settled ORDER BY id")


def _is_all_of(finding: int, concepts: frozenset[str]) -> bool:
    """Whether a finding is the very concept: that one of its kinds is absent does not deny the whole."""
    return len(concepts) == 1 and Code(SYSTEMS["snomed"], str(finding)) in {
        Code(code.system, code.code) for code in registry()[next(iter(concepts))].codes
    }


def _closed(direct: Mapping[int, frozenset[int]]) -> Callable[[int], frozenset[int]]:
    """Every known concept above a known one, from those that stand directly above it."""
    kept: dict[int, frozenset[int]] = {}

    def above(number: int) -> frozenset[int]:
        if number not in kept:
            kept[number] = frozenset()  # a circle in the hierarchy ends here
            upper = direct.get(number, frozenset())
            kept[number] = upper.union(*(above(root) for root in upper))
        return kept[number]

    return above
