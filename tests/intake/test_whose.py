"""Sources that contradict the patient never get in; what agrees is attributed; nothing is taken in twice."""

import re

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir import json
from salus.intake.attribute import Known, attribute
from salus.intake.read import read
from salus.trust.identity import Actor, Identity
from tests.conftest import bundle, creatinine, person
from tests.intake import made
from tests.intake.test_bad_input import state


def run(ward, *paths, **more):
    return Intake(Session(ward.house, ward.operator), **more).run(paths)


def observation(**more):
    return json.dumps(bundle({**creatinine("9.9", "2026-02-02", "foreign"), **more}))


OTHER = {"system": "urn:test:mrn", "value": "MRN-p2"}
FOREIGN = {
    "a Bundle about another patient": {"x.json": made.fhir("p2")},
    "a resource about another patient": {"x.json": observation(subject={"reference": "Patient/p2"})},
    "an absolute reference": {"x.json": observation(subject={"reference": "https://x.example/fhir/Patient/p2"})},
    "a versioned reference": {"x.json": observation(subject={"reference": "Patient/p2/_history/1"})},
    "a logical reference": {"x.json": observation(subject={"identifier": OTHER})},
    "a reference and another's identifier": {
        "x.json": observation(subject={"reference": "Patient/p1", "identifier": OTHER})
    },
    "the same id, another MRN": {"x.json": made.fhir("p1", identifier=[OTHER])},
    "the same id, two other MRNs": {"x.json": made.fhir("p1", identifier=[OTHER, {**OTHER, "value": "MRN-p3"}])},
    "the same id, another birth date": {"x.json": made.fhir("p1", birthDate="1970-01-01")},
    "the same id, another sex": {"x.json": made.fhir("p1", gender="male")},
    "lines about another patient": {"x.ndjson": json.dumps(creatinine("9.9", "2026-02-02", "f", "p2")) + b"\n"},
    "DICOM PatientID": {"x.dcm": made.dicom(mrn="MRN-p2")[0]},
    "DICOM birth date": {"x.dcm": made.dicom(mrn="", birth_date="1970-01-01")[0]},
    "DICOM sex": {"x.dcm": made.dicom(mrn="", birth_date="", sex="M")[0]},
    "note with another MRN": {"x.txt": made.note(mrn="MRN-p2")},
    "note with another birth date": {"x.txt": made.note(mrn="", born="1970-01-01")},
    "note with another sex": {"x.txt": made.note(mrn="", born="", sex="M")},
    "note with another MRN in its foot": {"x.txt": made.note() + b"\n" * 40 + b"MRN: MRN-p2\n"},
    "VCF header": {"x.vcf": made.vcf(mrn="MRN-p2")},
    "VCF header, late": {"x.vcf": made.vcf(mrn="", meta=["##note=" + "x" * 9000, "##PatientID=MRN-p2"])},
    "WFDB comment": made.ecg(comments=["Patient ID: MRN-p2"]),
    "WFDB comment with birth date": made.ecg(comments=["DOB: 1970-01-01"]),
    "Apple export, birth date": {"export.xml": made.apple(birth_date="1970-01-01")},
    "Apple export, sex": {"export.xml": made.apple(sex="Male")},
}


def lay(folder, found):
    folder.mkdir(parents=True)
    for name, data in found.items():
        (folder / name).write_bytes(data)
    return folder


def test_of_twenty_files_of_somebody_else_none_is_attached_and_all_are_in_quarantine(ward):
    run(ward, ward.write("first.json", bundle(person())))
    before = state(ward)
    assert len(FOREIGN) >= 20
    for number, found in enumerate(FOREIGN.values()):
        lay(ward.folder / "foreign" / str(number), found)
    taken = run(ward, ward.folder / "foreign", patient="p1")
    assert len(taken) == len(FOREIGN)
    assert [entry.name for entry in taken if not entry.error] == []
    assert sorted(entry.quarantine for entry in taken) == list(range(1, len(FOREIGN) + 1))
    assert len(ward.house.quarantined()) == len(FOREIGN)
    assert state(ward) == before
    assert ward.house.store.patients(ward.house.gate.house("operator")) == ["p1"]
    assert not ward.house.verify().problems


@pytest.mark.parametrize("found", FOREIGN.values(), ids=FOREIGN)
def test_each_contradiction_is_seen_without_being_told_for_whom(ward, found):
    """The same files beside the patient's own Bundle, as in a folder that somebody collected."""
    folder = lay(ward.folder / "mixed", found)
    (folder / "0-first.json").write_bytes(json.dumps(bundle(person())))
    taken = run(ward, folder)
    attached = [entry for entry in taken if entry.error is None and entry.patient == "p1"]
    assert [entry.name for entry in attached] == ["0-first.json"]


def test_two_patients_in_one_folder_leave_what_names_nobody_out(ward):
    folder = lay(ward.folder / "two", {"a.json": made.fhir("p1"), "b.json": made.fhir("p2"), "n.nii": made.nifti()})
    taken = {entry.name: entry for entry in run(ward, folder)}
    assert taken["a.json"].error is taken["b.json"].error is None
    assert "names nobody" in taken["n.nii"].error.what


def message(id, patient, name="Doe^Jane"):
    return (
        f"MSH|^~\\&|LAB|HOSP|||20260302081500+0100||ORU^R01^ORU_R01|{id}|P|2.5.1\r"
        f"PID|1||{patient}^^^HOSP^MR||{name}||19570402|F\r"
        f"OBR|1|O{id}|F{id}|24323-8^Panel^LN|||20260302080000+0100||||||||||||||||||F\r"
        "OBX|1|NM|2160-0^Creatinine^LN|1|1.1|mg/dL^^UCUM|||||F|||20260302080000+0100\r"
    ).encode()


NOBODYS = b"2026-03-02\nNo chest pain.\n"


def test_a_stored_patient_whom_the_run_refers_to_counts_as_much_as_one_whom_it_brings(ward):
    run(ward, ward.write("first.json", bundle(person())))
    data = json.dumps(creatinine("1.1", "2026-03-02", "o1"))
    found = {"b.json": data, "c.json": json.dumps(person("p2")), "a.txt": NOBODYS}
    taken = {entry.name: entry for entry in run(ward, lay(ward.folder / "two", found))}
    assert (taken["b.json"].patient, taken["c.json"].patient) == ("p1", "p2")
    assert "names nobody, and what came with it is about several people" in taken["a.txt"].error.what
    assert taken["a.txt"].quarantine


@pytest.mark.parametrize("name", ["0.txt", "b.txt", "z.txt"])
@pytest.mark.parametrize("twice", [False, True])
def test_what_names_nobody_waits_for_every_message(ward, name, twice):
    found = {"a.hl7": message("C1", "V40"), name: NOBODYS, "c.hl7": message("C2", "V41")}
    folder = lay(ward.folder / "two", found)
    for _ in range(2 if twice else 1):
        taken = {entry.name: entry for entry in run(ward, folder)}
        assert taken["a.hl7"].error is taken["c.hl7"].error is None
        assert taken["a.hl7"].patient != taken["c.hl7"].patient
        assert "several people" in taken[name].error.what
        assert not taken[name].patient


def test_a_folder_of_several_people_taken_in_again_gives_nobody_what_names_nobody(ward):
    lines = b"\n".join(json.dumps(value) for value in (person("p1"), person("p2")))
    found = {"a.ndjson": lines, "b.json": json.dumps(creatinine("1", "2026-01-01", "o", "p2")), "n.txt": NOBODYS}
    folder = lay(ward.folder / "two", found)
    for _ in range(2):
        (refused,) = [entry for entry in run(ward, folder) if entry.error]
        assert refused.name == "n.txt"


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_names_nobody_is_the_only_ones_of_whom_the_run_speaks(ward, dry_run):
    run(ward, ward.write("first.json", bundle(person())))
    found = {"b.json": json.dumps(creatinine("1.1", "2026-03-02", "o1")), "a.txt": NOBODYS}
    taken = {entry.name: entry for entry in run(ward, lay(ward.folder / "one", found), dry_run=dry_run)}
    assert (taken["a.txt"].patient, taken["a.txt"].attribution) == ("p1", "by operator")
    found = {"a.hl7": message("C1", "V40"), "b.txt": NOBODYS, "c.hl7": message("C2", "V40")}
    taken = run(ward, lay(ward.folder / "messages", found), dry_run=dry_run)
    assert len({entry.patient for entry in taken}) == 1
    assert [entry.error for entry in taken] == [None] * 3


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("z.json", json.dumps(bundle(person("p2")))[:-9]),
        ("z.json", json.dumps(bundle(person("p2"), person("p3")))),
        ("z.json", json.dumps(creatinine("1", "2026-01-01", "o", "p2"))),
        ("z.hl7", message("C1", "V40").replace(b"|P|", b"|T|")),
        ("z.txt", made.note(mrn="MRN-p2")),
        ("z.txt", made.note(mrn="", born="1970-01-01")),
    ],
)
def test_where_another_may_be_meant_by_what_was_refused_what_names_nobody_is_nobodys(ward, name, other):
    found = {"a.json": made.fhir("p1"), "b.nii": made.nifti(), "c.txt": made.note(), name: other}
    taken = {entry.name: entry for entry in run(ward, lay(ward.folder / "mixed", found))}
    assert taken["a.json"].error is taken["c.txt"].error is None
    assert taken[name].error
    assert re.search("names nobody, and .*(not all could|several people)", taken["b.nii"].error.what)
    assert "--patient" in taken["b.nii"].error.remedy


def test_what_is_of_no_kind_that_names_people_casts_no_doubt(ward):
    found = {"a.json": made.fhir("p1"), "b.nii": made.nifti(), "c.pdf": b"%PDF-1.7\n"}
    taken = {entry.name: entry for entry in run(ward, lay(ward.folder / "one", found))}
    assert taken["c.pdf"].error
    assert taken["b.nii"].patient == "p1"


def test_identifiers_tell_which_of_several_people_is_meant(ward):
    letters = {f"{p}.txt": made.note(mrn=f"MRN-{p}") for p in ("p1", "p2", "p3")}
    found = {**letters, "a.json": made.fhir("p1"), "b.json": made.fhir("p2")}
    taken = {entry.name: entry for entry in run(ward, lay(ward.folder / "two", found))}
    assert {n: taken[n].patient for n in letters} == {"p1.txt": "p1", "p2.txt": "p2", "p3.txt": ""}
    assert "several people" in taken["p3.txt"].error.what
    word = run(ward, lay(ward.folder / "vouched", {**found, "p3.txt": made.note(mrn="X")}), accept_identifiers=["X"])
    assert [entry.name for entry in word if entry.error] == ["p3.txt"]


def test_a_later_patient_resource_that_drops_its_identifiers_does_not_open_the_door(ward):
    bare = json.dumps(bundle({"resourceType": "Patient", "id": "p1"}))
    run(ward, ward.write("first.json", bundle(person())))
    folder = lay(ward.folder / "later", {"a.json": bare, "b.vcf": made.vcf(mrn="MRN-p2")})
    taken = {entry.name: entry for entry in run(ward, folder)}
    assert taken["b.vcf"].error


def test_a_folder_of_one_person_is_taken_in_whole_and_attributed(ward):
    taken = run(ward, made.folder(ward.folder / "own"))
    assert [entry.error for entry in taken] == [None] * 7
    how = {entry.kind: entry.attribution for entry in taken}
    assert how == {
        "fhir": "by identifier",
        "vcf": "by identifier",
        "dicom": "by identifier",
        "note": "by identifier",
        "wfdb": "by identifier",
        "apple-health": "by operator",
        "nifti": "by operator",
    }
    assert not ward.house.verify().problems


def test_taking_the_same_folder_in_again_writes_nothing(ward):
    folder = made.folder(ward.folder / "own")
    run(ward, folder)
    before, leaves = state(ward), ward.house.log.newest(ward.house.store.connection).size
    for again in (run(ward, folder), run(ward, folder, patient="p1")):
        assert all(entry.error is None for entry in again)
        assert all(entry.written is None or entry.written.leaf is None for entry in again)
    assert state(ward) == before
    assert ward.house.log.newest(ward.house.store.connection).size == leaves


def test_the_same_content_under_another_name_is_not_taken_twice(ward):
    folder = made.folder(ward.folder / "own")
    (folder / "copy of letter.txt").write_bytes(made.note())
    (folder / "link").symlink_to(folder / "letter.txt")
    taken = run(ward, folder)
    assert [entry.written.leaf is None for entry in taken if entry.kind == "note"].count(False) == 1


def test_a_dry_run_says_the_same_and_stores_nothing(ward):
    folder = made.folder(ward.folder / "own")
    (folder / "foreign.txt").write_bytes(made.note(mrn="MRN-p2"))
    before, leaves = state(ward), ward.house.log.newest(ward.house.store.connection).size
    dry = run(ward, folder, dry_run=True)
    assert state(ward) == before
    assert ward.house.log.newest(ward.house.store.connection).size == leaves
    assert ward.house.quarantined() == []
    real = run(ward, folder)

    def said(taken):
        return [(t.name, t.kind, t.patient, t.attribution, t.counts, t.losses, str(t.error or "")) for t in taken]

    assert said(dry) == said(real)


NAMES = [
    "naïve café.txt",
    "数据 🩺.txt",
    "-rf.txt",
    "a'b\"c;$(x).txt",
    "new\nline.txt",
    " space .txt",
    "x" * 200 + ".txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_names(ward, name):
    folder = lay(ward.folder / "odd", {"a.json": made.fhir(), name: made.note()})
    taken = {entry.name: entry for entry in run(ward, folder)}
    assert taken[name].error is None
    chart, _ = ward.house.gate.open_chart(ward.house.authenticate(ward.patient), "p1", "PATRQT", ward.time)
    (kept,) = chart.notes()
    assert (kept.parts[0].name, kept.read()) == (name, made.note())


def test_a_source_from_which_other_data_came_since_does_not_undo_them(ward):
    first = ward.write("first.json", bundle(person(), creatinine("1.0", "2026-01-01", "c1")))
    run(ward, first)
    run(ward, ward.write("second.json", bundle(creatinine("2.0", "2026-01-01", "c1"))))
    run(ward, first)
    chart, _ = ward.house.gate.open_chart(ward.house.authenticate(ward.patient), "p1", "PATRQT", ward.time)
    assert str(chart.latest("creatinine").quantity) == "2.0 mg/dL"


def test_an_identifier_of_another_system_needs_the_operators_word(ward):
    run(ward, ward.write("first.json", bundle(person())))
    folder = lay(ward.folder / "ct", {"x.dcm": made.dicom(mrn="RAD-77")[0]})
    (refused,) = run(ward, folder, patient="p1")
    assert refused.error
    (taken,) = run(ward, folder, patient="p1", accept_identifiers=["RAD-77"])
    assert taken.error is None
    entries = ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1")
    assert ["RAD-77"] in [entry.content.get("accepted") for entry in entries]


@pytest.mark.parametrize(
    ("name", "data", "place"),
    [
        ("x.dcm", made.dicom(mrn="RAD-77")[0], "DICOM PatientID"),
        ("x.txt", made.note(mrn="RAD-77"), "labelled"),
        ("x.vcf", made.vcf(mrn="RAD-77"), "labelled"),
    ],
)
def test_the_refusal_of_an_identifier_names_its_place_and_the_option_but_not_its_value(ward, name, data, place):
    known = Known.of(person())
    (batch,) = read(lay(ward.folder / "x", {name: data}).iterdir())
    with pytest.raises(InputError) as refused:
        attribute(batch.clues, known, batch.kind)
    assert place in refused.value.what
    assert "another patient" not in refused.value.what
    assert "--accept-identifier VALUE" in refused.value.remedy
    assert "RAD-77" not in str(refused.value)


def test_a_link_in_a_folder_is_said_and_not_sealed(ward):
    folder = made.folder(ward.folder / "own")
    (folder / "link").symlink_to(folder / "letter.txt")
    (link,) = (entry for entry in run(ward, folder) if entry.error)
    assert (link.name, link.error.what, link.quarantine) == ("link", "a link: not followed", None)
    assert ward.house.quarantined() == []


def test_a_forged_signature_file_does_not_undo_a_closure(ward):
    run(ward, ward.write("first.json", bundle(person(), creatinine("1.0", "2026-01-01", "c1"))))
    name = Session(ward.house, ward.patient).close_to_processing("p1", ward.time, categories=["record"])
    junk = {"resourceType": "Provenance", "id": f"{name}-signature", "target": [{"reference": f"Consent/{name}"}]}
    run(ward, ward.write("junk.json", bundle(person(), junk)))
    _, grant = ward.house.gate.service_chart("p1", ward.time)
    assert "record" not in grant.categories


def test_only_operators_and_practitioners_take_data_in(ward):
    path = ward.write("first.json", bundle(person()))
    other = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", other.public_key), by="operator")
    for identity in (ward.patient, other):
        with pytest.raises(AccessError):
            Intake(Session(ward.house, identity)).run([path])
    assert state(ward)["patient"] == []


def test_nothing_to_take_in_is_said(ward):
    (ward.folder / "empty").mkdir(parents=True)
    for path in (ward.folder / "empty", ward.folder / "nowhere"):
        with pytest.raises(InputError):
            run(ward, path)
