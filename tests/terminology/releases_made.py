"""Small made-up releases in the true file formats. The terms are ours; identifiers are of the model or made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from salus.fhir.codes import Code
from salus.terminology.reader import Terminology
from salus.terminology.releases.load import Loaded, load

SNOMED = "http://snomed.info/sct"
ISA = 116680003
ROOT, FINDING, DISEASE, PROCEDURE, SITUATION = 138875005, 404684003, 64572001, 71388002, 243796009
DIABETES, TYPE_2, INFARCTION, OLD_INFARCTION = 73211009, 44054006, 22298006, 1755008
INFERRED, MODULE = 900000000000011006, 900000000000207008
FSN, SYNONYM = 900000000000003001, 900000000000013009
SAME_AS, REPLACED_BY, POSSIBLY = 900000000000527005, 900000000000526001, 900000000000523009


def rows(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]], mark: str = "\t") -> Path:
    """Write a table with the line ends of RF2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [mark.join(header), *(mark.join(map(str, line)) for line in lines)]
    path.write_bytes("".join(line + "\r\n" for line in text).encode())
    return path


class Edition:
    """An edition of SNOMED CT in the making."""

    def __init__(self, name: str = "XX9000001", date: str = "20260101") -> None:
        self.name, self.date = name, date
        self.concepts: list[tuple[object, ...]] = []
        self.links: list[tuple[object, ...]] = []
        self.terms: dict[str, list[tuple[object, ...]]] = {"en": []}
        self.history: list[tuple[object, ...]] = []

    def concept(self, number: int, term: str, *parents: int, active: int = 1) -> Edition:
        self.concepts.append((number, self.date, active, MODULE, 900000000000074008))
        self.term(number, term, kind=FSN)
        for parent in parents:
            self.link(number, ISA, parent)
        return self

    def link(self, child: int, kind: int, parent: int, active: int = 1, number: int = 0, date: str = "") -> Edition:
        own = number or 1000000 + 1000 * len(self.links) + int(self.name[-2:])
        self.links.append(
            (own, date or self.date, active, MODULE, child, parent, 0, kind, INFERRED, 900000000000451002)
        )
        return self

    def term(self, number: int, term: str, language: str = "en", kind: int = SYNONYM, active: int = 1) -> Edition:
        held = self.terms.setdefault(language, [])
        held.append((2000000 + len(held), self.date, active, MODULE, number, language, kind, term, 900000000000448009))
        return self

    def successor(self, old: int, new: int, kind: int = SAME_AS, active: int = 1) -> Edition:
        own = f"00000000-0000-4000-8000-{len(self.history):012d}"
        self.history.append((own, self.date, active, MODULE, kind, old, new))
        return self

    def write(self, folder: Path) -> Path:
        """Write the Snapshot files; the folder."""
        end = f"{self.name}_{self.date}.txt"
        home = folder / "Snapshot" / "Terminology"
        common = ("id", "effectiveTime", "active", "moduleId")
        rows(home / f"sct2_Concept_Snapshot_{end}", (*common, "definitionStatusId"), self.concepts)
        link = ("sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId")
        rows(home / f"sct2_Relationship_Snapshot_{end}", (*common, *link), self.links)
        term = ("conceptId", "languageCode", "typeId", "term", "caseSignificanceId")
        for language, terms in self.terms.items():
            rows(home / f"sct2_Description_Snapshot-{language}_{end}", (*common, *term), terms)
        refset = folder / "Snapshot" / "Refset" / "Content" / f"der2_cRefset_AssociationSnapshot_{end}"
        rows(refset, (*common, "refsetId", "referencedComponentId", "targetComponentId"), self.history)
        return folder


def edition() -> Edition:
    """The top of SNOMED CT, and four concepts that the shipped tables know."""
    made = Edition()
    made.concept(ROOT, "Top").concept(FINDING, "Finding (finding)", ROOT).concept(DISEASE, "Disease", FINDING)
    made.concept(PROCEDURE, "Procedure (procedure)", ROOT).concept(SITUATION, "Situation (situation)", ROOT)
    made.concept(9000001, "Disorder of sugar (disorder)", DISEASE)
    made.concept(DIABETES, "Sugar disease (disorder)", 9000001).concept(TYPE_2, "Second sugar disease", DIABETES)
    made.concept(INFARCTION, "Heart muscle death", DISEASE)
    return made.concept(OLD_INFARCTION, "Scar of heart muscle", INFARCTION)


def rrf(path: Path, lines: Iterable[Mapping[str, object]], columns: Sequence[str]) -> Path:
    """Write a Rich Release Format table: every field ends in a bar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join("".join(f"{line.get(name, '')}|" for name in columns) + "\n" for line in lines)
    path.write_text(text, "utf-8")
    return path


def loaded(path: Path, folder: Path, kind: str | None = None) -> tuple[Loaded, Terminology]:
    """Load a release, and the terminology with it alone."""
    done = load(path, folder / "packs", kind)
    return done, Terminology([done.path])


def reasons(done: Loaded) -> dict[str, int]:
    """How often each reason was a loss."""
    return {loss.reason: loss.count for loss in done.losses}


def code(system: str, number: object) -> list[Code]:
    """One coding without words."""
    return [Code(system, str(number))]
