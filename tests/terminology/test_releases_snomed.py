"""SNOMED CT editions: what a concept means by its place, its definition, its successor and its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.errors import InputError
from salus.terminology.meaning import Diagnosis
from salus.terminology.reader import Terminology, shipped
from salus.terminology.releases.known import Known
from salus.terminology.releases.load import load
from tests.terminology.releases_made import (
    DIABETES,
    DISEASE,
    FINDING,
    INFARCTION,
    ISA,
    OLD_INFARCTION,
    POSSIBLY,
    REPLACED_BY,
    ROOT,
    SITUATION,
    SNOMED,
    TYPE_2,
    Edition,
    code,
    edition,
    loaded,
    reasons,
)

FINDING_OF, CONTEXT, TIME, SUBJECT = 246090004, 408729009, 408731000, 408732007
PRESENT, ABSENT, SUSPECTED = 410515003, 410516002, 415684004
PAST, CURRENT = 410513005, 410512000
SELF, FAMILY = 410604004, 444148008


def meaning(terminology: Terminology, number: int) -> Diagnosis:
    return terminology.diagnosis(code(SNOMED, number))


def one(made: Edition, tmp_path: Path, number: int) -> Diagnosis:
    return meaning(loaded(made.write(tmp_path / "release"), tmp_path)[1], number)


def test_the_made_up_ids_are_not_shipped():
    assert not meaning(shipped(), 9000002).understood
    assert meaning(shipped(), TYPE_2).narrow == {"diabetes-type-2"}
    assert meaning(shipped(), OLD_INFARCTION).aspect == "history"


def test_a_descendant_means_what_the_nearest_known_ancestor_means(tmp_path):
    made = (
        edition().concept(9000002, "Sugar of the hot summer", 9000003, TYPE_2).concept(9000003, "Hot sugar", DIABETES)
    )
    made.concept(9000004, "Sugar of the hottest summer", 9000002)
    _, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    for number in (9000002, 9000004):
        found = meaning(terminology, number)
        assert (found.narrow, found.aspect, found.basis) == ({"diabetes-type-2"}, "active", "code")
        assert "diabetes" in found.concepts
    assert meaning(terminology, 9000003).narrow == {"diabetes"}
    assert meaning(terminology, TYPE_2).narrow == {"diabetes-type-2"}


def test_two_ancestors_of_different_concepts_are_both_meant(tmp_path):
    made = edition().concept(9000002, "Sugar and heart", TYPE_2, INFARCTION)
    assert one(made, tmp_path, 9000002).narrow == {"diabetes-type-2", "myocardial-infarction"}


def test_below_a_past_event_everything_is_past(tmp_path):
    made = edition().concept(9000005, "Scar below", OLD_INFARCTION, 9000006).concept(9000006, "Death below", INFARCTION)
    _, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    found = meaning(terminology, 9000005)
    assert (found.narrow, found.aspect) == ({"myocardial-infarction-old"}, "history")
    assert meaning(terminology, 9000006).aspect == "active"


def test_two_aspects_are_left_unread(tmp_path):
    made = edition().concept(9000010, "Scar and sugar", OLD_INFARCTION, DIABETES)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert not meaning(terminology, 9000010).understood
    assert reasons(done)["concepts below concepts of several aspects, left unread"] == 1


def test_what_lies_beside_is_outside_and_what_lies_above_stays_unread(tmp_path):
    made = (
        edition().concept(9000007, "Ingrown toenail (disorder)", DISEASE).concept(9000040, "Red (qualifier)", 138875005)
    )
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    found = meaning(terminology, 9000007)
    assert (found.basis, found.concepts) == ("outside", frozenset())
    for above in (9000001, DISEASE, FINDING, 138875005):
        assert not meaning(terminology, above).understood
    assert not meaning(terminology, 9000040).understood, "a quality may be said of anything"
    assert reasons(done)["concepts broader than one of salus's, left unread"] == 4


def test_a_concept_of_several_things_says_nothing_of_its_kinds(tmp_path):
    made = Edition()
    made.concept(ROOT, "Top").concept(FINDING, "Finding", ROOT).concept(DISEASE, "Disease", FINDING)
    made.concept(DIABETES, "Sugar disease", DISEASE).concept(TYPE_2, "First and/or second sugar disease", DIABETES)
    made.concept(INFARCTION, "Heart death or the like (disorder)", DISEASE).term(OLD_INFARCTION, "or")
    made.concept(9000050, "Below both", TYPE_2).concept(9000051, "Below one", INFARCTION)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert meaning(terminology, 9000050).narrow == {"diabetes"}
    assert not meaning(terminology, 9000051).understood
    assert reasons(done)["concepts below a concept of several things, left unread"] == 1


def test_what_is_shipped_as_something_else_stays_so_and_says_nothing_of_its_kinds(tmp_path, monkeypatch):
    real = Known.codes

    def codes(self, kind, system):
        yield from real(self, kind, system)
        yield 9000060, "", ""

    monkeypatch.setattr(Known, "codes", codes)
    made = edition().concept(9000060, "Read by eye", TYPE_2).concept(9000061, "Below it", 9000060)
    _, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert meaning(terminology, 9000060).basis == "outside"
    assert meaning(terminology, 9000061).narrow == {"diabetes-type-2"}


def test_a_name_that_states_another_aspect_or_another_concept_leaves_it_unread(tmp_path):
    made = edition().concept(9000008, "Hot sugar in remission (disorder)", DIABETES)
    made.concept(9000009, "Epilepsy of the toe (disorder)", DISEASE)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert not meaning(terminology, 9000008).understood
    assert not meaning(terminology, 9000009).understood
    losses = reasons(done)
    assert losses["concepts whose name states another aspect than their place, left unread"] == 1
    assert losses["concepts whose name, but not their place, names one of salus's, left unread"] == 1


@pytest.mark.parametrize(
    ("finding", "context", "time", "subject", "aspect"),
    [
        (DIABETES, PRESENT, CURRENT, FAMILY, "family"),
        (DIABETES, PRESENT, CURRENT, 9000016, "family"),
        (DIABETES, ABSENT, CURRENT, SELF, "denied"),
        (DIABETES, PRESENT, PAST, SELF, "history"),
        (9000002, PRESENT, PAST, SELF, "history"),
        (9000002, ABSENT, CURRENT, SELF, None),
        (DIABETES, PRESENT, CURRENT, SELF, None),
        (DIABETES, ABSENT, PAST, SELF, None),
        (DIABETES, ABSENT, CURRENT, FAMILY, None),
        (DIABETES, SUSPECTED, CURRENT, SELF, None),
        (DIABETES, PRESENT, CURRENT, 9000017, None),
        (OLD_INFARCTION, ABSENT, CURRENT, SELF, None),
        (9000007, ABSENT, CURRENT, SELF, None),
    ],
)
def test_a_situation_is_read_by_its_definition_only(tmp_path, finding, context, time, subject, aspect):
    made = edition().concept(9000002, "Hot sugar", TYPE_2).concept(9000007, "Toenail", DISEASE)
    made.concept(FAMILY, "Relative", 138875005).concept(9000016, "Mother", FAMILY).concept(9000017, "Donor", 138875005)
    made.concept(9000011, "Told of it (situation)", SITUATION)
    for kind, value in ((FINDING_OF, finding), (CONTEXT, context), (TIME, time), (SUBJECT, subject)):
        made.link(9000011, kind, value)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    found = meaning(terminology, 9000011)
    if aspect is None:
        assert not found.understood
        assert reasons(done)["situations that their definition does not settle, left unread"] == 1
    else:
        assert found.aspect == aspect
        assert "diabetes" in found.concepts


def test_a_situation_of_two_findings_or_below_a_disease_is_not_read(tmp_path):
    made = edition().concept(9000011, "Told of two (situation)", SITUATION).concept(9000012, "Odd", SITUATION, DIABETES)
    for kind, value in ((FINDING_OF, DIABETES), (FINDING_OF, INFARCTION), (CONTEXT, ABSENT), (TIME, CURRENT)):
        made.link(9000011, kind, value)
    made.link(9000011, SUBJECT, SELF)
    _, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert not meaning(terminology, 9000011).understood
    assert not meaning(terminology, 9000012).understood


def test_an_inactive_concept_means_what_its_one_successor_means(tmp_path):
    made = edition().concept(9000002, "Hot sugar", TYPE_2).concept(9000007, "Toenail", DISEASE)
    for number in range(9000020, 9000026):
        made.concept(number, "Gone", active=0)
    made.successor(9000020, 9000002).successor(9000021, 9000007, REPLACED_BY).successor(9000022, 9000002)
    made.successor(9000022, DIABETES, REPLACED_BY).successor(9000023, 9000020).successor(9000024, DIABETES, POSSIBLY)
    made.successor(9000025, DIABETES, active=0)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert meaning(terminology, 9000020).narrow == {"diabetes-type-2"}
    assert meaning(terminology, 9000021).basis == "outside"
    assert meaning(terminology, 9000023).narrow == {"diabetes-type-2"}
    for number in (9000022, 9000024, 9000025):
        assert not meaning(terminology, number).understood
    assert reasons(done)["inactive concepts without one successor that is read, left unread"] == 3


def test_successors_in_a_circle_end(tmp_path):
    made = (
        edition().concept(9000020, "Gone", active=0).concept(9000021, "Gone", active=0).concept(9000007, "T", DISEASE)
    )
    made.successor(9000020, 9000021).successor(9000021, 9000020)
    assert not one(made, tmp_path, 9000020).understood


def test_an_extension_whose_ancestors_are_missing_stays_unread(tmp_path):
    made = edition().concept(9000030, "Below nothing", 9999999).concept(9000031, "Below both", 9000030, DIABETES)
    made.concept(9000007, "Toenail", DISEASE).concept(9000032, "Below a toenail and nothing", 9000007, 9999999)
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)
    assert meaning(terminology, 9000007).basis == "outside"
    for number in (9000030, 9000031, 9000032):
        assert not meaning(terminology, number).understood
    assert reasons(done)["concepts whose ancestors the release does not hold, left unread"] == 3


def test_of_a_relationship_in_two_modules_the_newer_counts(tmp_path):
    base = edition().link(9000002, ISA, TYPE_2, number=7000000123).link(9000002, ISA, DISEASE)
    base.concept(9000002, "Reclassified")
    extension = Edition("YY9000002", "20260301")
    extension.link(9000002, ISA, TYPE_2, active=0, number=7000000123)
    base.write(tmp_path / "release" / "a")
    extension.write(tmp_path / "release" / "b")
    done, terminology = loaded(tmp_path / "release", tmp_path)
    assert meaning(terminology, 9000002).basis == "outside"
    assert done.name == "snomed-xx9000001-yy9000002"
    assert done.origin.version == "20260301"


def test_an_older_module_does_not_undo_a_newer(tmp_path):
    base = edition().link(9000002, ISA, TYPE_2, number=7000000123).concept(9000002, "Kept")
    extension = Edition("YY9000002", "20200101")
    extension.link(9000002, ISA, TYPE_2, active=0, number=7000000123)
    base.write(tmp_path / "release" / "a")
    extension.write(tmp_path / "release" / "b")
    _, terminology = loaded(tmp_path / "release", tmp_path)
    assert meaning(terminology, 9000002).narrow == {"diabetes-type-2"}


def test_names_are_read_in_the_languages_of_the_edition(tmp_path):
    made = edition().concept(9000002, "Sugar of the hot summer (disorder)", TYPE_2)
    made.concept(9000007, "Ingrown toenail (disorder)", DISEASE)
    made.term(DIABETES, "Zuckerharnruhr", "de").term(9000007, "Eingewachsener Zehennagel", "de")
    made.term(9000002, "zweideutig", "de").term(9000007, "zweideutig", "de").term(9000007, "EZN", "de")
    made.term(9000002, "verworfen", "de", active=0).concept(9000005, "Alte Narbe", OLD_INFARCTION)
    made.term(9000007, "diabetes of the toe")
    done, terminology = loaded(made.write(tmp_path / "release"), tmp_path)

    def text(words: str) -> Diagnosis:
        return terminology.diagnosis((), words)

    assert text("zuckerharnruhr").narrow == {"diabetes"}
    assert text("Sugar of the hot summer").narrow == {"diabetes-type-2"}
    assert text("Verdacht auf Zuckerharnruhr").aspect == "possible"
    assert text("Eingewachsener Zehennagel").basis == "outside"
    for words in ("zweideutig", "EZN", "verworfen", "Alte Narbe"):
        assert text(words).basis == "unknown", words
    assert text("diabetes of the toe").narrow == {"diabetes"}, "the rules over words say more than the code's place"
    assert reasons(done)["names of diagnoses that mean several things"] == 1


def test_bad_rows_are_counted(tmp_path):
    folder = edition().concept(9000007, "Toenail", DISEASE).write(tmp_path / "release")
    for kind, line in (("Concept", b"x\t20260101\t1\t1\t1\r\n"), ("Relationship", b"only\tthree\tfields\r\n")):
        path = next(folder.rglob(f"sct2_{kind}_*.txt"))
        path.write_bytes(path.read_bytes() + line)
    done, _ = loaded(folder, tmp_path)
    losses = reasons(done)
    assert losses["rows of sct2_Concept_Snapshot_XX9000001_20260101.txt that are no concepts"] == 1
    named = "rows of sct2_Relationship_Snapshot_XX9000001_20260101.txt with another number of columns"
    assert losses[named] == 1
    assert next(loss for loss in done.losses if loss.reason == named).first.startswith("line ")


def test_an_edition_without_its_snapshot_is_refused(tmp_path):
    folder = edition().write(tmp_path / "release")
    next(folder.rglob("sct2_Relationship_*")).unlink()
    with pytest.raises(InputError, match="no Snapshot file of relationships"):
        load(folder, tmp_path / "packs")
    assert not (tmp_path / "packs").exists()


def test_a_missing_column_is_refused(tmp_path):
    folder = edition().write(tmp_path / "release")
    path = next(folder.rglob("sct2_Concept_*"))
    path.write_bytes(path.read_bytes().replace(b"effectiveTime", b"time", 1))
    with pytest.raises(InputError, match="no column 'effectiveTime'"):
        load(folder, tmp_path / "packs")
    assert list((tmp_path / "packs").glob("*.sqlite")) == []
