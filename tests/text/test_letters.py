"""Sentences of letters that are easily misread: scores, lists, answers, what came before and has not come again."""

from __future__ import annotations

import pytest

from salus.text.document import Document
from salus.text.mentions import Mention, mentions

PRESENT, ABSENT, POSSIBLE, PAST, MAYBE = "present", "absent", "possible", "historical", "hypothetical"

SCORES = [
    ("CHA2DS2-VASc: CHF 0, HTN 1, DM 0, stroke 0.", "heart-failure", ABSENT),
    ("CHA2DS2-VASc: CHF 0, HTN 1, DM 0, stroke 0.", "hypertension", PRESENT),
    ("CHA2DS2-VASc: CHF 0, HTN 1, DM 0, stroke 0.", "stroke", ABSENT),
    ("HAS-BLED: stroke 1, bleeding 0", "stroke", PRESENT),
    ("HAS-BLED: stroke 1, bleeding 0", "bleeding", ABSENT),
    ("CHADS-VASc 2 (HTN 1, age 1, stroke 0)", "stroke", ABSENT),
    ("HTN (1), DM (0)", "diabetes", ABSENT),
    ("CHF=0, HTN=1, stroke: 0", "hypertension", PRESENT),
    ("CHF=0, HTN=1, stroke: 0", "stroke", ABSENT),
    ("CHF 0 HTN 1 DM 0 stroke 0", "heart-failure", ABSENT),
    ("CHF 0 HTN 1 DM 0 stroke 0", "hypertension", PRESENT),
    ("No HTN 1, DM 2", "hypertension", ABSENT),
    ("Chest pain 0/10.", "chest-pain", ABSENT),
    ("LDL 2.0, asthma 0.5 mg", "asthma", PRESENT),
]
ANSWERS = [
    ("The form asks about heart attack and stroke: both 'no'.", "stroke", ABSENT),
    ("The form asks about heart attack and stroke: both 'no'.", "myocardial-infarction", ABSENT),
    ("The form asks about stroke.", "stroke", POSSIBLE),
    ("Stroke, MI: both no.", "stroke", ABSENT),
    ("Diabetes and hypertension: neither.", "diabetes", ABSENT),
    ('Diabetes: "no"', "diabetes", ABSENT),
    ("MI 2009, stroke: no", "myocardial-infarction", PAST),
    ("MI 2009, stroke: no", "stroke", ABSENT),
    ("T2DM no", "diabetes", ABSENT),
]
LISTS = [
    ("Patient denies: diabetes; heart disease; stroke.", "stroke", ABSENT),
    ("Denies the following: gout; asthma; stroke.", "stroke", ABSENT),
    ("Denies: shortness of breath; history of stroke; MI.", "stroke", ABSENT),
    ("Denies: shortness of breath; history of stroke; MI.", "myocardial-infarction", ABSENT),
    ("Denies: gout; has asthma", "asthma", PRESENT),
    ("Denies: gout; stroke 2010; asthma", "stroke", PAST),
    ("Denies: gout; stroke 2010; asthma", "asthma", PRESENT),
    ("Denies: gout; asthma: yes", "asthma", PRESENT),
    ("No gout; asthma; stroke.", "stroke", PRESENT),
]
MODALS = [
    ("Was told as a child he might get diabetes.", "diabetes", MAYBE),
    ("He could develop diabetes.", "diabetes", MAYBE),
    ("Could become pregnant.", "pregnancy", MAYBE),
    ("Told he would develop diabetes.", "diabetes", MAYBE),
    ("Prediabetes could progress to diabetes.", "diabetes", MAYBE),
    ("He may have had a stroke.", "stroke", POSSIBLE),
    ("He gets chest pain on walking.", "chest-pain", PRESENT),
]
BEFORE = [
    ("No prior cardiac history until STEMI in 2020.", "myocardial-infarction", PAST),
    ("He was well until a stroke in 2019.", "stroke", PAST),
    ("No cardiac history before his MI in 2012.", "myocardial-infarction", PAST),
    ("No MI until 2019.", "myocardial-infarction", POSSIBLE),
    ("Smoked until 2010.", "smoking", PAST),
    ("No stroke before 2010.", "stroke", ABSENT),
    ("Hold aspirin until bleeding is excluded.", "bleeding", MAYBE),
    ("No recurrent MI since his infarct in 2010.", "myocardial-infarction", PAST),
    ("He has had no further TIA.", "transient-ischaemic-attack", PAST),
    ("No more chest pain.", "chest-pain", PAST),
    ("Denies recurrent bleeding.", "bleeding", PAST),
    ("No further evidence of stroke.", "stroke", ABSENT),
    ("No further history of diabetes.", "diabetes", ABSENT),
    ("Post-infarct patient; no chest pain.", "myocardial-infarction", PAST),
    ("post-MI patient", "myocardial-infarction", PAST),
    ("post-MI angina", "coronary-heart-disease", PRESENT),
    ("STEMI 2018", "myocardial-infarction", PAST),
    ("Stroke - 2015", "stroke", PAST),
    ("DM 2010", "diabetes", PRESENT),
    ("Old inferior infarct.", "myocardial-infarction", PAST),
]
EXPLAINED = [
    ("Costovertebral angle (CVA) tenderness.", "stroke", POSSIBLE),
    ("Cold agglutinin disease (CAD). On review CAD stable.", "coronary-heart-disease", POSSIBLE),
    ("Mitral insufficiency (MI), mild.", "myocardial-infarction", POSSIBLE),
    ("Coronary artery disease (CAD). CAD stable.", "coronary-heart-disease", PRESENT),
    ("Type 2 diabetes mellitus (DM).", "diabetes", PRESENT),
    ("Heart attack (MI) in 2010.", "myocardial-infarction", PAST),
    ("High blood pressure (HTN).", "hypertension", PRESENT),
    ("Complains of heart failure (CHF).", "heart-failure", PRESENT),
    ("No cold agglutinin disease. Known CAD.", "coronary-heart-disease", PRESENT),
]
PREGNANCY = [
    ("Positive pregnancy test today.", PRESENT),
    ("Urine pregnancy test: positive", PRESENT),
    ("Pregnancy test was positive.", PRESENT),
    ("Pregnancy test negative.", ABSENT),
    ("G1P0 at 20+3 weeks.", PRESENT),
    ("27F G2P1 at 32w4d with headache", PRESENT),
    ("G3P2 34/40", PRESENT),
    ("Urine hCG +ve", PRESENT),
    ("Gravida 2 para 1 at 24 weeks", PRESENT),
    ("Antenatal visit: 24/40, BP fine.", PRESENT),
    ("Expecting her first child in September.", PRESENT),
    ("Pregnancy ended in miscarriage last month.", PAST),
    ("Termination of pregnancy in 2019.", PAST),
    ("Lost her pregnancy in April.", PAST),
    ("Wife is expecting a baby.", "other"),
]
SMOKING = [
    ("Not able to stop smoking.", PRESENT),
    ("He does not want to quit smoking.", PRESENT),
    ("No interest in quitting smoking.", PRESENT),
    ("Has stopped smoking.", PAST),
    ("He does not smoke.", ABSENT),
]
USES = [
    ("Naproxen discussed; he prefers paracetamol.", "naproxen", "proposed"),
    ("Naproxen discussed; he prefers paracetamol.", "acetaminophen", "unclear"),
    ("Aspirin and clopidogrel were discussed.", "aspirin", "proposed"),
    ("We also discussed naproxen.", "naproxen", "proposed"),
    ("Options were discussed including naproxen.", "naproxen", "proposed"),
    ("Side effects were discussed, continue aspirin.", "aspirin", "in-use"),
    ("Continue warfarin as discussed.", "warfarin", "in-use"),
    ("On warfarin, diet discussed.", "warfarin", "in-use"),
    ("Warfarin risks discussed.", "warfarin", "in-use"),
    ("Metformin 500 mg 1 - 0 - 0", "metformin", "in-use"),
    ("Ramipril: 0 - 0 - 1", "ramipril", "in-use"),
    ("Metformin 1 0 0", "metformin", "in-use"),
    ("Cannot tolerate statins.", "statin", "allergy"),
    ("Statin intolerance.", "statin", "allergy"),
    ("She tried three statins and could not tolerate any.", "statin", "allergy"),
    ("Unable to take NSAIDs.", "nonsteroidal anti-inflammatory drug", "avoid"),
    ("ACEi cough", "ACE inhibitor", "adverse-reaction"),
    ("Intolerant of ACE inhibitors (cough).", "ACE inhibitor", "allergy"),
]


def of(text: str, concept: str) -> list[Mention]:
    return [m for m in mentions(Document("n", text), note_year=2026) if m.entry.concept == concept]


@pytest.mark.parametrize(("text", "concept", "assertion"), [*SCORES, *ANSWERS, *LISTS, *MODALS, *BEFORE, *EXPLAINED])
def test_what_is_asserted(text: str, concept: str, assertion: str) -> None:
    assert {m.assertion for m in of(text, concept)} == {assertion}


@pytest.mark.parametrize(("text", "assertion"), PREGNANCY)
def test_pregnancy(text: str, assertion: str) -> None:
    assert {m.assertion for m in of(text, "pregnancy")} == {assertion}


@pytest.mark.parametrize(("text", "assertion"), SMOKING)
def test_smoking(text: str, assertion: str) -> None:
    assert {m.assertion for m in of(text, "smoking")} == {assertion}


@pytest.mark.parametrize("text", ["Lives with a smoker.", "Lives with two heavy smokers.", "Smokers in the household."])
def test_people_that_one_lives_with(text: str) -> None:
    assert of(text, "smoking") == []


def test_a_smoker_who_lives_with_one() -> None:
    assert {m.assertion for m in of("He is a smoker and lives with a smoker.", "smoking")} == {PRESENT}


@pytest.mark.parametrize("text", ["G2P1, menopause at 50.", "MMSE 24/40.", "Diabetes, weight loss.", "G7 summit"])
def test_what_is_no_pregnancy(text: str) -> None:
    assert of(text, "pregnancy") == []


@pytest.mark.parametrize(("text", "concept", "use"), USES)
def test_the_use_of_medicines(text: str, concept: str, use: str) -> None:
    assert {m.use for m in of(text, concept)} == {use}
