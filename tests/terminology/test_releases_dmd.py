"""dm+d: virtual products with every ingredient, actual products and packs like them, brands."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from salus.errors import InputError
from salus.terminology.reader import shipped
from salus.terminology.releases.load import load
from tests.terminology.releases_made import SNOMED, code, loaded, reasons

MG, ML = 258684004, 258773002


def record(tag: str, **fields: object) -> str:
    return f"<{tag}>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + f"</{tag}>"


def vpi(vmp: int, substance: int, value: object = "", unit: int = MG, **more: object) -> str:
    strength = {"STRNT_NMRTR_VAL": value, "STRNT_NMRTR_UOMCD": unit} if value else {}
    return record("VPI", VPID=vmp, ISID=substance, **strength, **more)


VMPS = (
    (9000101, 9000201, "Metformin 500mg tablets", 1),
    (9000102, 0, "Metformin 500mg / Sitagliptin 50mg tablets", 1),
    (9000103, 9000201, "Metformin 500mg/5ml oral solution", 2),
    (9000104, 0, "Zzyxin 5mg tablets", 1),
    (9000105, 0, "Brimonidine 0.2% / Timolol 0.5% eye drops", 2),
    (9000106, 0, "Levothyroxine sodium 25microgram tablets", 1),
    (9000107, 0, "Dressing 10cm", 1),
    (9000108, 9000201, "Metformin 500mg/5ml oral solution sachets", 1),
    (9000109, 0, "Mixture tablets", 1),
    (9000110, 9000201, "Two salts tablets", 1),
)


def release(folder: Path) -> Path:
    folder.mkdir(parents=True)
    head = '<?xml version="1.0" encoding="utf-8"?>'
    substances = {9000301: "Metformin hydrochloride", 9000302: "Sitagliptin phosphate monohydrate", 9000303: "Zzyxin",
                  9000304: "Brimonidine tartrate", 9000305: "Levothyroxine sodium",
                  9000306: "Metformin"}  # fmt: skip
    texts = {
        "ingredient": "<INGREDIENT_SUBSTANCES>"
        + "".join(record("ING", ISID=number, NM=name) for number, name in substances.items())
        + "</INGREDIENT_SUBSTANCES>",
        "vtm": "<VIRTUAL_THERAPEUTIC_MOIETIES>"
        + record("VTM", VTMID=9000201, NM="Metformin") + record("VTM", VTMID=9000202, NM="Zzyxin")
        + record("VTM", VTMID=9000203, INVALID=1, NM="Sitagliptin")
        + "</VIRTUAL_THERAPEUTIC_MOIETIES>",
        "vmp": "<VIRTUAL_MED_PRODUCTS><VMPS>"
        + "".join(record("VMP", VPID=n, VTMID=vtm or "", NM=name, DF_INDCD=form) for n, vtm, name, form in VMPS)
        + "</VMPS><VIRTUAL_PRODUCT_INGREDIENT>"
        + vpi(9000101, 9000301, 500) + vpi(9000102, 9000301, 500) + vpi(9000102, 9000302, 50)
        + vpi(9000103, 9000301, 500, STRNT_DNMTR_VAL=5, STRNT_DNMTR_UOMCD=ML) + vpi(9000104, 9000303, 5)
        + vpi(9000108, 9000301, 500, STRNT_DNMTR_VAL=5, STRNT_DNMTR_UOMCD=ML)
        + vpi(9000109, 9000301, 500) + vpi(9000109, 9000303, 5) + vpi(9000110, 9000301, 500) + vpi(9000110, 9000306, 5)
        + vpi(9000105, 9000304, 2) + vpi(9000106, 9000305, 25, unit=258685003)
        + "</VIRTUAL_PRODUCT_INGREDIENT></VIRTUAL_MED_PRODUCTS>",
        "amp": "<ACTUAL_MEDICINAL_PRODUCTS><AMPS>"
        + record("AMP", APID=9000401, VPID=9000101, NM="Dulcigon 500mg tablets (Maker Ltd)")
        + record("AMP", APID=9000402, VPID=9000104, NM="Zzyx 5mg tablets")
        + record("AMP", APID="x", VPID=9000101, NM="no number")
        + "</AMPS></ACTUAL_MEDICINAL_PRODUCTS>",
        "vmpp": "<VIRTUAL_MED_PRODUCT_PACK><VMPPS>" + record("VMPP", VPPID=9000501, VPID=9000102)
        + "</VMPPS></VIRTUAL_MED_PRODUCT_PACK>",
        "ampp": "<ACTUAL_MEDICINAL_PROD_PACKS><AMPPS>" + record("AMPP", APPID=9000502, APID=9000401)
        + "</AMPPS></ACTUAL_MEDICINAL_PROD_PACKS>",
        "lookup": "<LOOKUP><UNIT_OF_MEASURE>" + record("INFO", CD=MG, DESC="mg")
        + record("INFO", CD=258685003, DESC="microgram")
        + "</UNIT_OF_MEASURE><ROUTE>" + record("INFO", CD=258684004, DESC="gram") + "</ROUTE></LOOKUP>",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / f"f_{name}2_3080126.xml").write_text(head + text, "utf-8")
    return folder


def test_products_packs_and_moieties(tmp_path):
    done, terminology = loaded(release(tmp_path / "dmd"), tmp_path)
    both = ("metformin", "sitagliptin")
    expected = {9000101: both[:1], 9000102: both, 9000103: both[:1], 9000105: ("brimonidine", "timolol"),
                9000106: ("levothyroxine",), 9000201: both[:1], 9000401: both[:1], 9000501: both,
                9000502: both[:1]}  # fmt: skip
    for number, ingredients in expected.items():
        assert not shipped().medicine(code(SNOMED, number)).understood
        assert terminology.medicine(code(SNOMED, number)).ingredients == ingredients, number
    for number in (9000104, 9000107, 9000109, 9000202, 9000203, 9000402):
        assert not terminology.medicine(code(SNOMED, number)).understood, number
    assert (done.name, done.origin.version) == ("dmd", "2026-01-08")
    assert reasons(done) == {
        "virtual products with an ingredient whose name cannot be read, left unread": 2,
        "virtual products without listed ingredients, as devices and packs of several products": 1,
        "moieties whose name cannot be read, left unread": 1,
        "products and packs of a virtual product that is unread": 1,
        "records of f_amp2_3080126.xml without a number": 1,
    }


def test_strength_is_mg_in_one_piece_of_a_single_ingredient(tmp_path):
    _, terminology = loaded(release(tmp_path / "dmd"), tmp_path)
    expected = {9000101: Decimal(500), 9000401: Decimal(500), 9000106: Decimal("0.025"), 9000102: None, 9000103: None,
                9000108: None, 9000110: None}  # fmt: skip
    for number, strength in expected.items():
        assert terminology.medicine(code(SNOMED, number)).strength == strength, number


def test_a_brand_is_read_by_name(tmp_path):
    _, terminology = loaded(release(tmp_path / "dmd"), tmp_path)
    assert terminology.medicine((), "Dulcigon 500mg tablets").ingredients == ("metformin",)
    assert not terminology.medicine((), "Zzyx").understood


def test_a_listed_ingredient_that_the_name_contradicts_is_not_taken(tmp_path):
    folder = release(tmp_path / "dmd")
    path = folder / "f_vmp2_3080126.xml"
    path.write_text(path.read_text().replace("<NM>Metformin 500mg tablets", "<NM>Atenolol 50mg tablets"))
    done, terminology = loaded(folder, tmp_path)
    assert not terminology.medicine(code(SNOMED, 9000101)).understood
    assert reasons(done)["virtual products whose name and ingredients disagree, left unread"] == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "document type"),
        ("<x><VMP><VPID>9000101</VPID></x>", "not well-formed"),
        ("<x>" * 20, "deep"),
        ("<x><VMP><NM>" + "a" * 70_000 + "</NM></VMP></x>", "a text of more"),
        ("<x " + "a" * 1_200_000, "a tag of more"),
        ("<VMP>" + "".join(f"<a{n}/>" for n in range(300)) + "</VMP>", "a record of more"),
        ("<x><VMP>", "not well-formed"),
    ],
)
def test_hostile_xml_is_refused(tmp_path, text, what):
    folder = release(tmp_path / "dmd")
    (folder / "f_vmp2_3080126.xml").write_text(text)
    with pytest.raises(InputError, match=what):
        load(folder, tmp_path / "packs")
    assert list((tmp_path / "packs").glob("*.sqlite")) == []
