"""Codes and words of whole classes, and of what was not tolerated."""

from __future__ import annotations

import pytest

from salus.fhir.codes import Code
from salus.terminology import classes
from salus.terminology.reader import shipped

ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.mark.parametrize(
    ("system", "code", "cls"),
    [
        (ATC, "C10AA", "statin"),
        (ATC, "C09A", "ace-inhibitor"),
        (ATC, "C09AA", "ace-inhibitor"),
        (ATC, "J01C", "penicillin"),
        (SNOMED, "372912004", "statin"),
        (SNOMED, "372733002", "ace-inhibitor"),
        (SNOMED, "372913009", "arb"),
        (ICD, "T46.4X5A", "ace-inhibitor"),
        (ICD, "T46.6X5D", "statin"),
        (ICD, "T45.515S", "parenteral-anticoagulant"),
    ],
)
def test_the_code_of_a_class_is_the_class(system: str, code: str, cls: str) -> None:
    found = shipped().substance([Code(system, code)])
    assert cls in found.classes
    assert (found.ingredients, found.basis, found.understood) == ((), "code", True)
    assert [c.code for c in found.used] == [code]
    assert not found.unread


@pytest.mark.parametrize(
    ("system", "code"),
    [(ATC, "C10"), (ATC, "Z99"), (SNOMED, "3729120041"), (ICD, "T46.4X1A"), (ICD, "I10"), ("urn:x", "C10AA")],
)
def test_other_codes_are_no_class(system: str, code: str) -> None:
    assert not shipped().substance([Code(system, code)]).classes


def test_a_code_of_a_product_and_words_of_an_ingredient_stay_what_they_are() -> None:
    assert shipped().substance([Code(ATC, "C09AA05")]).ingredients == ("ramipril",)
    assert shipped().substance([Code(ATC, "C10AA")], "Atorvastatin").ingredients == ("atorvastatin",)


@pytest.mark.parametrize(
    ("text", "cls"),
    [
        ("Statin intolerance", "statin"),
        ("Allergy to statin", "statin"),
        ("Statin intolerance - myalgia on three statins", "statin"),
        ("Adverse effect of ACE inhibitor", "ace-inhibitor"),
        ("Intolerancia a estatinas", "statin"),
        ("Intolérance aux statines", "statin"),
        ("Statinunverträglichkeit", "statin"),
        ("Statin-induced myopathy", "statin"),
        ("Myalgia on atorvastatin", "statin"),
    ],
)
def test_words_of_a_problem_list_say_what_was_not_tolerated(text: str, cls: str) -> None:
    assert cls in shipped().not_tolerated([], text).classes


@pytest.mark.parametrize(
    "text",
    [
        "Statin",
        "No statin intolerance",
        "Myopathy",
        "Hypertension",
        "Seasonal allergies",
        "Peanut allergy",
        "Lisinopril 10 mg",
    ],
)
def test_other_words_say_nothing_of_it(text: str) -> None:
    found = shipped().not_tolerated([], text)
    assert not found.understood
    assert not shipped().not_tolerated([Code(ATC, "C10AA")]).understood


def test_an_adverse_effect_by_its_code_says_it_without_words() -> None:
    assert shipped().not_tolerated([Code(ICD, "T46.4X5A")]).classes == {"ace-inhibitor"}
    assert shipped().not_tolerated([Code(SNOMED, "291000000")], "Allergy to ramipril").ingredients == ("ramipril",)


def test_every_class_of_the_table_has_members() -> None:
    known = set(classes._members())
    named = {name for names in classes._by_code().values() for name in names}
    unknown = named - known
    assert {"statin", "ace-inhibitor", "parenteral-anticoagulant"} <= named & known
    assert all("combination" in name or "topical" in name or "eye" in name or name in SMALL for name in unknown)


SMALL = {
    "h-pylori-eradication", "aminosalicylate", "arni", "combined-contraceptive", "hiv-combination", "nasal-medicine",
    "nasal-steroid", "glaucoma-medicine",
}  # fmt: skip
"""Groups of the ATC table of which no ingredient is a member alone."""


@pytest.mark.parametrize("name", ["Clexane 80 mg", "Lovenox", "Fragmin", "Arixtra", "fondaparinux", "heparin"])
def test_injected_anticoagulants_are_a_class_of_their_own(name: str) -> None:
    found = shipped().medicine([], name)
    assert found.is_a("parenteral-anticoagulant")
    assert not found.is_a("anticoagulant")
