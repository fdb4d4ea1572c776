"""text.mentions against the contract: findings, evidence, refusals."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from salus.fhir import blobs, views
from salus.findings import fhir, runner
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.record.chart import Chart
from salus.text.methods import MEDICATION, MENTIONS, PROBLEM

from .notes import NOTE

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p"}


def document(data: bytes, date: str | None = "2025-05-03", number: int = 1) -> tuple[dict[str, Any], dict[str, bytes]]:
    sha = hashlib.sha256(data).hexdigest()
    attachment = {
        "contentType": "text/plain",
        "url": f"{blobs.BLOB_SCHEME}b{number}",
        "size": len(data),
        "title": f"note{number}.txt",
        "extension": [{"url": blobs.EXT_SHA256, "valueString": sha}],
    }
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "status": "current",
        "meta": {"tag": [{"system": views.TAG_KIND, "code": "note/text"}]},
        "content": [{"attachment": attachment}],
    }
    if date:
        body["date"] = date
    return body, {f"b{number}": data}


def findings(*notes: bytes | str, date: str | None = "2025-05-03") -> list[Finding]:
    bodies, blobs = [], {}
    for number, note in enumerate(notes, 1):
        body, blob = document(note.encode() if isinstance(note, str) else note, date, number)
        bodies.append(body)
        blobs.update(blob)
    chart = Chart.of([PATIENT, *bodies], now=NOW, blobs=blobs)
    outcome = runner.run([MENTIONS], chart, contexts={})
    assert not outcome.failures
    return list(outcome.findings)


def one(found: list[Finding], concept: str) -> Finding:
    matching = [f for f in found if f.details.get("concept") == concept]
    assert len(matching) == 1
    return matching[0]


def test_it_is_a_method() -> None:
    assert isinstance(MENTIONS, Method)
    assert MENTIONS.produces == (PROBLEM, MEDICATION)


def test_a_denial_says_so_in_one_sentence_and_shows_where() -> None:
    text = "Stent in 2024. No history of stroke or TIA."
    finding = one(findings(text), "stroke")
    assert finding.code == PROBLEM
    assert finding.sentence == "The note of 3 May 2025 says that there is no history of stroke."
    assert (finding.details["assertion"], finding.details["denial"]) == ("absent", "ever")
    place = finding.evidence[0].locator
    assert text[place["start"] : place["end"]] == "stroke"
    assert finding.evidence[0].source.ref == "DocumentReference/d1"
    triggers = finding.details["mentions"][0]["triggers"]
    assert [text[t["start"] : t["end"]] for t in triggers] == ["No", "history of"]


def test_offsets_count_code_points_of_the_decoded_note() -> None:
    text = "🫀 é\r\nNo gout.\r\n"
    place = one(findings(text), "gout").evidence[0].locator
    assert text[place["start"] : place["end"]] == "gout"


def test_values_are_codes() -> None:
    found = findings("She has a stroke. Takes Plavix.")
    stroke, clopidogrel = one(found, "stroke").value, one(found, "clopidogrel").value
    assert (stroke.system, stroke.code) == ("http://snomed.info/sct", "230690007")  # type: ignore[union-attr]
    assert clopidogrel.code == "32968"  # type: ignore[union-attr]


def test_mentions_of_one_statement_are_one_finding_and_contradictions_are_two() -> None:
    found = findings("She has gout. Gout again today.\nNo gout.")
    gout = [f for f in found if f.details["concept"] == "gout"]
    assert sorted((f.details["assertion"], len(f.evidence)) for f in gout) == [("absent", 1), ("present", 2)]
    assert len({f.id for f in gout}) == 2


def test_identities_are_unique_over_notes_and_stable_over_runs() -> None:
    first, second = findings(NOTE, NOTE), findings(NOTE, NOTE)
    assert len({f.id for f in first}) == len(first)
    assert [(f.id, f.version_hash) for f in first] == [(f.id, f.version_hash) for f in second]


def test_a_date_in_the_note_is_read_against_the_notes_date() -> None:
    assert one(findings("Stroke in 2019."), "stroke").details["assertion"] == "historical"
    undated = one(findings("Stroke in 2019.", date=None), "stroke")
    assert undated.details["assertion"] == "present"
    assert undated.sentence.startswith("The undated note says")


def test_no_note_is_not_assessable() -> None:
    (finding,) = findings()
    assert (finding.status, finding.needs) == ("not-assessable", ("a clinical note in English",))
    assert finding.reason == "no note is recorded, or none was released"


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\xff", b"a\0b", b"Die Patientin wurde mit der Diagnose ist nicht bei uns. " * 9]
)
def test_what_cannot_be_read_is_refused_with_a_reason_and_the_rest_goes_on(data: bytes) -> None:
    found = findings(data, "She has gout.")
    refused = [f for f in found if f.status == "not-assessable"]
    assert len(refused) == 1
    assert refused[0].reason
    assert one([f for f in found if f.status == "ok"], "gout").details["assertion"] == "present"


def test_an_empty_note_gives_nothing() -> None:
    assert findings(b"") == []


def test_every_finding_says_why_it_has_no_probability() -> None:
    assert all(f.no_uncertainty for f in findings(NOTE))


def test_a_relative_is_named_with_the_age() -> None:
    found = findings("Family history: Father had an MI at age 48. Mother had a stroke in her 60s.")
    assert one(found, "myocardial-infarction").sentence.endswith(
        "a relative of the patient (father) has or had myocardial infarction, at the age of 48."
    )
    assert one(found, "stroke").sentence.endswith("(mother) has or had stroke, in the 60s.")


@pytest.mark.parametrize(
    "text",
    [
        "PAST MEDICAL HISTORY\nHeart failure.\n\nASSESSMENT\nHeart failure, decompensated.",
        "A man with past medical history significant for heart failure. He has heart failure.",
    ],
)
def test_what_past_history_names_is_told_apart_from_the_notes_own_words(text: str) -> None:
    found = findings(text + " Gout in 2019.")
    assert sorted(f.sentence for f in found if f.details["concept"] == "heart-failure") == [
        "The note of 3 May 2025 says in its past medical history that the patient had heart failure in the past.",
        "The note of 3 May 2025 says that the patient has heart failure.",
    ]
    assert one(found, "gout").sentence.startswith("The note of 3 May 2025 says that the patient had gout")


def test_a_relative_is_told_in_parts() -> None:
    found = findings("Father's brother had an MI at 45. She has gout.")
    uncle = one(found, "myocardial-infarction").details
    assert uncle["relative"] == "Father's brother"
    assert uncle["kin"] == {"role": "uncle", "degree": 2, "sex": "male", "side": "paternal"}
    assert uncle["age_at_onset"] == "45"
    assert one(found, "gout").details["kin"] is None
    section = one(findings("Family history:\nGout"), "gout").details
    assert section["kin"] == {"role": "", "degree": None, "sex": "", "side": ""}


def test_each_of_two_relatives_is_a_finding() -> None:
    found = findings("Father and brother had diabetes.")
    assert sorted(f.details["relative"] for f in found) == ["Father", "brother"]
    assert len({f.id for f in found}) == 2


def test_a_brand_of_unknown_content_is_named_without_ingredients() -> None:
    finding = one(findings("Takes Macuvite with Lutein."), "Macuvite with Lutein")
    assert (finding.code, finding.details["ingredients"], finding.details["rxcui"]) == (MEDICATION, [], [])


def test_findings_survive_fhir() -> None:
    for finding in findings(NOTE + "\nFather's brother had a stroke at 50."):
        resource, _ = fhir.to_fhir(finding, "2025-06-01T00:00:00Z")
        assert fhir.from_fhir(resource).version_hash == finding.version_hash


def test_running_it_reads_only_notes() -> None:
    body, blobs = document(NOTE.encode())
    chart = Chart.of([PATIENT, body], now=NOW, blobs=blobs)
    list(MENTIONS.run(chart, Context()))
    assert {read.accessor for read in chart.reads} == {"notes"}


def test_a_note_in_another_language_is_named_and_nothing_is_taken_from_it() -> None:
    (finding,) = findings("Patient mit Z.n. Herzinfarkt 2015, Typ-2-Diabetes, nimmt Aspirin.")
    assert (finding.code, finding.status, finding.details["unread"]) == (PROBLEM, "not-assessable", True)
    assert finding.reason == "the note reads as German, not as English"
    assert finding.sentence == "The note of 3 May 2025 could not be read for problems and medicines."
    assert finding.evidence[0].source.ref == "DocumentReference/d1"
    assert finding.effective == ("2025-05-03", "2025-05-03")


def test_a_passage_in_another_language_is_named_and_the_rest_is_read() -> None:
    text = "He has asthma and takes aspirin. Bekannter Typ-2-Diabetes, nimmt Metformin. There is no gout."
    found = findings(text)
    assert {f.details.get("concept") for f in found if f.status == "ok"} == {"asthma", "aspirin", "gout"}
    (unread,) = [f for f in found if f.status == "not-assessable"]
    assert unread.reason == "a part of the note reads as German, not as English"
    assert unread.sentence == "A part of the note of 3 May 2025 could not be read for problems and medicines."
    place = unread.evidence[0].locator
    assert text[place["start"] : place["end"]] == "Bekannter Typ-2-Diabetes, nimmt Metformin."


@pytest.mark.parametrize(
    ("text", "concept", "name"),
    [
        ("Cannot tolerate statins.", "statin", "statin"),
        ("Allergic to ACE inhibitors.", "ACE inhibitor", "ace-inhibitor"),
        ("Allergic to atorvastatin.", "atorvastatin", ""),
        ("Known gout.", "gout", ""),
    ],
)
def test_the_name_of_a_class_carries_the_class(text: str, concept: str, name: str) -> None:
    assert one(findings(text), concept).details["class"] == name


def unread(found: list[Finding]) -> list[Finding]:
    return [f for f in found if f.status == "not-assessable"]


def test_a_value_out_of_bounds_is_named_and_not_read() -> None:
    text = "Seen today. BP 192/118. Potassium 6.4."
    (finding,) = unread(findings(text))
    assert (finding.code, finding.details["unread"]) == (PROBLEM, True)
    assert finding.reason == (
        "the note tells a blood pressure of 192/118 and a potassium of 6.4, and no values are read from notes"
    )
    assert finding.details["values"] == [["a blood pressure", "192/118"], ["a potassium", "6.4"]]
    places = [e.locator for e in finding.evidence]
    assert [text[p["start"] : p["end"]] for p in places] == ["BP 192/118", "Potassium 6.4"]
    assert unread(findings("Seen today. BP 122/78. Potassium 4.4.")) == []


def test_a_lasting_value_adds_nothing_to_a_disease_that_the_note_asserts() -> None:
    assert unread(findings("Heart failure with LVEF 30%. CKD stage 5, eGFR 12.")) == []
    (finding,) = unread(findings("Heart failure clinic. LVEF 30%."))
    assert "an ejection fraction of 30" in finding.reason
    assert len(unread(findings("No heart failure. LVEF 30%."))) == 1


def test_a_passing_value_counts_until_a_much_later_note() -> None:
    first, blob = document(b"BP 192/118.", "2025-01-03", 1)
    for date, count in (("2025-01-20", 1), ("2025-05-03", 0)):
        second, later = document(b"Well today.", date, 2)
        chart = Chart.of([PATIENT, first, second], now=NOW, blobs=blob | later)
        outcome = runner.run([MENTIONS], chart, contexts={})
        assert len(unread(list(outcome.findings))) == count, date


@pytest.mark.parametrize(
    "text", ["Unter Marcumar, INR 2.5.", "Anticoagulado con Sintrom.", "Statine wegen Myopathie abgesetzt."]
)
def test_nothing_is_taken_from_a_short_line_of_another_language(text: str) -> None:
    found = findings(f"Clinic letter\n\n{text}\n\nShe has gout.")
    assert {f.details["concept"] for f in found if f.status == "ok"} <= {"gout"}
    (finding,) = unread(found)
    assert finding.details["unread"] is True
