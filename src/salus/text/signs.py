"""Signs and boxes: plus and minus before or after a name, "-ve", tick boxes, and boxes with a yes and a no.

Whether a sign stands before or after its name is told by the first one of the sentence. A dash is a minus only where
the signs around it say so; where it may be either, the mark is "unknown".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from salus.text.document import Span
from salus.text.marks import EMPTY, TICKED, Mark, Style, Value, label_start
from salus.text.wordlists import answer_words

_BOX = f"(?:{TICKED}|{EMPTY})"
_OPTION = r"(?:yes|no|y|n|unknown|unsure|n/a)\b"
_OPTION_END = rf"(?=[ \t]*(?:\Z|[,;.|/)\n]|{_BOX}|[ ]{{2}}|\t))"
_BEFORE = rf"(?:{_BOX}[ \t]{{0,4}}{_OPTION}{_OPTION_END}[ \t,/|]{{0,8}})+"
_AFTER = rf"(?:\b{_OPTION}[ \t]{{0,4}}:?[ \t]{{0,4}}{_BOX}[ \t,/|]{{0,8}})+"
_CHOICE = re.compile(rf"{_BEFORE}|{_AFTER}", re.I)
_CHOSEN = re.compile(rf"(?P<box>{_BOX})|(?P<option>{_OPTION})", re.I)
_ANY = re.compile(r"[\[(+\-–−_☐□◻▢☑☒✅■✓✔✗✘✕❌]")
_MARK = re.compile(
    rf"(?P<ticked>{TICKED}|[✓✔])|(?P<empty>{EMPTY})|(?P<crossed>[✗✘✕❌])"
    r"|[(\[][ \t]?(?P<yes>\+{1,3}|\+ve|pos(?:itive)?|yes|y|present)[ \t]?[)\]]"
    r"|[(\[][ \t]?(?P<no>[-–−]|[-–−]ve|neg(?:ative)?|no|n|nil|none|0|absent|denie[sd])[ \t]?[)\]]",
    re.I,
)
_VE = re.compile(r"(?P<sign>[+\-–−])[ \t]?ve\b(?![ \t]+(?:for|of)\b)", re.I)
_SUFFIX = re.compile(r"(?P<word>[^\W_]{1,30})(?P<gap>[ \t]?)(?P<sign>\+{1,3}|[-–−])(?=[\s,;.)/|]|\Z)")
_PREFIX = re.compile(r"(?P<sign>[+\-–−])(?P<gap>[ \t]?)(?=[^\W\d_])")
_SIGNED_WORD = re.compile(
    r"[ \t]+(?P<words>(?:[\w']{1,20}[ \t]){0,3}[\w']{0,20}[^\W\d_])[ \t]?[+\-–−](?=[\s,;.)/|]|\Z)"
)
_WORDS = re.compile(r"[\w'&/-]+")
_LABEL = re.compile(r"(?:[\w/]{1,24} ){0,3}[\w/]{1,24}:")
_LINE_START = re.compile(r"(?:\A|\n)[ \t]*\Z")
_BULLET = re.compile(r"[\s>*•·–-]*(?:\d{1,2}[.)][ \t]?)?\Z")
_FARTHEST = 5  # words that a sign behind them may speak of


@dataclass(frozen=True, slots=True)
class _Atom:
    span: Span
    value: Value
    form: str  # "box", "sign"


def find(text: str, span: Span, style: Style) -> list[Mark]:
    """The marks of signs and boxes in ``text[span]``, in order."""
    if _ANY.search(text, span.start, span.end) is None:
        return []
    choices = list(_choices(text, span, style))
    atoms = [atom for atom in _atoms(text, span, style) if not any(c.span.overlaps(atom.span) for c in choices)]
    found = choices + _placed(text, span, atoms, [c.span.end for c in choices])
    found += _ve(text, span)
    found += _suffixes(text, span)
    found += _prefixes(text, span, style)
    return sorted(found, key=lambda mark: mark.span)


def _choices(text: str, span: Span, style: Style) -> Iterator[Mark]:
    """ "Diabetes: [ ] yes [x] no": the ticked one of several answers, "unknown" where none or several are ticked."""
    low = span.start
    for group in _CHOICE.finditer(text, span.start, span.end):
        ticked: set[Value] = set()
        parts = [m.group() for m in _CHOSEN.finditer(group.group())]
        boxes, options = parts[0::2], parts[1::2]
        if not _is_box(boxes[0]):
            boxes, options = options, boxes
        for box, option in zip(boxes, options, strict=False):
            if re.fullmatch(TICKED, box):
                word = option.lower()[0] if option.lower() in ("yes", "no", "y", "n") else ""
                ticked.add("yes" if word == "y" else "no" if word == "n" else "unknown")
        value = ticked.pop() if len(ticked) == 1 and not (style.crosses and "☒" in group.group()) else "unknown"
        at = group.start()
        yield Mark(Span(*group.span()), "answer", value, Span(label_start(text, low, at, answer_words("clause")), at))
        low = group.end()


def _is_box(piece: str) -> bool:
    return re.fullmatch(_BOX, piece) is not None


def _atoms(text: str, span: Span, style: Style) -> Iterator[_Atom]:
    for m in _MARK.finditer(text, span.start, span.end):
        place = Span(*m.span())
        if m["ticked"]:
            doubtful = style.crosses and m["ticked"] == "☒"
            yield _Atom(place, "unknown" if doubtful else "yes", "box")
        elif m["empty"]:
            filled = style.lined if m["empty"].startswith("_") else style.filled
            yield _Atom(place, "no" if filled else "unknown", "box")
        elif m["crossed"]:
            yield _Atom(place, "no", "box")
        else:
            yield _Atom(place, "yes" if m["yes"] else "no", "sign")


def _placed(text: str, span: Span, atoms: list[_Atom], ends: list[int]) -> list[Mark]:
    """Boxes, and signs in brackets, each with the names before or after it."""
    found: list[Mark] = []
    leading: dict[str, bool] = {}
    edges = sorted([span.start, *ends, *(atom.span.end for atom in atoms)])
    for position, atom in enumerate(atoms):
        following = atoms[position + 1].span.start if position + 1 < len(atoms) else span.end
        low = edges[bisect_right(edges, atom.span.start) - 1]
        if atom.form not in leading:
            leading[atom.form] = _leads(text, low, atom.span, following)
        region = Span(atom.span.end, _clause_end(text, atom.span.end, following, ";\n"))
        if not leading[atom.form] or not _WORDS.search(text, region.start, region.end):
            region = _behind(text, low, atom.span.start)
        found.append(Mark(atom.span, "box" if atom.form == "box" else "sign", atom.value, region))
    return found


def _leads(text: str, low: int, mark: Span, following: int) -> bool:
    """True when the mark stands before its name: after nothing, a bullet or a label, with words behind it."""
    before, after = text[low : mark.start], text[mark.end : following]
    opens = _BULLET.fullmatch(before) is not None or before.rstrip().endswith((":", "\n", ",", ";"))
    answers = after.rstrip().endswith(":") and "\n" not in after  # "HTN: [N] DM: [Y]"
    return opens and not answers and re.match(r"[ \t]*[\w+]", after) is not None


def _clause_end(text: str, start: int, end: int, breaks: str) -> int:
    return min((at for sign in breaks if (at := text.find(sign, start, end)) >= 0), default=end)


def _behind(text: str, low: int, at: int) -> Span:
    """The few words before ``at``, back to a comma, a label's colon or ``low``."""
    stop = len(text[:at].rstrip(" \t:=-–")) if text[low:at].strip(" \t:=-–") else at
    start = max([low, *(text.rfind(sign, low, stop) + 1 for sign in ",;:\n(|\t")])
    words = [m.start() for m in _WORDS.finditer(text, start, stop)]
    return Span(words[-_FARTHEST] if len(words) > _FARTHEST else start, max(start, stop))


def _ve(text: str, span: Span) -> Iterator[Mark]:
    """ "asthma -ve", "-ve asthma", "Stroke: -ve"; "-ve for stroke" is a trigger of the table."""
    low = span.start
    for m in _VE.finditer(text, span.start, span.end):
        value: Value = "yes" if m["sign"] == "+" else "no"
        end = _clause_end(text, m.end(), span.end, ",;.\n")
        before = text[max([low, *(text.rfind(sign, low, m.start()) + 1 for sign in ",;:.\n")]) : m.start()]
        leads = not _WORDS.search(before.strip(" \t-")) and re.match(r"[ \t]+\w", text[m.end() : end]) is not None
        region = Span(m.end(), end) if leads else _behind(text, low, m.start())
        yield Mark(Span(*m.span()), "sign", value, region)
        low = m.end()


def _suffixes(text: str, span: Span) -> Iterator[Mark]:
    """ "HTN+ DM- CAD-"."""
    hits = [m for m in _SUFFIX.finditer(text, span.start, span.end) if re.search(r"[^\W\d_]", m["word"])]
    # "asthma -ve": the sign of another form
    hits = [m for m in hits if not (m["gap"] and not re.match(r"[ \t]*(?:[,;.)/|\n]|\Z)", text[m.end() : span.end]))]
    values = [_suffix_value(text, span, m) for m in hits]
    signed = any(value in ("yes", "no") for value in values)
    low = span.start
    for m, said in zip(hits, values, strict=True):
        value: Value | None = "no" if said == "last" and signed else "unknown" if said in ("last", "unsure") else None
        if said in ("yes", "no"):
            value = "yes" if said == "yes" else "no"
        elif said == "" and "yes" in values:
            value = "unknown"
        if value is not None:
            yield Mark(Span(m.start("sign"), m.end()), "sign", value, _behind(text, low, m.start("sign")))
        low = m.end()


def _suffix_value(text: str, span: Span, m: re.Match[str]) -> str:
    """What a sign glued to a name says: "yes", "no", "last" (nothing follows), or "" (perhaps a mere dash)."""
    if m["sign"].startswith("+"):
        return "yes"
    rest = text[m.end() : span.end]
    if not rest.strip():
        return "last"
    if re.match(r"[ \t]*[,;.)/|]", rest):
        return "no"
    following = _SIGNED_WORD.match(rest)
    if following and not answer_words("clause").intersection(following["words"].lower().split()):
        return "no"
    return ""


def _prefixes(text: str, span: Span, style: Style) -> Iterator[Mark]:
    """ "+cough -syncope", "+ cough, - syncope"; a dash that may be a bullet is no sign."""
    hits = [m for m in _PREFIX.finditer(text, span.start, span.end) if _opens(text, span, m) and not _is_ve(text, m)]
    pluses = any(m["sign"] == "+" for m in hits)
    inner = sum(m["sign"] != "+" and not _at_line_start(text, m.start()) for m in hits)
    for position, m in enumerate(hits):
        in_block = style.has_signs(m.start()) and _at_line_start(text, m.start())
        if m["sign"] == "+":
            value: Value = "yes"
        elif pluses or in_block:
            value = "no"
        elif not m["gap"] and not _at_line_start(text, m.start()) and inner > 1:
            value = "unknown"
        else:
            continue
        following = hits[position + 1].start() if position + 1 < len(hits) else span.end
        end = _clause_end(text, m.end(), following, ";\n" if value == "yes" else ",;\n")
        yield Mark(Span(m.start(), m.start() + 1), "sign", value, Span(m.end(), end))


def _opens(text: str, span: Span, m: re.Match[str]) -> bool:
    """True when the sign opens a word (glued) or a clause (with a blank behind it)."""
    before = text[max(0, m.start() - 24) : m.start()]
    if _at_line_start(text, m.start()) or m.start() == span.start:
        return True
    if m["gap"] and before.rstrip().endswith(":") and _LABEL.match(text, m.end()):
        return False  # "DM: + HTN: -" are answers
    return before.rstrip()[-1:] in (",", ";", ":") if m["gap"] else before[-1:] in " \t(:,;/|"


def _is_ve(text: str, m: re.Match[str]) -> bool:
    return re.match(r"ve\b", text[m.end() : m.end() + 3], re.I) is not None


def _at_line_start(text: str, at: int) -> bool:
    return _LINE_START.search(text, max(0, at - 24), at) is not None
