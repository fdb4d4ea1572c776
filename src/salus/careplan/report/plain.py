"""The patient's page: what is said in plain words, how hard it is to read, and what is never said."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from salus.careplan.model import TIERS, Plan, PlanItem
from salus.careplan.report.words import day
from salus.findings.model import Finding

MAX_GRADE = 8.0
ASK_FIRST = "Please talk with your doctor or pharmacist about this before you change any medicine."
KEEP_TAKING = (
    "Keep taking your medicines as agreed. Do not stop or change one on your own. "
    "Talk with your doctor or pharmacist first."
)
EMERGENCY = "If you feel very ill, do not wait for this plan. Call your emergency number."

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])")
_VOWELS = re.compile(r"[aeiouy]+")
# Vowels side by side that are two syllables: "via", "pe-ri-od", "se-ri-ous", "vi-de-o", "cre-ate", "qui-et", "u-su-al".
_SPLIT = re.compile(
    r"ia(?!ls?$|ns?$|lly$)|io(?!ns?$|n[a-z]|us)|(?<=[rvlbdn])iou|eo(?!ple|us)|(?<=cr)ea|^rea(?=c)|ea$"
    r"|(?<=[^tcr])ie(?=t|nc|nt)|(?<=sc)ie|ui(?=d$)|ua(?=l)|uo(?!y)|[aeo]ying|eing|yi|oe[mt]"
)
# An e that is not spoken: at the end ("take", but "ta-ble"), in -ed and -es ("asked", but "needed"), before -ment.
_SILENT = re.compile(
    r"(?:[^laeiouy]|[aeiouy]l)e$|[^aeiouytd]ed$|(?:[^aeiouylscgzx]|[aeiouy]l)es$"
    r"|(?<=[^aeiouyl])e(?=(?:ments?|ly|ness|less|ful|thing|times)$)"
)

# "stop clopidogrel", "do not take it", "come off it": what only a prescriber may say. A "do not stop" is taken out
# first.
_STOPS = re.compile(
    r"\b(?:stop(?:s|ped|ping)?|discontinu\w+|ceas(?:e|es|ed|ing)|quit(?:s|ting)?|com(?:e|ing)\s+off|wean\w*|halt|skip"
    r"|no\s+longer\s+(?:take|use|need)|(?:not|don['’]t|never|avoid)\s+(?:be\s+)?(?:tak(?:e|en|ing)|us(?:e|ed|ing))"
    r"|leave\s+(?:off|out))\b",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"\b(?:not|never|don['’]t|without|before|before\s+you)\s+(?:(?:just|ever|suddenly)\s+)?"
    r"(?:stop|discontinu|ceas|quit|skip|halt)\w*",
    re.IGNORECASE,
)
_HABITS = re.compile(
    r"\b(?:stop\w*|quit\w*|not\s+use|never\s+use|avoid\s+using)\s+(?:using\s+)?"
    r"(?:smoking|tobacco|cigarettes|vaping|drinking|alcohol)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the patient's page: what it says, and whom to ask ("" where nobody in particular)."""

    text: str
    ask: str = ""


@dataclass(frozen=True, slots=True)
class PatientPage:
    """Everything the patient's page says."""

    points: tuple[Point, ...]
    missing: tuple[Point, ...]
    results: tuple[str, ...]
    medicines: tuple[tuple[str, str, str], ...]

    @property
    def text(self) -> str:
        """All sentences in one: what the reading grade is taken of."""
        asks = (f"Ask: {p.ask}." for p in (*self.points, *self.missing) if p.ask)
        return " ".join([*(p.text for p in (*self.points, *self.missing)), *asks, *self.results, KEEP_TAKING])


def syllables(word: str) -> int:
    """Syllables of an English word: groups of vowels, less a silent e, plus vowels that stand in two syllables."""
    plain = re.sub(r"[^a-z]", "", word.lower())
    count = len(_VOWELS.findall(plain)) + len(_SPLIT.findall(plain)) - len(_SILENT.findall(plain))
    return max(count, 1)


def sentences(text: str) -> list[str]:
    """The sentences of plain prose."""
    return [s for s in _SENTENCE_END.split(text.strip()) if _WORD.search(s)]


def grade_of(sentence_count: int, word_count: int, syllable_count: int) -> float:
    """Flesch-Kincaid grade level (Kincaid et al. 1975, Research Branch Report 8-75, Naval Air Station Memphis)."""
    return 0.39 * word_count / sentence_count + 11.8 * syllable_count / word_count - 15.59


def reading_grade(text: str) -> float:
    """Flesch-Kincaid grade level of ``text``; 0.0 when it holds no word. Numbers do not count as words."""
    words = _WORD.findall(text)
    if not words:
        return 0.0
    return grade_of(max(len(sentences(text)), 1), len(words), sum(syllables(w) for w in words))


def tells_to_stop(sentence: str) -> bool:
    """Whether a sentence can be read as telling someone to stop a medicine (to stop smoking is something else)."""
    return bool(_STOPS.search(_HABITS.sub(" ", _FORBIDDEN.sub(" ", sentence))))


def safe_for_patient(text: str) -> str:
    """``text`` with every sentence that tells to stop a medicine replaced by the advice to ask first."""
    found = [ASK_FIRST if tells_to_stop(s) else s for s in sentences(text)]
    return " ".join(dict.fromkeys(found))


def patient_page(plan: Plan) -> PatientPage:
    """The patient's page of a plan: items in the plan's order, results that have a plain sentence, the medicines."""
    ordered = sorted(plan.items, key=lambda i: (TIERS.index(i.tier), i.rank))
    results = (safe_for_patient(_result(f)) for f in plan.findings if f.status == "ok" and f.patient_sentence)
    return PatientPage(
        points=_points(i for i in ordered if i.tier != "missing-data"),
        missing=_points(i for i in ordered if i.tier == "missing-data"),
        results=tuple(dict.fromkeys(results)),
        medicines=tuple((m.name, m.dose, day(m.last_confirmed)) for m in plan.medicines),
    )


def _result(finding: Finding) -> str:
    """A finding's sentence for the patient; a gene's names the gene and says its result in plain words."""
    gene = finding.details.get("gene")
    if not isinstance(gene, str) or gene not in _genes():
        return finding.patient_sentence
    plain = _genes()[gene].get(str(finding.value), "")
    told = finding.patient_sentence.replace("This gene", f"The gene {gene}", 1)
    if not plain:
        return told
    return f"{told.partition(' Your result:')[0]} Your result: {plain}."


@cache
def _genes() -> dict[str, dict[str, str]]:
    text = files("salus.careplan").joinpath("tables", "genes_plain.toml").read_text("utf-8")
    return {name: table for name, table in tomllib.loads(text).items() if isinstance(table, dict)}


def _points(items: Iterable[PlanItem]) -> tuple[Point, ...]:
    found = (Point(safe_for_patient(item.patient_text), item.ask) for item in items if item.patient_text)
    return tuple(dict.fromkeys(found))
