"""What codings and words of a diagnosis mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir.codes import Code
from salus.terminology.meaning import Diagnosis
from salus.terminology.reader import shipped

CM = "http://hl7.org/fhir/sid/icd-10-cm"
WHO = "http://hl7.org/fhir/sid/icd-10"
GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"


def read(*codes: tuple[str, str], text: str = "") -> Diagnosis:
    return shipped().diagnosis([Code(*code) for code in codes], text)


@pytest.mark.parametrize(
    ("system", "code", "concept", "aspect"),
    [
        (CM, "E11.65", "diabetes-type-2", "active"),
        (CM, "E11.22", "diabetic-kidney-disease", "active"),
        (CM, "I21.09", "stemi", "active"),
        (CM, "Z95.5", "coronary-stent", "active"),
        (CM, "I25.118", "angina", "active"),
        (CM, "I50.22", "heart-failure-reduced-ef", "active"),
        (CM, "I25.2", "myocardial-infarction-old", "history"),
        (CM, "Z86.73", "stroke-or-tia-history", "history"),
        (SNOMED, "1755008", "myocardial-infarction-old", "history"),
        (SNOMED, "44054006", "diabetes-type-2", "active"),
        (SNOMED, "162660004", "asthma", "resolved"),
        (WHO, "I63.9", "ischaemic-stroke", "active"),
        (GM, "I10.01", "hypertensive-crisis", "active"),
        (ICD9, "250.00", "diabetes", "active"),
        ("http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10", "H90", "hearing-loss", "active"),
        ("http://www.saude.gov.br/fhir/r4/CodeSystem/BRCIAP2", "T90", "diabetes-type-2", "active"),
        ("https://smt.esante.gouv.fr/fhir/CodeSystem/terminologie-cim-10", "I10", "hypertension", "active"),
        ("http://hl7.org/fhir/sid/icd-10-nl", "I48.0", "atrial-fibrillation", "active"),
        ("urn:oid:2.16.840.1.113883.6.90", "N18.32", "ckd-stage-3b", "active"),
    ],
)
def test_codes(system: str, code: str, concept: str, aspect: str) -> None:
    found = read((system, code))
    assert concept in found.concepts
    assert found.aspect == aspect
    assert found.basis in ("code", "prefix")
    assert found.used == (Code(system, code),)


def test_broader_concepts_are_in_concepts_and_only_the_mapped_in_narrow() -> None:
    found = read((SNOMED, "401303003"))
    assert {"stemi", "myocardial-infarction", "coronary-heart-disease", "cardiovascular-disease"} <= found.concepts
    assert "cardiovascular-disease" not in found.narrow


def test_an_exclusion_beats_a_shorter_inclusion() -> None:
    assert "coronary-heart-disease" in read((CM, "I25.10")).concepts
    assert "coronary-heart-disease" not in read((CM, "I25.41")).concepts


def test_a_rule_of_the_german_modification_holds_there_only() -> None:
    assert "hypertensive-crisis" not in read((WHO, "I10.01")).concepts
    assert "hypertension" in read((WHO, "I10.01")).concepts


@pytest.mark.parametrize("written", ["E11.65", "e11.65", "E1165", " E11.65 ", "E11.65 "])
def test_writing_of_a_code_does_not_matter(written: str) -> None:
    assert read((CM, written)).narrow == read((CM, "E11.65")).narrow


@pytest.mark.parametrize(
    ("written", "aspect"),
    [
        ("E11.90 G", "active"),
        ("E11.90V", "possible"),
        ("E11.90 Z", "history"),
        ("E11.90A", "denied"),
        ("I48.-", "active"),
    ],
)
def test_german_letters_of_certainty(written: str, aspect: str) -> None:
    found = read((GM, written))
    assert found.aspect == aspect
    assert found.concepts


def test_dagger_and_asterisk_are_no_part_of_the_code() -> None:
    assert "diabetic-neuropathy" in read((WHO, "E11.4†")).concepts
    assert read((WHO, "G63.2*")).concepts


@pytest.mark.parametrize(
    "uri",
    [
        "http://snomed.info/sct",
        "http://snomed.info/sct|http://snomed.info/sct/731000124108",
        "http://snomed.info/sct/900000000000207008/version/20230131",
        "urn:oid:2.16.840.1.113883.6.96",
    ],
)
def test_versions_of_a_system(uri: str) -> None:
    assert "diabetes-type-2" in read((uri, "44054006")).concepts


def test_codings_of_one_element_are_joined() -> None:
    found = read((CM, "E10.22"), (CM, "N18.6"), (SNOMED, "46635009"))
    assert {"diabetes-type-1", "end-stage-kidney-disease"} <= found.concepts


def test_the_mapped_coding_decides_beside_unread_ones() -> None:
    found = read(("urn:local", "4711"), (SNOMED, "38341003"))
    assert found.narrow == {"hypertension"}
    assert found.unread == (Code("urn:local", "4711"),)


def test_the_more_cautious_aspect_holds() -> None:
    assert read((CM, "I25.2"), (SNOMED, "22298006")).aspect == "history"
    assert read((SNOMED, "22298006"), text="Family history of heart attack").aspect == "family"
    assert read((SNOMED, "22298006"), text="Heart attack").aspect == "active"


@pytest.mark.parametrize("code", [(CM, "R45.0"), (CM, "J20.9"), (WHO, "J35.0"), (ICD9, "466.0")])
def test_outside_the_list_is_understood(code: tuple[str, str]) -> None:
    found = read(code)
    assert found.basis == "outside"
    assert found.understood
    assert not found.concepts


@pytest.mark.parametrize(
    "code",
    [
        (CM, "ZZZ.1"),
        (CM, "E1"),
        (CM, "Q0Q.99"),
        (CM, "E11.QQQ"),
        (SNOMED, "999999999"),
        ("urn:x", "E11.9"),
        (WHO, "I9A"),
        (CM, "U93.1"),
    ],
)
def test_nonsense_codes_are_unknown(code: tuple[str, str]) -> None:
    found = read(code)
    assert found.basis == "unknown"
    assert not found.understood
    assert found.unread == (Code(*code),)


def test_nothing_is_empty() -> None:
    assert read().basis == "empty"
    assert shipped().diagnosis([Code("", "")]).basis in ("empty", "unknown")


@pytest.mark.parametrize(
    ("text", "concept", "aspect"),
    [
        ("Type 2 diabetes mellitus", "diabetes-type-2", "active"),
        ("T2DM", "diabetes-type-2", "active"),
        ("Known type 2 diabetes", "diabetes-type-2", "active"),
        ("HTN", "hypertension", "active"),
        ("high blood pressure", "hypertension", "active"),
        ("CKD 3b", "ckd-stage-3b", "active"),
        ("PCI with DES to LAD", "coronary-stent", "active"),
        ("hip fracture", "hip-fracture", "active"),
        ("Herzinfarkt", "myocardial-infarction", "active"),
        ("hypertension artérielle", "hypertension", "active"),
        ("Boezemfibrilleren", "atrial-fibrillation", "active"),
        ("Zustand nach Herzinfarkt", "myocardial-infarction-old", "history"),
        ("History of MI", "myocardial-infarction-old", "history"),
        ("Personal history of breast cancer", "cancer-history", "history"),
        ("Family history of diabetes", "diabetes", "family"),
        ("FH: diabetes", "diabetes", "family"),
        ("Father MI at 50", "myocardial-infarction", "family"),
        ("Suspected COVID-19", "covid-19", "possible"),
        ("V.a. Schlaganfall", "stroke", "possible"),
        ("?TIA", "transient-ischaemic-attack", "possible"),
        ("Rule out MI", "myocardial-infarction", "possible"),
        ("Risk of stroke", "stroke", "risk"),
        ("No diabetes", "diabetes", "denied"),
        ("Stroke excluded by MRI", "stroke", "denied"),
        ("Depression, in remission", "depression", "resolved"),
        ("Asthma - resolved", "asthma", "resolved"),
        ("Hypertension without heart failure", "hypertension", "active"),
    ],
)
def test_words(text: str, concept: str, aspect: str) -> None:
    found = read(text=text)
    assert concept in found.concepts
    assert found.aspect == aspect
    assert found.basis == "text"


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("Diabetes insipidus", "diabetes"),
        ("hypoparathyroidism", "hypothyroidism"),
        ("Hypertension without heart failure", "heart-failure"),
        ("pulmonary hypertension", "hypertension"),
        ("Poisoning by antiepileptic drugs", "epilepsy"),
        ("heat stroke", "stroke"),
        ("Secondary malignant neoplasm of breast", "breast-cancer"),
        ("Personal history of breast cancer", "breast-cancer"),
        ("dacryocystitis", "urinary-tract-infection"),
    ],
)
def test_words_that_only_look_alike(text: str, never: str) -> None:
    assert never not in read(text=text).concepts


@pytest.mark.parametrize("text", ["Zxqv 123", "PE", "stent", "K+ high", "Stęskaffhausen", "RA"])
def test_words_that_could_be_anything_are_unknown(text: str) -> None:
    assert read(text=text).basis == "unknown"


@pytest.mark.parametrize("text", ["Acute bronchitis", "Full-time employment (finding)", "Sprain of wrist", "Fever"])
def test_words_of_no_concept_are_outside(text: str) -> None:
    assert read(text=text).basis == "outside"


def test_a_narrative_is_no_name() -> None:
    story = "Patient is a 45 year old with a history of Hypertension who visits the clinic for Anaemia " * 2
    assert read(text=story).basis == "unknown"


def test_the_words_of_a_code_outside_the_list_add_nothing() -> None:
    assert not read((CM, "Z13.1"), text="Encounter for screening for diabetes mellitus").concepts


def test_words_decide_where_no_code_is_known() -> None:
    found = shipped().diagnosis([Code("urn:local", "1", "Vorhofflimmern")])
    assert (found.basis, found.narrow) == ("text", {"atrial-fibrillation"})


def test_of_a_procedure_only_what_it_leaves_counts() -> None:
    terminology = shipped()
    assert "coronary-stent" in terminology.procedure([Code("http://hl7.org/fhir/sid/icd-10-pcs", "027034Z")]).concepts
    assert "kidney-transplant" in terminology.procedure([], "Kidney transplant").concepts
    screening = terminology.procedure([Code(SNOMED, "171207006", "Depression screening")])
    assert not screening.concepts
    assert not terminology.procedure([], "Diabetes education").concepts
    repair = terminology.procedure([Code(SNOMED, "233370007")])
    assert "aortic-aneurysm" in repair.concepts
    assert repair.aspect == "history"
    assert not terminology.procedure([], "Excision of breast cancer").concepts
    assert screening.basis == "outside"
    assert terminology.procedure([], "Hepatitis C antibody test").basis == "outside"
    assert terminology.procedure([], "Colonoscopy").basis == "outside"
    assert terminology.procedure([], "stent").basis == "unknown"
    assert terminology.procedure([], "pacemaker zxqv").basis == "unknown"
    assert not terminology.diagnosis([Code("http://hl7.org/fhir/sid/icd-10-pcs", "027034Z")]).concepts


def test_answers_mean_concepts() -> None:
    meaning = shipped().value_concepts([Code(SNOMED, "77386006")])
    assert {"pregnant", "pregnancy"} <= meaning
    assert "smoker-current" in shipped().value_concepts([Code(SNOMED, "449868002")])
    assert "acvpu-alert" in shipped().value_concepts([Code(SNOMED, "248234008")])
    assert not shipped().value_concepts([Code(SNOMED, "162660004")])
    assert not shipped().value_concepts([Code("urn:x", "1")])


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_words_are_read_or_refused(text: str) -> None:
    found = read(text=text)
    assert found.basis in ("text", "outside", "unknown", "empty")
    assert found.basis != "text" or found.concepts
    assert found.basis != "outside" or not found.concepts


@given(st.text(alphabet="BCFGJKQVWXZ", min_size=6, max_size=12))
@settings(max_examples=100, deadline=None)
def test_letters_without_sense_mean_nothing(text: str) -> None:
    found = read(text=text)
    assert not found.concepts
    assert not found.understood


def test_hostile_words_take_bounded_time() -> None:
    assert read(text="no history of " * 10_000).basis in ("unknown", "outside", "text")
    assert read(text="(" * 50_000).basis == "unknown"


@pytest.mark.parametrize(
    ("coded", "text", "concepts"),
    [
        ((SNOMED, "195967001"), "Myocardial infarction 2018", {"asthma", "myocardial-infarction"}),
        ((CM, "E11.9"), "Diabetes", {"diabetes-type-2"}),
        ((CM, "I25.10"), "Ischaemic heart disease", {"coronary-atherosclerosis"}),
        ((CM, "J45.909"), "Family history of stroke", {"asthma"}),
        ((CM, "J45.909"), "Possible stroke", {"asthma", "stroke"}),
    ],
)
def test_words_of_an_unrelated_disease_are_not_lost_beside_a_code(
    coded: tuple[str, str], text: str, concepts: set[str]
) -> None:
    found = read(coded, text=text)
    assert concepts <= found.narrow
    assert bool(found.notes) is ({"asthma"} < concepts)
    assert {"stroke", "myocardial-infarction"} & found.concepts == {"stroke", "myocardial-infarction"} & concepts
    assert found.basis in ("code", "prefix")
    assert found.aspect == ("possible" if "Possible" in text else "family" if "Family" in text else found.aspect)


def test_words_beside_a_code_of_none_of_ours_count_unless_they_are_its_display() -> None:
    sprain = Code(CM, "S93.401A")
    found = shipped().diagnosis([sprain], "Stroke 2019")
    assert (found.narrow, found.basis) == ({"stroke"}, "text")
    assert shipped().diagnosis([sprain], "Ankle sprain").basis == "outside"
    displayed = Code(sprain.system, sprain.code, "Stroke 2019")
    assert shipped().diagnosis([displayed], "Stroke 2019").basis == "outside"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("3-vessel CAD, on medical therapy", "coronary-heart-disease"),
        ("Nonobstructive CAD on CT angiography", "coronary-heart-disease"),
        ("Infarction, myocardial, old", "myocardial-infarction-old"),
        ("Z.n. Myokardinfarkt 2011", "myocardial-infarction"),
        ("Antécédent d'infarctus du myocarde", "myocardial-infarction"),
        ("Stent LAD 2019", "coronary-stent"),
        ("DM II", "diabetes-type-2"),
        ("Diabete mellito tipo 2", "diabetes-type-2"),
        ("Permanentes Vorhofflimmern", "atrial-fibrillation"),
        ("Schwangerschaft, 20. SSW", "pregnancy"),
        ("HLD", "hyperlipidaemia"),
        ("Swelling of tongue and lips", "angioedema"),
        ("Lip swelling", "angioedema"),
        ("Facial oedema", "angioedema"),
    ],
)
def test_words_as_problem_lists_write_them(text: str, concept: str) -> None:
    assert concept in shipped().diagnosis([], text).narrow


@pytest.mark.parametrize(
    "text", ["Swelling of ankle", "Dental abscess with facial swelling", "Swollen lymph gland of throat"]
)
def test_other_swellings_are_no_angio_oedema(text: str) -> None:
    assert "angioedema" not in shipped().diagnosis([], text).concepts


@pytest.mark.parametrize("text", ["Heat stroke", "Seasonal allergies", "Viral URI", "No current problems"])
def test_common_words_that_are_none_of_ours(text: str) -> None:
    assert shipped().diagnosis([], text).basis == "outside"


@pytest.mark.parametrize("code", ["15771004", "52072009", "160903007", "195662009", "314529007"])
def test_codes_that_are_known_to_mean_none(code: str) -> None:
    assert shipped().diagnosis([Code(SNOMED, code)]).basis == "outside"


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ([Code(SNOMED, "17369002")], ""),
        ([Code(CM, "O03.9")], ""),
        ([Code(CM, "O00.109")], ""),
        ([Code(CM, "Z33.2")], ""),
        ([Code(WHO, "O36.4")], ""),
        ([Code(CM, "Z37.1")], ""),
        ([], "Miscarriage"),
        ([], "Missed abortion"),
        ([], "Termination of pregnancy"),
        ([], "Stillbirth"),
    ],
)
def test_the_end_of_a_pregnancy_is_no_pregnancy(codes: list[Code], text: str) -> None:
    found = shipped().diagnosis(codes, text)
    assert found.narrow == {"pregnancy-loss"}
    assert found.aspect == "active"


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ([], "Threatened miscarriage"),
        ([], "Recurrent miscarriage"),
        ([Code(CM, "O20.0")], ""),
        ([Code(CM, "Z37.0")], ""),
    ],
)
def test_what_threatens_or_recurs_ends_no_pregnancy(codes: list[Code], text: str) -> None:
    assert "pregnancy-loss" not in shipped().diagnosis(codes, text).concepts


@pytest.mark.parametrize(
    "text",
    [
        "Stroke (haemorrhagic)",
        "Stroke, hemorrhagic",
        "Haemorrhagic CVA",
        "CVA (bleed)",
        "CVA - haemorrhage",
        "Stroke due to ICH",
        "Intracerebral bleed 2024",
        "ICH 2019",
        "Hirnblutung",
        "AVC hémorragique",
        "Ictus emorragico",
        "Hämorrhagischer Schlaganfall",
    ],
)
def test_a_bleed_in_the_brain_is_no_blocked_artery(text: str) -> None:
    found = read(text=text)
    assert "haemorrhagic-stroke" in found.narrow
    assert "ischaemic-stroke" not in found.concepts
    assert (found.aspect, found.basis) == ("active", "text")


@pytest.mark.parametrize("text", ["Ischaemic stroke with haemorrhagic transformation", "Stroke with bleed"])
def test_a_bleed_beside_a_stroke_is_never_lost(text: str) -> None:
    found = read(text=text)
    assert "intracranial-haemorrhage" in found.concepts
    assert "ischaemic-stroke" not in found.concepts


@pytest.mark.parametrize(
    "text", ["Stroke and GI bleed", "Non-haemorrhagic stroke", "Embolic stroke with no haemorrhage", "Stroke, asthma"]
)
def test_another_bleed_or_none_makes_a_stroke_no_bleed(text: str) -> None:
    found = read(text=text)
    assert "stroke" in found.concepts
    assert "intracranial-haemorrhage" not in found.concepts


@pytest.mark.parametrize("text", ["Zahnfleischblutung", "Sangrado", "Traumatic ICH", "Zxqv bleed of unknown origin"])
def test_an_unknown_bleed_is_never_harmless(text: str) -> None:
    assert read(text=text).basis != "outside"


@pytest.mark.parametrize(
    ("text", "concept", "aspect"),
    [
        ("Not diabetic", "diabetes", "denied"),
        ("Non-diabetic", "diabetes", "denied"),
        ("Nicht schwanger", "pregnancy", "denied"),
        ("Kein Hinweis auf KHK", "coronary-heart-disease", "denied"),
        ("KHK ausgeschlossen", "coronary-heart-disease", "denied"),
        ("Pas d'AVC", "stroke", "denied"),
        ("Sin antecedentes de ictus", "stroke", "denied"),
        ("Diabetes in mother", "diabetes", "family"),
        ("Diabetes in his father", "diabetes", "family"),
        ("Hypertension (mother)", "hypertension", "family"),
        ("F/H stroke", "stroke", "family"),
        ("F/Hx MI", "myocardial-infarction", "family"),
        ("Fam hx CAD", "coronary-heart-disease", "family"),
        ("Family hx of DM", "diabetes", "family"),
        ("FH: MI (father, 50)", "myocardial-infarction", "family"),
        ("FH: CAD; T2DM", "diabetes-type-2", "family"),
        ("Brother MI age 45", "myocardial-infarction", "family"),
        ("Vater: Herzinfarkt", "myocardial-infarction", "family"),
        ("Antécédents familiaux d'infarctus du myocarde", "myocardial-infarction", "family"),
        ("Familiarità per cardiopatia ischemica", "coronary-heart-disease", "family"),
        ("No family history of diabetes", "diabetes", "risk"),
        ("Diabetes risk", "diabetes", "risk"),
        ("poss CVA", "stroke", "possible"),
        ("prob. CAD", "coronary-heart-disease", "possible"),
        ("Concern about stroke", "stroke", "possible"),
        ("Possible old MI on ECG", "myocardial-infarction", "possible"),
        ("Ausschluss KHK", "coronary-heart-disease", "possible"),
        ("Suspicion d'AVC", "stroke", "possible"),
        ("Sospecha de IAM", "myocardial-infarction", "possible"),
        ("Pregresso infarto miocardico", "myocardial-infarction-old", "history"),
        ("Breast cancer s/p mastectomy 2010", "cancer-history", "history"),
    ],
)
def test_whose_when_and_how_sure(text: str, concept: str, aspect: str) -> None:
    found = read(text=text)
    assert concept in found.concepts
    assert found.aspect == aspect


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("Prädiabetes", "diabetes"),
        ("Diabetes insipide", "diabetes"),
        ("Non-diabetic hyperglycaemia", "diabetes"),
        ("Stroke mimic", "stroke"),
        ("Functional stroke", "stroke"),
        ("Stroke-like episode", "stroke"),
        ("Migraine with stroke-like symptoms", "stroke"),
        ("CVA tenderness", "stroke"),
        ("Ictus amnésique", "stroke"),
        ("Stroke vs TIA", "stroke"),
        ("CHD repaired VSD", "coronary-heart-disease"),
        ("MI - mitral regurgitation", "myocardial-infarction"),
        ("MI (mitral insufficiency)", "myocardial-infarction"),
        ("Pulmonale Hypertonie", "hypertension"),
        ("Muskelhypertonie", "hypertension"),
        ("Ischämische Kardiomyopathie", "myopathy"),
        ("Acute chest syndrome (ACS)", "acute-coronary-syndrome"),
        ("Listed for heart transplant", "organ-transplant"),
        ("Visual acuity 20/40", "pregnancy"),
        ("Gravida 3 para 3", "pregnancy"),
        ("G3P2", "pregnancy"),
        ("GDM 2018", "pregnancy"),
        ("LVEF 60%", "left-ventricular-dysfunction"),
        ("LVEF 50-55%", "left-ventricular-dysfunction"),
        ("EF improved from 25% to 55%", "left-ventricular-dysfunction"),
        ("Pneumonia, on HD 3", "dialysis"),
        ("SDH deficiency", "intracranial-haemorrhage"),
        ("HTA sans insuffisance cardiaque", "heart-failure"),
        ("Lung cancer (no brain bleed)", "intracranial-haemorrhage"),
        ("MI 2015, AF, on apixaban", "atrial-fibrillation"),
    ],
)
def test_what_only_looks_like_it_is_not_read(text: str, never: str) -> None:
    assert never not in read(text=text).concepts


@pytest.mark.parametrize("text", ["PAD", "DM", "MI", "CHD repaired VSD", "Stroke mimic", "G3P2"])
def test_a_short_name_of_a_grave_disease_is_never_harmless(text: str) -> None:
    assert read(text=text).basis != "outside"


def test_as_many_births_as_pregnancies_are_understood_as_no_pregnancy() -> None:
    assert read(text="Gravida 3 para 3").basis == "outside"
    assert read(text="G3P3").basis == "outside"


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        (
            "AP: HTA, DM2, IAM 2019",
            {"hypertension", "diabetes-type-2", "myocardial-infarction", "myocardial-infarction-old"},
        ),
        (
            "Dg: KHK, VHF, aHT, DM2",
            {"coronary-heart-disease", "atrial-fibrillation", "hypertension", "diabetes-type-2"},
        ),
        ("HTN/DM/HLD", {"hypertension", "diabetes", "hyperlipidaemia"}),
        ("PMH: HTN, T2DM", {"hypertension", "diabetes-type-2"}),
        ("Dx: CAD, AF", {"coronary-heart-disease", "atrial-fibrillation"}),
        ("CAD s/p CABG", {"coronary-heart-disease", "coronary-artery-bypass-grafting"}),
        ("AFib s/p ablation", {"atrial-fibrillation"}),
        ("HTN, stroke ruled out, T2DM", {"hypertension", "diabetes-type-2"}),
        ("HTN\nT2DM", {"hypertension", "diabetes-type-2"}),
        ("Myocardial\ninfarction", {"myocardial-infarction"}),
    ],
)
def test_every_problem_of_a_text_is_read(text: str, concepts: set[str]) -> None:
    found = read(text=text)
    assert found.narrow == concepts
    assert (found.aspect, found.basis) == ("active", "text")


@pytest.mark.parametrize(
    "text",
    [
        "HTN; T2DM; zxqv",
        "Dx: CAD, zxqv",
        "HTN; ?TIA; T2DM",
        "Asthma; family history of MI",
        "HTN, no diabetes, stroke",
        "PMH: HTN, pneumonia",
        "CAD; Hirnblutung 2020",
    ],
)
def test_a_part_that_cannot_be_read_or_told_leaves_the_whole_not_understood(text: str) -> None:
    found = read(text=text)
    assert found.basis == "unknown"
    assert not found.understood
    assert not {"transient-ischaemic-attack", "myocardial-infarction", "pneumonia"} & found.concepts


@pytest.mark.parametrize("text", ["AF on apixaban", "Stroke on apixaban", "CAD unter ASS", "Myalgia on atorvastatin"])
def test_a_medicine_that_the_disease_calls_for_is_not_dropped_silently(text: str) -> None:
    found = read(text=text)
    assert (found.concepts, found.understood) == (frozenset(), False)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Z. n. Apoplex 2018", "stroke"),
        ("Ischämischer Insult", "ischaemic-stroke"),
        ("KHK 3-Gefäßerkrankung", "coronary-heart-disease"),
        ("pAVK Stad. IIb n. Fontaine bds.", "peripheral-arterial-disease"),
        ("PAD stage IIb", "peripheral-arterial-disease"),
        ("AOMI stade 2", "peripheral-arterial-disease"),
        ("Arteriopatia periferica", "peripheral-arterial-disease"),
        ("Koronarsklerose", "coronary-heart-disease"),
        ("Ischämische Kardiomyopathie", "ischaemic-cardiomyopathy"),
        ("SCA ST+ antérieur 2024", "stemi"),
        ("IDM inférieur 2019", "myocardial-infarction"),
        ("AVC ischémique sylvien gauche", "ischaemic-stroke"),
        ("AIT en 2021", "transient-ischaemic-attack"),
        ("Cardiopathie ischémique stentée", "coronary-stent"),
        ("IAM anterior 2021", "myocardial-infarction"),
        ("IAMCEST inferior", "stemi"),
        ("Cardiopatía isquémica crónica", "coronary-heart-disease"),
        ("ACV isquémico", "ischaemic-stroke"),
        ("Ictus isquémico 2020", "ischaemic-stroke"),
        ("Infarto do miocárdio 2018", "myocardial-infarction"),
        ("Doença arterial coronária", "coronary-heart-disease"),
        ("Cardiopatia ischemica cronica", "coronary-heart-disease"),
        ("Ictus cerebrale ischemico", "ischaemic-stroke"),
        ("ACS 02/2026", "acute-coronary-syndrome"),
        ("Left MCA territory infarct", "ischaemic-stroke"),
        ("LICA stenosis 80%", "carotid-stenosis"),
        ("I25.10 Koronare Herzkrankheit", "coronary-heart-disease"),
        ("I63.9", "ischaemic-stroke"),
        ("Insuffisance cardiaque à FEVG altérée", "heart-failure-reduced-ef"),
        ("Scompenso cardiaco", "heart-failure"),
        ("HFimpEF", "heart-failure"),
        ("LVEF 30%", "left-ventricular-dysfunction"),
        ("NICM EF 35%", "left-ventricular-dysfunction"),
        ("Heart transplant 2015", "heart-transplant"),
        ("ACFA permanente", "atrial-fibrillation"),
        ("FA paroxystique", "atrial-fibrillation"),
        ("Fibrillazione atriale", "atrial-fibrillation"),
        ("VHF permanent", "atrial-fibrillation"),
        ("Aflutter", "atrial-flutter"),
        ("ESRD on HD", "dialysis"),
        ("CKD stage 5D", "dialysis"),
        ("CKD IV", "ckd-stage-4"),
        ("Chronic kidney disease stage III", "ckd-stage-3"),
        ("Type 2 DM", "diabetes-type-2"),
        ("IRC stade 4", "ckd-stage-4"),
        ("Chron. Niereninsuffizienz Stadium 3", "ckd-stage-3"),
        ("Dialysepflichtige Niereninsuffizienz", "end-stage-kidney-disease"),
        ("Insuffisance rénale terminale dialysée", "dialysis"),
        ("DM-2", "diabetes-type-2"),
        ("DT2", "diabetes-type-2"),
        ("Zuckerkrankheit", "diabetes"),
        ("art. Hypertonie", "hypertension"),
        ("Ipertensione arteriosa", "hypertension"),
        ("Schwanger", "pregnancy"),
        ("Enceinte 14 SA", "pregnancy"),
        ("Embarazada", "pregnancy"),
        ("Gestante 20 semanas", "pregnancy"),
        ("Zwanger", "pregnancy"),
        ("SSW 20", "pregnancy"),
        ("G1P0 @ 12/40", "pregnancy"),
        ("IUP at 9w2d", "pregnancy"),
        ("Prenatal visit", "pregnancy"),
        ("GDM", "pregnancy"),
        ("Heterozygous FH", "familial-hypercholesterolaemia"),
    ],
)
def test_plain_names_with_site_side_stage_and_year(text: str, concept: str) -> None:
    found = read(text=text)
    assert concept in found.narrow
    assert found.basis == "text"


@pytest.mark.parametrize("text", ["No h/o MI, CVA", "Denies h/o stroke", "Possible s/p MI", "No hx of stroke s/p fall"])
def test_what_is_denied_or_possible_of_the_past_is_never_there(text: str) -> None:
    found = read(text=text)
    assert found.aspect in ("denied", "possible")


@pytest.mark.parametrize(
    "text",
    [
        "Diabetes: no", "Diabetes - none", "HTN (-)", "Hypertonie: nein", "HTA: non", "Diabetes verneint", "HIV neg",
        "Hepatitis B negativ", "Schwangerschaft: nein", "pregnancy: no", "MI: none", "HTA absente",
    ],
)  # fmt: skip
def test_an_answer_behind_the_name_denies_it(text: str) -> None:
    assert read(text=text).aspect == "denied"


@pytest.mark.parametrize(
    "text",
    [
        "weder Diabetes noch Hypertonie", "neither diabetes nor hypertension", "jamais d'AVC", "never on dialysis",
        "wife has hepatitis C", "partner is pregnant", "Dad had MI", "Diabetes: Mutter", "father's stroke",
        "needle stick hepatitis C", "Hepatitis-B-Impfung", "cancer survivor", "cancer free", "doubtful stroke",
        "evaluate stroke", "pregnancy 2015", "Schwangerschaft geplant", "dialysis catheter removed",
        "familiar diabetes",
    ],
)  # fmt: skip
def test_a_disease_beside_denial_kin_or_doubt_is_never_the_patients_present(text: str) -> None:
    meaning = read(text=text)
    assert not meaning.concepts or meaning.aspect in ("family", "possible", "history", "resolved", "denied", "risk")


@pytest.mark.parametrize("text", ["psychologist", "tabagista", "registration", "nephrologist"])
def test_part_of_a_word_is_no_tumour(text: str) -> None:
    assert "cancer" not in read(text=text).concepts


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("GIST of the stomach", "cancer"), ("Type 2 diabetes, not well controlled", "diabetes-type-2"),
        ("Planned pregnancy", "pregnancy"), ("Non-ST elevation MI", "myocardial-infarction"),
        ("BPH with urinary symptoms", "benign-prostatic-hyperplasia"), ("Familial hypercholesterolaemia",
         "familial-hypercholesterolaemia"),
    ],
)  # fmt: skip
def test_words_that_only_look_like_denial_or_kin_take_nothing_away(text: str, concept: str) -> None:
    meaning = read(text=text)
    assert concept in meaning.concepts
    assert meaning.aspect == "active"


def test_a_code_among_words_counts_where_who_and_cm_agree() -> None:
    assert "diabetes-type-2" in read(text="E11.9").concepts
    assert read(text="B17.0").basis == "unknown"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Nikotinabusus", "smoker-current"), ("Raucher", "smoker-current"), ("fumeur actif", "smoker-current"),
        ("Tabagisme actif", "smoker-current"), ("fumador", "smoker-current"), ("Tabaquismo", "smoker-current"),
        ("fumatore", "smoker-current"), ("roker", "smoker-current"), ("tabagista", "smoker-current"),
        ("Ex-Raucher", "smoker-former"), ("ancien fumeur", "smoker-former"), ("exfumador", "smoker-former"),
        ("ex fumatore", "smoker-former"), ("Nikotinabusus sistiert", "smoker-former"),
        ("Nichtraucher", "smoker-not-now"), ("non-fumeur", "smoker-not-now"), ("niet-roker", "smoker-not-now"),
        ("nie geraucht", "smoker-never"), ("jamais fumé", "smoker-never"), ("mai fumato", "smoker-never"),
    ],
)  # fmt: skip
def test_smoking_in_six_languages(text: str, concept: str) -> None:
    found = read(text=text)
    assert concept in found.concepts
    if concept != "smoker-current":
        assert "smoker-current" not in found.concepts
