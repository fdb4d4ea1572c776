"""RxNorm releases: every code with all its ingredients, the strength of single solids, brands, product codes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from salus.errors import InputError
from salus.terminology.reader import Terminology, shipped
from salus.terminology.releases.load import Loaded, load
from salus.terminology.tables import Tables
from tests.terminology.releases_made import code, loaded, reasons, rrf

SYSTEM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
CONSO = ["RXCUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "RXAUI", "SAUI", "SCUI", "SDUI", "SAB", "TTY", "CODE",
         "STR", "SRL", "SUPPRESS", "CVF"]  # fmt: skip
REL = ["RXCUI1", "RXAUI1", "STYPE1", "REL", "RXCUI2", "RXAUI2", "STYPE2", "RELA", "RUI", "SRUI", "SAB", "SL", "DIR",
       "RG", "SUPPRESS", "CVF"]  # fmt: skip
SAT = ["RXCUI", "LUI", "SUI", "RXAUI", "STYPE", "CODE", "ATUI", "SATUI", "ATN", "SAB", "ATV", "SUPPRESS", "CVF"]
METFORMIN, SITAGLIPTIN = 6809, 593411
TABLET = 9900001


class Release:
    """A release in the making: one brand of metformin, one combination, a pack, a cream."""

    def __init__(self) -> None:
        self.atoms: list[Mapping[str, object]] = []
        self.relations: list[Mapping[str, object]] = []
        self.attributes: list[Mapping[str, object]] = []

    def atom(self, rxcui: int, tty: str, name: str, sab: str = "RXNORM", suppress: str = "N") -> Release:
        row = {"RXCUI": rxcui, "LAT": "ENG", "SAB": sab, "TTY": tty, "STR": name, "SUPPRESS": suppress}
        self.atoms.append(row)
        return self

    def relation(self, second: int, kind: str, first: int, sab: str = "RXNORM") -> Release:
        """``second`` has the relationship ``kind`` to ``first``, as RXNREL writes it from right to left."""
        row = {"RXCUI1": first, "STYPE1": "CUI", "REL": "RO", "RXCUI2": second, "STYPE2": "CUI", "RELA": kind}
        self.relations.append({**row, "SAB": sab})
        return self

    def ndc(self, rxcui: int, value: str, sab: str = "RXNORM") -> Release:
        self.attributes.append({"RXCUI": rxcui, "ATN": "NDC", "SAB": sab, "ATV": value, "SUPPRESS": "N"})
        return self

    def write(self, folder: Path) -> Path:
        rrf(folder / "rrf" / "RXNCONSO.RRF", self.atoms, CONSO)
        rrf(folder / "rrf" / "RXNREL.RRF", self.relations, REL)
        rrf(folder / "rrf" / "RXNSAT.RRF", self.attributes, SAT)
        return folder

    def loaded(self, tmp_path: Path) -> tuple[Loaded, Terminology]:
        return loaded(self.write(tmp_path / "RxNorm_full_01052026"), tmp_path)


def release() -> Release:
    made = (
        Release()
        .atom(METFORMIN, "IN", "metformin")
        .atom(SITAGLIPTIN, "IN", "sitagliptin")
        .atom(9900002, "IN", "novumab")
    )
    made.atom(TABLET, "DF", "Oral Tablet").atom(9900003, "DF", "Topical Cream")
    made.atom(9900010, "SCDC", "metformin hydrochloride 500 MG").relation(9900010, "has_ingredient", METFORMIN)
    made.atom(9900011, "SCD", "metformin hydrochloride 500 MG Oral Tablet").relation(9900011, "consists_of", 9900010)
    made.relation(9900011, "has_dose_form", TABLET)
    made.atom(9900012, "BN", "Dulcigon").relation(9900012, "tradename_of", METFORMIN)
    made.atom(9900013, "SBD", "metformin hydrochloride 500 MG Oral Tablet [Dulcigon]")
    made.relation(9900013, "has_ingredient", 9900012).relation(9900013, "tradename_of", 9900011)
    made.atom(9900014, "SBDC", "metformin hydrochloride 500 MG [Dulcigon]").relation(9900013, "consists_of", 9900014)
    made.relation(9900013, "consists_of", 9900010).relation(9900013, "has_dose_form", TABLET)
    made.relation(9900014, "tradename_of", 9900010)
    made.atom(9900020, "SCDC", "sitagliptin 50 MG").relation(9900020, "has_ingredient", SITAGLIPTIN)
    made.atom(9900021, "SCD", "metformin hydrochloride 500 MG / sitagliptin 50 MG Oral Tablet")
    made.relation(9900021, "consists_of", 9900010).relation(9900021, "consists_of", 9900020)
    return made.relation(9900021, "has_dose_form", TABLET)


def test_products_have_all_their_ingredients(tmp_path):
    made = release().atom(9900030, "GPCK", "{7 (a) / 7 (b) } Pack").relation(9900030, "contains", 9900011)
    made.relation(9900030, "contains", 9900021).atom(9900031, "PIN", "metformin hydrochloride")
    made.relation(9900031, "form_of", METFORMIN).atom(9900032, "MIN", "metformin / sitagliptin")
    made.relation(9900032, "has_part", METFORMIN).relation(9900032, "has_part", SITAGLIPTIN)
    made.atom(9900033, "SCD", "24 HR metformin hydrochloride 500 MG Oral Tablet")
    made.relation(9900033, "quantified_form_of", 9900011)
    done, terminology = made.loaded(tmp_path)
    both = ("metformin", "sitagliptin")
    expected = {9900011: both[:1], 9900012: both[:1], 9900013: both[:1], 9900021: both, 9900030: both,
                9900031: both[:1], 9900032: both, 9900033: both[:1], 9900002: ("novumab",),
                9900010: both[:1]}  # fmt: skip
    for number, ingredients in expected.items():
        found = terminology.medicine(code(SYSTEM, number))
        assert (found.ingredients, found.basis) == (ingredients, "code"), number
        assert not shipped().medicine(code(SYSTEM, number)).understood
    assert (done.name, done.origin.version) == ("rxnorm", "01052026")


def test_the_strength_of_one_solid_piece_is_told_and_of_nothing_else(tmp_path):
    made = release().atom(9900040, "SCDC", "metformin hydrochloride 100 MG/ML")
    made.relation(9900040, "has_ingredient", METFORMIN).atom(9900041, "SCD", "metformin 100 MG/ML Oral Tablet")
    made.relation(9900041, "consists_of", 9900040).relation(9900041, "has_dose_form", TABLET)
    made.atom(9900042, "SCD", "metformin 500 MG Topical Cream").relation(9900042, "consists_of", 9900010)
    made.relation(9900042, "has_dose_form", 9900003)
    made.atom(9900043, "SCDC", "metformin hydrochloride 850 MG").relation(9900043, "has_ingredient", METFORMIN)
    made.atom(9900044, "SCD", "metformin 500 MG and 850 MG Oral Tablet").relation(9900044, "consists_of", 9900010)
    made.relation(9900044, "consists_of", 9900043).relation(9900044, "has_dose_form", TABLET)
    made.atom(9900045, "SCDC", "metformin and sitagliptin 50 MG").relation(9900045, "has_ingredient", METFORMIN)
    made.relation(9900045, "has_ingredient", SITAGLIPTIN).atom(9900046, "SCD", "metformin and sitagliptin 50 MG Tablet")
    made.relation(9900046, "consists_of", 9900045).relation(9900046, "has_dose_form", TABLET)
    done, terminology = made.loaded(tmp_path)
    assert Tables([done.path]).product("rxnorm", "9900046") == ("metformin+sitagliptin", "", False)
    for number, strength in ((9900011, 500), (9900013, 500), (9900021, None), (9900012, None), (9900041, None),
                             (9900042, None), (9900044, None)):  # fmt: skip
        found = terminology.medicine(code(SYSTEM, number)).strength
        assert found == (None if strength is None else Decimal(strength)), number


def test_a_product_that_names_more_parts_than_the_release_holds_is_not_read_in_part(tmp_path):
    made = release().atom(9900050, "SCD", "metformin 500 MG / raritan 5 MG Oral Tablet")
    made.relation(9900050, "consists_of", 9900010).atom(9900051, "SCD", "raritan 5 MG Oral Tablet")
    done, terminology = made.loaded(tmp_path)
    assert not terminology.medicine(code(SYSTEM, 9900050)).ingredients
    assert not terminology.medicine(code(SYSTEM, 9900051)).ingredients
    losses = reasons(done)
    assert losses["products with fewer ingredients than their name has parts, left unread"] == 1
    assert losses["products whose ingredients the release does not hold"] == 1


def test_a_relationship_is_read_from_right_to_left_and_of_rxnorm_only(tmp_path):
    made = release().atom(9900060, "SCD", "raritan 5 MG Oral Tablet").relation(METFORMIN, "has_ingredient", 9900060)
    made.relation(9900060, "has_ingredient", METFORMIN, sab="OTHER")
    _, terminology = made.loaded(tmp_path)
    assert not terminology.medicine(code(SYSTEM, 9900060)).understood


def test_suppressed_names_and_names_of_other_sources_are_left_out(tmp_path):
    made = release().atom(9900070, "BN", "Obsoletin", suppress="O").relation(9900070, "tradename_of", METFORMIN)
    made.atom(9900071, "BN", "Fremdin", sab="OTHER").relation(9900071, "tradename_of", METFORMIN)
    _, terminology = made.loaded(tmp_path)
    for number, name in ((9900070, "Obsoletin"), (9900071, "Fremdin")):
        assert not terminology.medicine(code(SYSTEM, number)).understood
        assert not terminology.medicine((), name).understood


def test_brands_and_substances_are_read_by_name(tmp_path):
    made = release().atom(9900080, "BN", "Zweideutan").relation(9900080, "tradename_of", METFORMIN)
    made.atom(9900081, "BN", "Zweideutan").relation(9900081, "tradename_of", SITAGLIPTIN)
    _, terminology = made.loaded(tmp_path)
    assert terminology.medicine((), "Dulcigon 500 mg tablets").ingredients == ("metformin",)
    assert terminology.medicine((), "novumab").ingredients == ("novumab",)
    assert terminology.medicine((), "Zweideutan").notes == ("a name of several medicines",)


def test_an_ndc_is_its_product_where_all_packages_agree(tmp_path):
    made = release().ndc(9900011, "99999000101").ndc(9900011, "99999000102").ndc(9900021, "00999000201")
    made.ndc(9900011, "99999000301").ndc(9900021, "99999000302").ndc(9900011, "9999-4-01")
    made.ndc(9900011, "99999000501", sab="OTHER")
    done, terminology = made.loaded(tmp_path)
    assert terminology.medicine(code(NDC, "99999000177")).ingredients == ("metformin",)
    assert terminology.medicine(code(NDC, "00999-0002-01")).ingredients == ("metformin", "sitagliptin")
    assert not terminology.medicine(code(NDC, "99999000301")).understood
    assert not terminology.medicine(code(NDC, "99999000501")).understood
    losses = reasons(done)
    assert losses["product codes of two medicines, left unread"] == 1
    assert losses["product codes of RXNSAT.RRF that are not eleven digits"] == 1


def test_the_ingredient_keeps_the_name_that_the_shipped_tables_have_for_it(tmp_path):
    made = release().atom(1037042, "IN", "dabigatran etexilate").atom(9900090, "SCDC", "dabigatran etexilate 75 MG")
    made.relation(9900090, "has_ingredient", 1037042)
    _, terminology = made.loaded(tmp_path)
    assert terminology.medicine(code(SYSTEM, 9900090)).ingredients == shipped().medicine((), "dabigatran").ingredients


def test_the_version_stands_in_the_table_of_sources(tmp_path):
    folder = release().write(tmp_path / "release")
    line = "C1|C2|RXNORM_2026|RXNORM|RxNorm Vocabulary|RXNORM|26AA_260105F|"
    (folder / "rrf" / "RXNSAB.RRF").write_text(line + "|" * 17 + "\n", "utf-8")
    assert loaded(folder, tmp_path)[0].origin.version == "26AA_260105F"


def test_the_full_release_is_read_and_not_the_prescribable_part_in_it(tmp_path):
    folder = release().write(tmp_path / "release")
    Release().atom(9900099, "IN", "otheridine").write(folder / "prescribe")
    _, terminology = loaded(folder, tmp_path)
    assert terminology.medicine(code(SYSTEM, 9900011)).understood
    assert not terminology.medicine(code(SYSTEM, 9900099)).understood


def test_short_rows_are_counted_and_a_missing_file_is_refused(tmp_path):
    folder = release().write(tmp_path / "release")
    with (folder / "rrf" / "RXNCONSO.RRF").open("a") as table:
        table.write("1|ENG|\nx" + "|" * 18 + "\n")
    losses = reasons(loaded(folder, tmp_path)[0])
    assert losses["rows of RXNCONSO.RRF with too few columns"] == 1
    assert losses["rows of RXNCONSO.RRF without a number"] == 1
    (folder / "rrf" / "RXNREL.RRF").unlink()
    with pytest.raises(InputError, match=r"no RXNREL\.RRF"):
        load(folder, tmp_path / "packs")
