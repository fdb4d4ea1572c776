"""What comes out of a sandbox, held to its form and to what was handed over before salus takes it for findings.

Nothing of it is believed: evidence must lie in what was handed over and gets salus's own word for its source; reads are
done again on salus's own chart; every proposal is marked as one of a method that nobody measured.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

from salus.app.sandbox.handed import Handed
from salus.careplan.compose import UNMEASURED
from salus.careplan.model import TIERS
from salus.errors import InputError, MethodError
from salus.findings import fhir as findings_fhir
from salus.findings.model import Action, Evidence, Finding, Status
from salus.findings.runner import MAX_FINDINGS
from salus.record.chart import Chart

MAX_READS = 10_000
MAX_TEXT = 100_000
"""Characters of one text."""
PNG = b"\x89PNG\r\n\x1a\n"


def findings(answer: Mapping[str, Any], handed: Handed, consumes: Sequence[str]) -> list[Finding]:
    """The findings in an answer, and what was read for them done again on the chart. Raises MethodError."""
    told = answer.get("findings")
    if not isinstance(told, list) or len(told) > MAX_FINDINGS:
        raise MethodError(f"returned more than {MAX_FINDINGS:,} findings" if isinstance(told, list) else _FORM)
    found = [_finding(each, handed) for each in told]
    _read_again(answer.get("reads"), handed.chart, frozenset(consumes))
    return found


_FORM = "returned what is not a finding"


def error_name(name: object) -> str:
    """The name of an error where it is one of Python's own: any other may tell of the patient."""
    known = getattr(builtins, name, None) if isinstance(name, str) else None
    return known.__name__ if isinstance(known, type) and issubclass(known, BaseException) else "an error of its own"


# ---- the form

Test = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _one_of(*allowed: str) -> Test:
    return lambda value: isinstance(value, str) and value in allowed


def _object(tests: Mapping[str, Test]) -> Test:
    return lambda value: (
        isinstance(value, dict) and value.keys() == tests.keys() and all(test(value[n]) for n, test in tests.items())
    )


def _list_of(test: Test) -> Test:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _or_none(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _value(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2 or value[0] not in _VALUES:
        return False
    return _VALUES[value[0]](value[1])


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _place(value: Any) -> bool:
    """A locator: one of the forms that :class:`salus.findings.model.Evidence` names, no other and not half of one."""
    if not isinstance(value, dict) or not all(name in _LOCATORS and _LOCATORS[name](v) for name, v in value.items()):
        return False
    return frozenset(value) - _MAY in _FORMS and (frozenset(value) & _MAY) <= _ALSO.get(frozenset(value) - _MAY, _NONE)


def _details(value: Any) -> bool:
    """What a proposal tells besides: plain words, and under "when" the medicine that has to be taken."""
    if not isinstance(value, dict):
        return False
    rest = {name: each for name, each in value.items() if name != "when"}
    when = value.get("when", {"medicine": ""})
    plain = all(_text(each) or _number(each) or isinstance(each, bool) for each in rest.values())
    return plain and isinstance(when, dict) and when.keys() == {"medicine"} and _text(when["medicine"])


def _source(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and type(value[1]) is int and _texts([value[0], *value[2:]])


def _anything(value: Any) -> bool:
    return True


_LOCATORS: dict[str, Test] = {
    **dict.fromkeys(("path", "contig", "channel"), _text),
    **dict.fromkeys(("start", "end", "pos", "sample_start", "sample_end", "frame"), _whole),
    "box": lambda value: isinstance(value, list) and len(value) == 4 and all(map(_whole, value)),
}
_NONE: frozenset[str] = frozenset()
_SAMPLES, _FRAME = frozenset({"sample_start", "sample_end"}), frozenset({"frame"})
_FORMS = frozenset(
    {_NONE, frozenset({"path"}), frozenset({"start", "end"}), frozenset({"contig", "pos"}), _SAMPLES, _FRAME}
)
_ALSO = {_SAMPLES: frozenset({"channel"}), _FRAME: frozenset({"box"})}
_MAY = frozenset({"channel", "box"})
_VALUES: dict[str, Test] = {
    "nonetype": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool),
    "str": _text,
    "decimal": _number,
    "quantity": _object({"value": _number, "unit": _text, "comparator": _or_none(_one_of("<", "<=", ">=", ">", "ad"))}),
    "code": _object({"system": _text, "code": _text, "display": _text}),
}

_EVIDENCE = _object({"source": _source, "locator": _place, "part": _or_none(_text), "digest": _text, "label": _text})
_PROPOSAL = _object(
    {
        **dict.fromkeys(("guideline", "target", "text", "indication", "strength", "citation"), _text),
        **dict.fromkeys(("window", "changes_if", "patient_text"), _text),
        **dict.fromkeys(("contraindications", "alternatives"), _texts),
        "action": _one_of(*get_args(Action)),
        "tier": _one_of(*TIERS),
        "details": _details,
    }
)
_INTERVAL = _object({"low": _number, "high": _number, "level": _or_none(_number), "method": _text})
_MEDIA = _object(
    {
        "kind": _one_of("thumbnail", "strip", "series"),
        "title": _text,
        "contentType": _one_of("image/png", "application/json"),
        "data": lambda value: isinstance(value, str),
    }
)
_FINDING = _object(
    {
        **dict.fromkeys(("code", "sentence", "patient_sentence", "no_uncertainty", "reason", "target"), _text),
        **dict.fromkeys(("subject", "method", "method_version", "parameters_digest", "read_set"), _anything),
        "value": _value,
        "interval": _or_none(_INTERVAL),
        "probability": _or_none(lambda value: _number(value) and 0 <= value <= 1),
        "status": _one_of(*get_args(Status)),
        "needs": _texts,
        "effective": lambda value: _texts(value) and len(value) == 2,
        "evidence": _list_of(_EVIDENCE),
        "proposals": _list_of(_PROPOSAL),
        "details": lambda value: isinstance(value, dict),
        "media": _list_of(_MEDIA),
    }
)
_RUNNERS = {"subject": "", "method": "", "method_version": "", "parameters_digest": "", "read_set": []}
"""What the runner adds, whatever the method says."""


def _finding(told: Any, handed: Handed) -> Finding:
    if not _FINDING(told):
        raise MethodError(_FORM)
    try:
        found = findings_fhir.load({**told, **_RUNNERS})
    except (InputError, ValueError, TypeError, ArithmeticError) as error:
        raise MethodError(_FORM) from error
    if any((m.content_type == "image/png") != (m.kind == "thumbnail") for m in found.media):
        raise MethodError("returned a picture that is no picture")
    if any(m.kind == "thumbnail" and not m.data.startswith(PNG) for m in found.media):
        raise MethodError("returned a picture that is no picture")
    proposals = tuple(replace(p, details={**p.details, UNMEASURED: True}) for p in found.proposals)
    return replace(found, evidence=tuple(_held(e, handed) for e in found.evidence), proposals=proposals)


def _held(evidence: Evidence, handed: Handed) -> Evidence:
    """Evidence with salus's own word for its source. Raises MethodError for what was not handed over."""
    source = handed.source(evidence.source.ref)
    if source is None or source.digest != evidence.source.digest:
        raise MethodError("named evidence that it was not handed")
    return replace(evidence, source=source)


# ---- the reads

_ACCESSORS: dict[str, tuple[int, Callable[..., object]]] = {
    "now": (0, lambda chart: chart.now),
    "patient": (0, lambda chart: chart.patient),
    "observations": (2, lambda chart, code, since: chart.observations(code, _moment(since))),
    "panels": (1, Chart.panels),
    "summaries": (
        5,
        lambda chart, code, unit, by, start, end: chart.summaries(code, unit, by, _needed(start), _needed(end)),
    ),
    "readings": (4, lambda chart, code, unit, start, end: chart.readings(code, unit, _needed(start), _needed(end))),
    "unread_observations": (0, Chart.unread_observations),
    "modified": (1, Chart.modified),
    "latest": (1, Chart.latest),
    "conditions": (0, Chart.conditions),
    "future": (0, Chart.future),
    "mentions": (0, Chart.mentions),
    "medications": (0, Chart.medications),
    "events": (1, Chart.events),
    "notes": (0, Chart.notes),
    "genome": (0, Chart.genome),
    "images": (0, Chart.images),
    "signals": (1, Chart.signals),
    "findings": (1, Chart.findings),
}


def _read_again(reads: Any, chart: Chart, consumes: frozenset[str]) -> None:
    """Do each read on the chart, which remembers it with its own digest and kinds of data. Raises MethodError."""
    if not isinstance(reads, list) or len(reads) > MAX_READS:
        raise MethodError("said too much or nothing of what it read")
    for read in reads:
        if not (isinstance(read, list) and len(read) == 2 and isinstance(read[0], str) and _texts(read[1])):
            raise MethodError("said of a read what is none")
        accessor, arguments = read
        count, ask = _ACCESSORS.get(accessor, (-1, _anything))
        if count != len(arguments):
            raise MethodError("said of a read what is none")
        ask(chart, *arguments)
    for code in consumes:
        chart.findings(code)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise MethodError("said of a read what is none") from error


def _needed(text: str) -> datetime:
    found = _moment(text)
    if found is None or found.tzinfo is None:
        raise MethodError("said of a read what is none")
    return found
