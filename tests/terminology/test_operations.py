"""Operations by their words: on vessels they carry the disease, of unknown kinds they are not understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.terminology import operations
from salus.terminology.abbreviations import spelled
from salus.terminology.meaning import Diagnosis
from salus.terminology.reader import shipped


def done(text: str) -> Diagnosis:
    return shipped().procedure([], text)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Left carotid endarterectomy", "carotid-stenosis"),
        ("Carotid artery stenting", "carotid-stenosis"),
        ("Stenting of the internal carotid artery", "carotid-stenosis"),
        ("Right CEA", "carotid-stenosis"),
        ("Femoropopliteal bypass graft, right leg", "peripheral-arterial-disease"),
        ("Fem-pop bypass", "peripheral-arterial-disease"),
        ("Aortobifemoral bypass", "peripheral-arterial-disease"),
        ("Stenting of common iliac artery", "peripheral-arterial-disease"),
        ("PTA left SFA", "peripheral-arterial-disease"),
        ("Angioplasty of the superficial femoral artery", "peripheral-arterial-disease"),
        ("Below-knee amputation for critical limb ischaemia", "peripheral-arterial-disease"),
        ("Femoropopliteal bypass with saphenous vein", "peripheral-arterial-disease"),
        ("Endovascular aneurysm repair (EVAR)", "aortic-aneurysm"),
        ("Open repair of abdominal aortic aneurysm", "aortic-aneurysm"),
        ("Mechanical thrombectomy of middle cerebral artery", "ischaemic-stroke"),
        ("Vertebral artery stent", "cerebral-artery-stenosis"),
        ("Renal artery stenting", "renal-artery-stenosis"),
        ("Coronary atherectomy", "percutaneous-coronary-intervention"),
        ("PTCA of RCA", "percutaneous-coronary-intervention"),
        ("LIMA to LAD graft", "coronary-artery-bypass-grafting"),
        ("ACVB", "coronary-artery-bypass-grafting"),
        ("Pontage aorto-coronarien", "coronary-artery-bypass-grafting"),
        ("Koronarangiographie mit Stentimplantation", "coronary-stent"),
        ("Thrombolysis for stroke", "ischaemic-stroke"),
    ],
)
def test_an_operation_on_a_vessel_carries_its_disease(text: str, concept: str) -> None:
    for read in (done(text), shipped().diagnosis([], f"S/P {text}")):
        assert concept in read.narrow
        assert read.basis == "text"
        assert read.aspect in ("history", "active")


@pytest.mark.parametrize(
    "text",
    [
        "Planned carotid endarterectomy",
        "Counselling about coronary artery bypass surgery",
        "Referral for femoropopliteal bypass",
        "Iliac vein stenting",
        "Koronarangiographie ohne Zxqvimplantation",
        "Thrombolysis",
        "Amputation of left great toe",
        "Vascular surgery",
        "Unknown operation",
        "Embolectomy",
        "Arteriotomy",
        "Ultrasound guided thrombectomy of vessel",
        "stent",
    ],
)
def test_what_is_of_no_known_kind_or_not_done_says_nothing_and_is_not_understood(text: str) -> None:
    read = done(text)
    assert (read.concepts, read.understood) == (frozenset(), False)


@pytest.mark.parametrize(
    "text",
    [
        "Colonoscopy",
        "Appendectomy",
        "Laparoscopic cholecystectomy",
        "Knee arthroplasty",
        "Suture open wound",
        "Coronary angiography",
        "Echocardiography",
        "Diabetes education",
        "Ureteric stent insertion",
        "Biliary stent",
    ],
)
def test_a_harmless_kind_and_an_examination_leave_nothing(text: str) -> None:
    read = done(text)
    assert (read.concepts, read.basis) == (frozenset(), "outside")


@pytest.mark.parametrize("text", ["Ureteric stent in situ", "Biliary stent", "JJ stent", "Double-J stent left"])
def test_a_stent_of_another_organ_is_none_of_ours_on_a_problem_list_too(text: str) -> None:
    assert shipped().diagnosis([], text).basis == "outside"
    assert not operations.elsewhere(f"{text.lower()} and drug eluting stent")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("costovertebral angle (cva) tenderness", "costovertebral angle tenderness"),
        ("cold agglutinin disease (cad)", "cold agglutinin disease"),
        ("coronary artery disease (cad)", "coronary artery disease"),
        ("cad (cold agglutinin disease)", "cold agglutinin disease"),
        ("chest pain (mi)", "chest pain (mi)"),
        ("cad (one vessel)", "cad (one vessel)"),
        ("diabetes (type 2)", "diabetes (type 2)"),
    ],
)
def test_an_abbreviation_beside_its_own_long_form_is_this_form(text: str, rest: str) -> None:
    assert spelled(text) == rest


@pytest.mark.parametrize(
    ("text", "concept", "has"),
    [
        ("Costovertebral angle (CVA) tenderness", "stroke", False),
        ("Cold agglutinin disease (CAD)", "coronary-heart-disease", False),
        ("Coronary artery disease (CAD)", "coronary-heart-disease", True),
        ("Chest pain (MI)", "myocardial-infarction", True),
    ],
)
def test_such_an_abbreviation_is_not_read_by_itself(text: str, concept: str, has: bool) -> None:
    assert (concept in shipped().diagnosis([], text).concepts) is has


@given(st.text(max_size=60))
def test_any_words_are_read(text: str) -> None:
    assert isinstance(spelled(text), str)
    assert operations.treated(text.casefold()) <= frozenset(row.concept for row in operations._operations())
