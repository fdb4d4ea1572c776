"""Context of a mention: is it denied, doubted, past, conditional, or about somebody else?

Four axes after NegEx and ConText (Chapman et al., J Biomed Inform 2001;34:301-310; Harkema et al., J Biomed Inform
2009;42:839-851): negation, certainty, temporality, experiencer; and a fifth for the use of medicines. A trigger reaches
over the tokens after or before it until a terminator, a new label ("Neck:") or numbered item, or its own reach.
Capitals play no part. Every answer names the triggers that led to it, as spans, so that a reader can check them.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product
from typing import Literal

from salus.text.document import Span, Token, tokenize
from salus.text.trie import TokenTrie
from salus.text.wordlists import words

Negation = Literal["affirmed", "negated"]
Certainty = Literal["certain", "uncertain"]
Temporality = Literal["recent", "historical", "hypothetical"]
Experiencer = Literal["patient", "family", "other"]

AXES = ("negation", "certainty", "temporality", "experiencer", "use")
_DEFAULTS = {
    "negation": "affirmed",
    "certainty": "certain",
    "temporality": "recent",
    "experiencer": "patient",
    "use": "",
}
# Where triggers of one axis disagree the more cautious value wins: what is conditional is not yet past.
_PRECEDENCE = {
    "negation": ("negated",),
    "certainty": ("uncertain",),
    "temporality": ("hypothetical", "historical"),
    "experiencer": ("family", "other"),
    "use": ("allergy", "avoid", "stopped", "past", "adverse-reaction", "restarted", "started"),
}
_NUMBER_WORDS = words("numbers")
_CLAUSE_ENDS = frozenset(",.;)]|")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
# "Neck:", "PRE-OP DIAGNOSIS:" after a line break, a wide gap or a finished sentence; "2)" or "3." as a list item.
_LABEL = re.compile(r"(?:(?<=\n)|(?<=[ \t][ \t])|(?<=[.;][ \t])|\A)(?:[\w/&'-]{1,24} ){0,4}[\w/&'-]{1,24} ?:(?!\d)")
_ITEM = re.compile(r"(?<!\S)\d{1,2}[.)](?=\s)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the trigger table; ``reach`` in tokens (None: to the end of the clause)."""

    axis: str
    direction: str
    value: str | None = None
    reach: int | None = None
    kind: str = ""
    only: str = ""
    until_comma: bool = False
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger found in the text: its place and what it says."""

    span: Span
    axis: str
    value: str
    direction: str
    kind: str = ""
    gap: int = 0
    """Tokens between trigger and target."""


@dataclass(frozen=True, slots=True)
class Context:
    """The axes of one mention, the triggers that set them, and the axes set by the section alone.

    ``use`` speaks of medicines: "allergy", "avoid", "stopped", "past", "adverse-reaction", "restarted",
    "started" or "" (nothing).
    ``also`` holds further values of ``use`` that lost to the first.
    """

    negation: Negation = "affirmed"
    certainty: Certainty = "certain"
    temporality: Temporality = "recent"
    experiencer: Experiencer = "patient"
    use: str = ""
    triggers: tuple[Trigger, ...] = ()
    from_section: tuple[str, ...] = ()
    also: frozenset[str] = frozenset()

    def of(self, axis: str) -> tuple[Trigger, ...]:
        """The triggers of one axis."""
        return tuple(trigger for trigger in self.triggers if trigger.axis == axis)

    @property
    def doubted_at_once(self) -> bool:
        """True when a word of doubt stands right beside the mention ("possibly warfarin")."""
        return any(trigger.gap <= 1 for trigger in self.of("certainty"))


@dataclass(frozen=True, slots=True)
class _Hit:
    first: int
    last: int  # one past the last token
    rule: Rule


_Group = tuple[str, str, str]  # axis, direction, value

_NEAREST = 3  # so many triggers of one group are kept as evidence
_FARTHEST = 150  # tokens; beyond it no trigger is looked for


def _word(word: str, before_year: int | None = None) -> str:
    if word in _NUMBER_WORDS:
        return "#"
    if not word.isdigit():
        return word
    is_past_year = before_year is not None and _YEAR.match(word) is not None and int(word) < before_year
    return "<year>" if is_past_year else "#"


def expand(phrase: str, *, numbers: bool = True) -> Iterator[tuple[str, ...]]:
    """All token sequences that a phrase of a table stands for: ``a|b`` alternatives, ``a?`` may be missing.

    With ``numbers`` digits and number words become "#", any number.
    """
    choices: list[list[str]] = []
    for part in phrase.split():
        optional = len(part) > 1 and part.endswith("?")
        options = part.rstrip("?").split("|") if len(part) > 1 else [part]
        options = [_word(word) for word in options] if numbers else options
        choices.append([*options, ""] if optional else options)
    for combination in product(*choices):
        yield tuple(word for word in combination if word)


@cache
def _tries(language: str) -> dict[str, TokenTrie[Rule]]:
    source = resources.files("salus.text").joinpath(f"data/context_{language}.toml")
    table = tomllib.loads(source.read_text("utf-8"))
    tries: dict[str, TokenTrie[Rule]] = {axis: TokenTrie() for axis in AXES}
    for row in table["rule"]:
        rule = Rule(**{key: value for key, value in row.items() if key != "phrases"})
        for phrase in row["phrases"]:
            for sequence in expand(phrase):
                tries[rule.axis].add(sequence, rule)
    return tries


class Sentence:
    """One sentence made ready: its triggers and terminators are found once, however many mentions it has.

    A mention then looks outward from its own place and takes the nearest triggers of each kind, so that its cost is
    bounded whatever the text is.
    """

    def __init__(
        self, text: str, span: Span | None = None, *, before_year: int | None = None, language: str = "en"
    ) -> None:
        self.span = Span(0, len(text)) if span is None else span
        self.tokens: Sequence[Token] = tokenize(text, self.span.start, self.span.end)
        self._starts = [token.start for token in self.tokens]
        self._ends = [token.end for token in self.tokens]
        self._commas = [index for index, token in enumerate(self.tokens) if token.norm == ","]
        self._boundaries = sorted(
            self._index(match.start())
            for pattern in (_LABEL, _ITEM)
            for match in pattern.finditer(text, self.span.start, self.span.end)
        )
        self._groups: dict[_Group, list[_Hit]] = {}
        self._stops: dict[str, list[_Hit]] = {}
        normal = [_word(token.norm, before_year) for token in self.tokens]
        for axis, trie in _tries(language).items():
            for first, last, rules in trie.matches(normal):
                for rule in rules:
                    self._keep(axis, _Hit(first, last, rule))
        self._stop_edges: dict[tuple[str, str, str], tuple[list[int], list[int]]] = {}

    def _keep(self, axis: str, hit: _Hit) -> None:
        rule = hit.rule
        if rule.direction == "stop":
            self._stops.setdefault(axis, []).append(hit)
        elif rule.direction != "pseudo":
            self._groups.setdefault((axis, rule.direction, str(rule.value)), []).append(hit)

    def _index(self, offset: int) -> int:
        """The first token at or after a text offset."""
        return bisect_left(self._starts, offset)

    def assess(
        self,
        target: Span,
        *,
        kind: str = "problem",
        temporality: str | None = None,
        experiencer: str | None = None,
    ) -> Context:
        """The context of ``target``.

        ``kind`` ("medication", "problem") admits the rules made for that kind alone. ``temporality`` and
        ``experiencer`` are the section's word, used where no trigger speaks of that axis.
        """
        first = bisect_right(self._ends, target.start)
        last = max(first, self._index(target.end))
        groups = [group for group in self._groups if group[0] != "use" or kind == "medication"]
        triggers = [trigger for group in groups for trigger in self._reaching(group, first, last, kind)]
        values = dict(_DEFAULTS)
        for axis, order in _PRECEDENCE.items():
            said = {trigger.value for trigger in triggers if trigger.axis == axis}
            values[axis] = next((value for value in order if value in said), values[axis])
        priors = {"temporality": temporality, "experiencer": experiencer}
        from_section = [a for a, v in priors.items() if v and not any(t.axis == a for t in triggers)]
        for axis in from_section:
            values[axis] = str(priors[axis])
        kept = tuple(sorted((t for t in triggers if t.value == values[t.axis]), key=lambda t: (t.span, t.axis)))
        if values["temporality"] == "hypothetical":
            values["certainty"] = "uncertain"  # what is only conditional is not certain either
        also = frozenset(t.value for t in triggers if t.axis == "use") - {values["use"]}
        return Context(**values, triggers=kept, from_section=tuple(from_section), also=also)  # type: ignore[arg-type]

    def _reaching(self, group: _Group, first: int, last: int, kind: str) -> Iterator[Trigger]:
        """The nearest triggers of one group that reach the tokens [first, last), outward."""
        axis, direction, value = group
        hits = self._groups[group]
        forward = direction == "forward"
        edge = self._edge(axis, value, kind, first if forward else last, forward=forward)
        taken = 0
        for hit in _outward(hits, first if forward else last, forward=forward):
            gap = first - hit.last if forward else hit.first - last
            if gap > _FARTHEST or taken == _NEAREST or (hit.last < edge if forward else hit.first > edge):
                return
            if self._applies(hit, kind, gap, first, last):
                taken += 1
                span = Span(self.tokens[hit.first].start, self.tokens[hit.last - 1].end)
                yield Trigger(span, axis, value, direction, hit.rule.kind, gap)

    def _applies(self, hit: _Hit, kind: str, gap: int, first: int, last: int) -> bool:
        rule = hit.rule
        if rule.only not in ("", kind) or (rule.reach is not None and gap > rule.reach):
            return False
        if rule.at_end and hit.last < len(self.tokens) and self.tokens[hit.last].norm not in _CLAUSE_ENDS:
            return False
        low, high = (hit.last, first) if rule.direction == "forward" else (last, hit.first)
        return not rule.until_comma or bisect_left(self._commas, low) == bisect_left(self._commas, high)

    def _edge(self, axis: str, value: str, kind: str, at: int, *, forward: bool) -> int:
        """How far triggers may be: the token after (before) the nearest terminator, label or list item.

        A trigger that is itself a label ("History: asthma") reaches beyond it, one before the label does not.
        """
        starts, ends = self._edges(axis, value, kind)
        boundaries = self._boundaries
        if forward:
            stop = bisect_right(ends, at)
            label = bisect_right(boundaries, at)
            # A trigger must end after the terminator began, and after the label's first token.
            nearest_stop = starts[stop - 1] + 1 if stop else 0
            nearest_label = boundaries[label - 1] + 1 if label else 0
            return max(nearest_stop, nearest_label)
        stop = bisect_left(starts, at)
        label = bisect_left(boundaries, at)
        nearest_stop = ends[stop] - 1 if stop < len(ends) else len(self.tokens)
        if label < len(boundaries):
            nearest_stop = min(nearest_stop, boundaries[label] if boundaries[label] == at else boundaries[label] - 1)
        return nearest_stop

    def _edges(self, axis: str, value: str, kind: str) -> tuple[list[int], list[int]]:
        """First tokens, and tokens after the last, of the terminators that hold for one value and kind."""
        key = (axis, value, kind)
        if key not in self._stop_edges:
            hits = [
                hit
                for hit in self._stops.get(axis, ())
                if hit.rule.value in (None, value) and hit.rule.only in ("", kind)
            ]
            self._stop_edges[key] = ([hit.first for hit in hits], [hit.last for hit in hits])
        return self._stop_edges[key]


def _outward(hits: list[_Hit], at: int, *, forward: bool) -> Iterator[_Hit]:
    """Hits before (forward) or after ``at``, nearest first."""
    if forward:
        for position in range(bisect_right(hits, at, key=lambda hit: hit.last) - 1, -1, -1):
            yield hits[position]
    else:
        yield from hits[bisect_left(hits, at, key=lambda hit: hit.first) :]
