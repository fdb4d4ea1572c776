"""What codings, words and listed ingredients of a medicine mean: all of its ingredients, or none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir.codes import Code
from salus.terminology.meaning import Medicine
from salus.terminology.reader import shipped

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"


def read(*codes: tuple[str, ...], text: str = "", form: str = "") -> Medicine:
    return shipped().medicine([Code(*code) for code in codes], text, form)


@pytest.mark.parametrize(
    ("system", "code", "ingredients"),
    [
        (RXNORM, "83367", "atorvastatin"),
        (RXNORM, "198211", "simvastatin"),
        (RXNORM, "617993", "amoxicillin+clavulanate"),
        (RXNORM, "748856", "drospirenone+ethinyl estradiol"),
        (ATC, "C10AA05", "atorvastatin"),
        (ATC, "C09DA04", "hydrochlorothiazide+irbesartan"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "B01AC06", "aspirin"),
        ("urn:oid:2.16.840.1.113883.6.73", "C08CA01", "amlodipine"),
        ("http://fdasis.nlm.nih.gov", "R16CO5Y76E", "aspirin"),
        (SNOMED, "429502004", "amlodipine+olmesartan"),
        ("https://dmd.nhs.uk", "23971811000001107", "amlodipine+perindopril"),
        ("http://hl7.org/fhir/NamingSystem/ca-hc-din", "00000868", "pilocarpine"),
    ],
)
def test_codes(system: str, code: str, ingredients: str) -> None:
    found = read((system, code))
    assert "+".join(found.ingredients) == ingredients
    assert found.basis == "code"


A_INGREDIENTS = [
    "abacavir",
    "acarbose",
    "acebutolol",
    "acenocoumarol",
    "acetaminophen",
    "acetazolamide",
    "acyclovir",
    "adalimumab",
    "albuterol",
    "alendronate",
    "alfuzosin",
    "alirocumab",
    "aliskiren",
    "allopurinol",
    "alprazolam",
    "amantadine",
    "amiloride",
    "amiodarone",
    "amitriptyline",
    "amlodipine",
    "amoxicillin",
    "anastrozole",
    "apixaban",
    "aripiprazole",
    "aspirin",
    "atazanavir",
    "atenolol",
    "atomoxetine",
    "atorvastatin",
    "azathioprine",
    "azilsartan",
    "azithromycin",
]


@pytest.mark.parametrize("name", A_INGREDIENTS)
def test_ingredients_that_begin_with_a(name: str) -> None:
    assert read(text=name).ingredients == (name,)


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("metoprolol succinate", "metoprolol"),
        ("Atorvastatin-Kalzium 40 mg", "atorvastatin"),
        ("Losartan Potassium", "losartan"),
        ("losartan/HCTZ", "hydrochlorothiazide+losartan"),
        ("Losartan HCT 50/12.5", "hydrochlorothiazide+losartan"),
        ("Metformin + Sitagliptin", "metformin+sitagliptin"),
        ("Co-amoxiclav", "amoxicillin+clavulanate"),
        ("Amlodipine and benazepril", "amlodipine+benazepril"),
        ("Entresto", "sacubitril+valsartan"),
        ("Janumet", "metformin+sitagliptin"),
        ("Micardis Plus", "hydrochlorothiazide+telmisartan"),
        ("Ziac", "bisoprolol+hydrochlorothiazide"),
        ("Norvasc", "amlodipine"),
        ("Lipitor", "atorvastatin"),
        ("Acetylsalicylsäure 100 mg", "aspirin"),
        ("salbutamol", "albuterol"),
        ("simvastatine", "simvastatin"),
        ("RAMIPRIL 1A TBL 5MG", "ramipril"),
        ("METFORMINE ACC 1000MG CPR", "metformin"),
        ('Irbesartan "Medical Valley"', "irbesartan"),
        ("LISINOPRIL 10MG TABLET", "lisinopril"),
        ("Lyrica 75mg capsules (Pfizer Ltd)", "pregabalin"),
        ("ferrous gluconate (FERGON) tablet", "ferrous gluconate"),
        ("Tylenol Extra Strength (acetaminophen)", "acetaminophen"),
        ("Panadol Extend (paracetamol) oral modified-release tablet", "acetaminophen"),
        ("Aspirin 325 mg and carisoprodol 200 mg oral tablet", "aspirin+carisoprodol"),
        ("darbepoetin alfa 500 mcg/mL in polysorbate injection syringe", "darbepoetin alfa"),
        ("Cisplatin 128mg/1000ml in Sodium chloride 0.9% infusion bags", "cisplatin"),
        ("{24 (drospirenone 3 MG / ethinyl estradiol 0.02 MG Oral Tablet) / 4 (inert ingredients 1 MG) } Pack",
         "drospirenone+ethinyl estradiol"),
        ("Tylenol #3", "acetaminophen+codeine"),
        ("tralokinumab-ldrm 150 MG/ML", "tralokinumab"),
    ],
)  # fmt: skip
def test_words(text: str, ingredients: str) -> None:
    found = read(text=text)
    assert "+".join(found.ingredients) == ingredients
    assert found.basis == "text"


@pytest.mark.parametrize(
    "text",
    [
        "Ramipril comp",
        "Ramipril plus",
        "Candesartan plus",
        "Beloc plus",
        "Amlodipine/zxqv",
        "Lisinopril and something",
        "amlodipine zxqvbrand",
        "Lipitor zxqvbrand",
        "Metformin 850/50",
        "Amlodipine / val",
        "Ramipril + QXZ",
        "Ramipril / Teva and QXZ",
        "Lipitor simvastatin",
        "Ramipril-D",
        "Panadol Night",
        "Tylenol (ibuprofen)",
        "Losartan (with zxqv plus)",
        "Zxqv 20 mg",
        "Sodium salicylate / methenamine zxqv",
        "atorvastatin calcium zxqv",
        "Methenamine / sodium salicylate",
        "methenamine 162 MG / sodium salicylate 162.5 MG Oral Tablet",
        "lisinopril 10 MG / QXZ 5 MG",
    ],
)
def test_what_cannot_be_read_whole_is_not_read(text: str) -> None:
    found = read(text=text)
    assert found.ingredients == ()
    assert found.classes == frozenset()
    assert found.basis == "unknown"
    assert not found.understood
    assert found.notes


def test_a_brand_with_unknown_words_is_not_its_base() -> None:
    assert read(text="Blopress").ingredients == ("candesartan",) or not read(text="Blopress").ingredients
    assert read(text="Diovan").ingredients == ("valsartan",)
    assert read(text="Diovan comp zxq").ingredients == ()


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("METFORMIN HEX FTBL 500MG", "metformin"), ("GLICLAZIDE ARW 30MG", "gliclazide"), ("Ramipril QXZ 5 mg", ""),
        ("Valsartan AML 5 mg", ""), ("Rosuvastatin ASP 10", ""), ("Guaifenesin DM", ""), ("Furosemide A", ""),
        ("Losartan HZ", ""), ("Telmisartan LN", ""), ("Glimepiride M1", ""), ("Amoxicillin CV 625", ""),
        ("Lipitor QXZ", ""), ("Calcium D3", ""),
    ],
)  # fmt: skip
def test_letters_beside_an_ingredient_are_a_makers_or_a_second_ingredients(text: str, ingredients: str) -> None:
    assert "+".join(read(text=text).ingredients) == ingredients


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Losartan 50-12.5", ""), ("hydrocodone 5-325", ""), ("Diovan 160/12.5", ""), ("Zocor 10/40", ""),
        ("Januvia 50/1000", ""), ("Exforge 5/160/12.5", ""), ("Amlodipine/Valsartan 10 mg/160 mg/25 mg", ""),
        ("levodopa 100-25-200", ""), ("Exforge 5/160", "amlodipine+valsartan"), ("Losartan 50 mg 1-0-1", "losartan"),
        ("Losartan 50 mg 1-1-1", "losartan"), ("Humalog Mix 75/25", "insulin lispro"),
        ("Augmentin 875/125", "amoxicillin+clavulanate"), ("Amoxicillin 250 mg/5 ml", "amoxicillin"),
        ("Ramipril 5 mg 01/06/2026", "ramipril"), ("Ramipril 5 mg 2026-06", "ramipril"),
    ],
)  # fmt: skip
def test_more_strengths_than_ingredients_tell_of_one_that_is_not_named(text: str, ingredients: str) -> None:
    assert "+".join(read(text=text).ingredients) == ingredients


def test_the_fullest_of_nested_codings_is_taken_and_said() -> None:
    found = read((RXNORM, "52175"), text="losartan/HCTZ")
    assert found.ingredients == ("hydrochlorothiazide", "losartan")
    assert any("fullest" in note for note in found.notes)
    assert read((RXNORM, "52175"), text="losartan").notes == ()


def test_a_product_code_beats_a_wrong_atc_code() -> None:
    found = read((ATC, "G03EK01"), (RXNORM, "748856"), (RXNORM, "4124"), (RXNORM, "748794"))
    assert found.ingredients == ("drospirenone", "ethinyl estradiol")
    found = read((ATC, "C10AA05"), (RXNORM, "314231"))
    assert found.ingredients == ("simvastatin",)
    assert any("ATC" in note for note in found.notes)


@pytest.mark.parametrize(
    "codes", [((ATC, "C10AA05"), (RXNORM, "17767")), ((RXNORM, "314231"), (RXNORM, "314076"))], ids=["atc", "products"]
)
def test_codings_of_different_medicines_are_no_medicine(codes: tuple[tuple[str, str], ...]) -> None:
    found = read(*codes)
    assert found.ingredients == ()
    assert found.basis == "unknown"
    assert found.notes


def test_words_settle_which_of_two_product_codes_is_meant() -> None:
    assert read((RXNORM, "314231"), (RXNORM, "314076"), text="lisinopril 10 mg").ingredients == ("lisinopril",)


def test_code_and_words_that_name_different_medicines_are_no_medicine() -> None:
    assert read((RXNORM, "314231"), text="lisinopril").basis == "unknown"


def test_a_mark_of_a_combination_in_one_of_the_names_bars_the_other() -> None:
    assert read(("urn:local", "1", "Ramipril comp"), text="Ramipril").ingredients == ()
    assert read(("urn:local", "1", "Ramipril 5 mg"), text="Ramipril").ingredients == ("ramipril",)


def test_substance_codes_are_joined() -> None:
    assert read((RXNORM, "52175"), (RXNORM, "5487")).ingredients == ("hydrochlorothiazide", "losartan")


def test_listed_ingredients() -> None:
    medicine = shipped().medicine
    losartan, hctz = ([Code(RXNORM, "52175")], ""), ([], "hydrochlorothiazide")
    assert medicine([], "", "", [losartan, hctz]).ingredients == ("hydrochlorothiazide", "losartan")
    broken = medicine([], "", "", [losartan, ([], "zxqv")])
    assert (broken.ingredients, broken.basis) == ((), "unknown")
    assert medicine([], "losartan", "", [losartan, ([], "zxqv")]).ingredients == ()
    assert medicine([Code(RXNORM, "979480")], "", "", [([], "zxqv")]).ingredients == ("losartan",)


@pytest.mark.parametrize(
    ("text", "form", "local"),
    [
        ("diclofenac 1 % topical gel", "", True),
        ("Voltaren Emulgel", "", True),
        ("diclofenac", "cutaneous gel", True),
        ("diclofenac 50 mg tablet", "", False),
        ("timolol eye drops", "", True),
        ("Nitroglycerin patch", "", True),
        ("ibuprofen 200 mg liquid gel capsule", "", False),
        ("salbutamol inhaler", "", False),
        ("fluticasone nasal spray", "", True),
    ],
)
def test_local_use_has_no_class(text: str, form: str, local: bool) -> None:
    found = read(text=text, form=form)
    assert found.ingredients
    assert found.local is local
    assert bool(found.classes) is not local


def test_atc_group_for_local_use() -> None:
    assert read((ATC, "S01ED01")).local
    assert not read((ATC, "C07AA06")).local


def test_an_inhaled_steroid_is_no_systemic_one() -> None:
    assert "systemic-glucocorticoid" in read(text="hydrocortisone 10 mg tablet").classes
    assert "systemic-glucocorticoid" not in read(text="triamcinolone", form="inhalation aerosol").classes


def test_strength() -> None:
    assert read((RXNORM, "198211")).strength == 40
    assert read(text="Levothyroxine 50 micrograms").strength == Decimal("0.05")
    assert read(text="Apixaban 2,5 mg").strength == Decimal("2.5")
    assert read(text="amoxicillin 250 mg/5 ml").strength is None
    assert read(text="losartan 50 mg / hydrochlorothiazide 12.5 mg").strength is None


@pytest.mark.parametrize(
    ("text", "cls"), [("statin", "statin"), ("ACE inhibitor", "ace-inhibitor"), ("NSAIDs", "nsaid")]
)
def test_the_name_of_a_class(text: str, cls: str) -> None:
    found = read(text=text)
    assert (found.ingredients, found.classes, found.basis) == ((), {cls}, "text")


@pytest.mark.parametrize(
    "codes_text",
    [
        ([Code(IPS, "no-known-medications")], ""),
        ([Code(SNOMED, "787481004")], ""),
        ([], "No known medications"),
        ([], "keine Medikamente"),
        ([], "none"),
    ],
)
def test_no_medicines(codes_text: tuple[list[Code], str]) -> None:
    found = shipped().medicine(*codes_text)
    assert found.nothing
    assert found.ingredients == ()


@pytest.mark.parametrize("code", ["no-medication-info", "no-allergy-info"])
def test_no_information_is_no_absence(code: str) -> None:
    found = read((IPS, code, "No information"))
    assert not found.nothing
    assert (found.basis, found.ingredients) == ("outside", ())
    assert found.notes


def test_devices_and_supplements_are_outside() -> None:
    for text in ("test strips", "Pen needles 8 mm", "multivitamin"):
        assert read(text=text).basis == "outside"


def test_nothing_is_empty_and_an_unknown_code_is_unknown() -> None:
    assert read().basis == "empty"
    found = read((SNOMED, "999999999"))
    assert found.basis == "unknown"
    assert found.unread == (Code(SNOMED, "999999999"),)


@pytest.mark.parametrize(
    ("text", "ingredients", "cls"),
    [
        ("Statins", (), "statin"),
        ("Allergy to penicillin (disorder)", (), "penicillin"),
        ("Sulfonamide antibiotics", (), "sulfonamide-antibiotic"),
        ("Penicilline", (), "penicillin"),
        ("Substance with penicillin structure (substance)", (), "penicillin"),
        ("Lisinopril", ("lisinopril",), "ace-inhibitor"),
        ("Aspirin allergy", ("aspirin",), "antiplatelet"),
        ("Zocor", ("simvastatin",), "statin"),
    ],
)
def test_substances_of_allergies(text: str, ingredients: tuple[str, ...], cls: str) -> None:
    found = shipped().substance([], text)
    assert found.ingredients == ingredients
    assert cls in found.classes
    assert not found.nothing


@pytest.mark.parametrize(
    "codes_text",
    [
        ([Code(SNOMED, "716186003")], ""),
        ([Code(SNOMED, "409137002")], ""),
        ([Code(IPS, "no-known-allergies")], ""),
        ([Code(IPS, "no-known-medication-allergies")], ""),
        ([], "NKDA"),
        ([], "No known allergies"),
        ([], "No Known Drug Allergy"),
    ],
)
def test_no_known_drug_allergy(codes_text: tuple[list[Code], str]) -> None:
    assert shipped().substance(*codes_text).nothing


@pytest.mark.parametrize(
    "codes_text", [([Code(SNOMED, "429625007")], ""), ([Code(SNOMED, "428607008")], ""), ([], "No known food allergy")]
)
def test_no_food_allergy_says_nothing_of_medicines(codes_text: tuple[list[Code], str]) -> None:
    found = shipped().substance(*codes_text)
    assert not found.nothing
    assert found.basis == "outside"


def test_what_is_no_medicine_but_an_allergen() -> None:
    assert shipped().substance([], "Peanut").basis == "outside"
    assert shipped().substance([], "Allergy to latex").basis == "outside"


NAMES = (
    "lisinopril",
    "amlodipine",
    "losartan",
    "hydrochlorothiazide",
    "metformin",
    "sitagliptin",
    "aspirin",
    "codeine",
)
JOINERS = (" / ", "/", " + ", "+", " and ", ", ", " with ", " & ", " und ", "-")


@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True), st.data())
@settings(max_examples=150, deadline=None)
def test_joined_names_are_all_read(names: list[str], data: st.DataObject) -> None:
    text = names[0]
    for name in names[1:]:
        text += data.draw(st.sampled_from(JOINERS)) + name
    assert read(text=text).ingredients == tuple(sorted(names))


@given(st.sampled_from(NAMES), st.sampled_from(JOINERS), st.text(alphabet="bcfgjkqvwxz", min_size=4, max_size=9))
@settings(max_examples=150, deadline=None)
def test_a_combination_with_an_unknown_part_is_never_read_in_part(name: str, joiner: str, word: str) -> None:
    assert read(text=f"{name}{joiner}{word}").ingredients == ()
    assert read(text=f"{word}{joiner}{name}").ingredients == ()


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_words_are_read_or_refused(text: str) -> None:
    found = read(text=text)
    assert not (found.ingredients and found.basis in ("unknown", "empty", "outside"))


@given(
    st.sampled_from(NAMES),
    st.sampled_from(["{} 10 mg tablet", "{} hydrochloride", "{} 5mg caps (Teva UK Ltd)", "Tabl. {}"]),
)
@settings(max_examples=60, deadline=None)
def test_case_strength_and_form_do_not_matter(name: str, shape: str) -> None:
    assert read(text=shape.format(name)).ingredients == (name,)
    assert read(text=shape.format(name.upper())).ingredients == (name,)


def test_hostile_words_take_bounded_time() -> None:
    assert read(text="aspirin / " * 20_000).ingredients in ((), ("aspirin",))
    assert read(text="(" * 40_000 + ")" * 40_000).ingredients == ()
    assert read(text="1" * 100_000 + " mg").ingredients == ()


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Atozet", "atorvastatin+ezetimibe"),
        ("Klacid", "clarithromycin"),
        ("CoDiovan 160/12.5", "hydrochlorothiazide+valsartan"),
        ("Atacand plus 16/12.5 mg", "candesartan+hydrochlorothiazide"),
        ("Delix 5 plus", "hydrochlorothiazide+ramipril"),
        ("Delix 2,5 mg plus", "hydrochlorothiazide+ramipril"),
        ("Aspirin Cardio 100", "aspirin"),
        ("Baby aspirin", "aspirin"),
    ],
)
def test_brands_with_a_number_or_plus(text: str, ingredients: str) -> None:
    assert "+".join(read(text=text).ingredients) == ingredients


@pytest.mark.parametrize("text", ["Lipitor 5 plus", "Zxqv 5 plus", "Delix 5 plus zxqv"])
def test_a_number_before_plus_makes_no_brand(text: str) -> None:
    assert not read(text=text).ingredients


@pytest.mark.parametrize(
    "text",
    [
        "Atorvastatin 80 mg (patient not taking)",
        "Atorvastatin 80 mg - STOPPED",
        "Atorvastatin (declined)",
        "Atorvastatin 80 mg, no longer taking",
        "Atorvastatin 80 mg [on hold]",
    ],
)
def test_an_entry_whose_own_words_say_that_it_is_not_taken_is_not_read(text: str) -> None:
    found = read(text=text)
    assert (found.ingredients, found.understood) == ((), False)
    assert "not taken" in found.notes[0]


def test_an_allergy_may_say_that_the_medicine_was_stopped() -> None:
    assert shipped().substance([], "Lisinopril (discontinued)").ingredients == ("lisinopril",)


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Bisoprololfumarat 5 mg", "bisoprolol"), ("Bisoprololhemifumarat", "bisoprolol"),
        ("Metforminhydrochlorid 1000 mg Filmtabletten", "metformin"), ("Tiotropiumbromid", "tiotropium"),
        ("Losartankalium", "losartan"), ("Atorvastatincalcium", "atorvastatin"), ("enalaprilmaleaat", "enalapril"),
        ("natriumvalproaat", "valproate"), ("Testosteronundecanoat", "testosterone"), ("Ibuprofen-Lysin", "ibuprofen"),
        ("Bisoprololfumarat/Hydrochlorothiazid 5/12,5", "bisoprolol+hydrochlorothiazide"),
        ("losartana potássica 50 mg", "losartan"), ("sinvastatina 20mg", "simvastatin"), ("varfarina", "warfarin"),
        ("besilato de anlodipino 5 mg comprimido", "amlodipine"), ("espironolactona", "spironolactone"),
        ("maleato de enalapril + hidroclorotiazida", "enalapril+hydrochlorothiazide"), ("ibuprofeno", "ibuprofen"),
        ("alopurinol", "allopurinol"), ("ezetimiba", "ezetimibe"), ("rivaroxabana", "rivaroxaban"),
        ("losartan potassico", "losartan"), ("amoxicilina clavulánico", "amoxicillin+clavulanate"),
        ("spironolattone", "spironolactone"), ("Catapresan", "clonidine"), ("Dianben 850 mg", "metformin"),
        ("METFORMINE ACC 1000MG CPR", "metformin"), ("glucosamine chondroitin", "chondroitin sulfates+glucosamine"),
        # a metal that may be an ingredient of its own, and a salt without a name
        ("Calciumacetat", ""), ("Zinksulfat", ""), ("Amlodipincalcium", ""), ("phosphate", ""),
        ("besilato de xyzzy", ""), ("besilato anlodipino xyzzy", ""),
    ],
)  # fmt: skip
def test_salts_in_one_word_and_before_the_name(text: str, ingredients: str) -> None:
    assert "+".join(read(text=text).ingredients) == ingredients
