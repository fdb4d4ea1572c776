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
from functools import cache, partial
from importlib import resources
from typing import Any, Literal

from salus.text import marking, marks
from salus.text.document import Span, Token, tokenize
from salus.text.phrases import expand, normal, openings
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
# Where triggers of one axis disagree the more cautious value wins: what is conditional is not yet past. Of two people
# the nearer one is meant.
_PRECEDENCE = {
    "negation": ("negated",),
    "certainty": ("uncertain",),
    "temporality": ("hypothetical", "historical"),
    "experiencer": ("family", "other"),
    "use": ("allergy", "avoid", "stopped", "past", "adverse-reaction", "restarted", "started"),
}
_CLAUSE_ENDS = frozenset(",.;()]|")
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
    unless: tuple[str, ...] = ()
    not_for: str = ""

    def holds_for(self, kind: str) -> bool:
        """True when the rule may speak of mentions of ``kind``; what holds for problems holds for both sorts."""
        wanted = (kind, "problem") if kind in ("chronic", "event") else (kind,)
        return self.not_for != kind and self.only in ("", *wanted)


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
    owner: Span | None = None


_Group = tuple[str, str, str]  # axis, direction, value

_NEAREST = 3  # so many triggers of one group are kept as evidence
_OWN_AXES = ("negation", "experiencer")  # an item of a list that speaks of these stands for itself
_FARTHEST = 150  # tokens; beyond it no trigger is looked for


def _rule(row: dict[str, Any]) -> Rule:
    values = {key: value for key, value in row.items() if key != "phrases"}
    return Rule(**{**values, "unless": tuple(values.get("unless", ()))})


@cache
def _tries(language: str) -> dict[str, TokenTrie[Rule]]:
    source = resources.files("salus.text").joinpath(f"data/context_{language}.toml")
    table = tomllib.loads(source.read_text("utf-8"))
    tries: dict[str, TokenTrie[Rule]] = {axis: TokenTrie() for axis in AXES}
    for row in table["rule"]:
        rule = _rule(row)
        for phrase in row["phrases"]:
            sequences = partial(_sequences, phrase, rule)
            for opening in openings(phrase):
                tries[rule.axis].defer(opening, sequences)
    return tries


def _sequences(phrase: str, rule: Rule, opening: str) -> Iterator[tuple[tuple[str, ...], Rule]]:
    return ((sequence, rule) for sequence in expand(phrase, first=opening.__eq__))


class Sentence:
    """One sentence made ready: its triggers, marks and terminators are found once, however many mentions it has.

    A mention then looks outward from its own place and takes the nearest triggers of each kind, so that its cost is
    bounded whatever the text is. ``lead`` is the place of words that open the list which the sentence is an item of
    ("Denies:"); only a trigger that ends the lead reaches into the item. ``tokens`` are those of ``text[span]`` where
    they are known already.
    """

    def __init__(
        self,
        text: str,
        span: Span | None = None,
        *,
        before_year: int | None = None,
        language: str = "en",
        lead: Span | None = None,
        style: marks.Style | None = None,
        tokens: Sequence[Token] | None = None,
    ) -> None:
        self.span = Span(0, len(text)) if span is None else span
        opening = tokenize(text, lead.start, lead.end) if lead else []
        own = tokenize(text, self.span.start, self.span.end) if tokens is None else tokens
        self.tokens: Sequence[Token] = [*opening, *own]
        self._lead = len(opening)
        self._open_from = _open_from(opening)
        self._starts = [token.start for token in self.tokens]
        self._ends = [token.end for token in self.tokens]
        self._commas = [index for index, token in enumerate(self.tokens) if token.norm == ","]
        self._boundaries = sorted(self._bounds(text))
        self.marks = marking.find(text, self.span, own, style or marks.Style())
        self._groups: dict[_Group, list[_Hit]] = {}
        self._stops: dict[str, list[_Hit]] = {}
        self._words = normal(text, self.tokens, before_year)
        for first, last in ((0, self._lead), (self._lead, len(self.tokens))):
            if first < last:
                self._find_triggers(language, first, last)
        self._join_list()
        self._stop_edges: dict[tuple[str, str, str], tuple[list[int], list[int]]] = {}

    def _bounds(self, text: str) -> Iterator[int]:
        """Tokens at which a label or a list item begins; an item's own number does not part it from its lead."""
        for pattern in (_LABEL, _ITEM):
            for match in pattern.finditer(text, self.span.start, self.span.end):
                index = self._index(match.start())
                if not (self._lead and index == self._lead):
                    yield index

    def _find_triggers(self, language: str, start: int, end: int) -> None:
        own = self._words[start:end]
        for axis, trie in _tries(language).items():
            for first, last, rules in trie.matches(own, lambda _, last, rule: self._counts(rule, start + last, end)):
                for rule in rules:
                    self._keep(axis, _Hit(start + first, start + last, rule, self._owner(start + first, start + last)))

    def _join_list(self) -> None:
        """In "Denies: gout; asthma; stroke" the semicolons part the items of one list and end no denial."""
        joining = set(self._list_marks())
        if joining:
            kept = [hit for hit in self._stops["negation"] if hit.first not in joining]
            self._stops["negation"] = kept

    def _list_marks(self) -> Iterator[int]:
        """Semicolons of a list that a denial with a colon opens, up to an item that says something of its own."""
        own = {hit.first for key, hits in self._groups.items() if key[0] in _OWN_AXES for hit in hits}
        own |= {hit.first for hit in self._stops.get("negation", ()) if self._words[hit.first] != ";"}
        for opening in self._groups.get(("negation", "forward", "negated"), ()):
            colon = self._colon(opening)
            mark = colon
            for at in range(colon + 1, len(self._words)) if colon else ():
                word = self._words[at]
                if word != ";" and (at in own or word in words("own_clause")):
                    mark = colon
                    break
                if word == ";":
                    if mark != colon:
                        yield mark
                    mark = at
            if mark != colon:
                yield mark

    def _colon(self, opening: _Hit) -> int:
        """The colon behind a trigger ("Denies the following:"); 0 where there is none."""
        at = opening.last
        if self._words[at - 1] == ":":
            return at - 1
        while at < len(self._words) and self._words[at] in words("lead"):
            at += 1
        return at if at < len(self._words) and self._words[at] == ":" else 0

    def _counts(self, rule: Rule, last: int, end: int) -> bool:
        """False for a phrase that means something only before certain words, or at the end of a clause."""
        following = self._words[last : min(last + 2, end)]
        if rule.at_end and following and following[0] not in _CLAUSE_ENDS:
            return False
        return not any(" ".join(following[:length]) in rule.unless for length in (1, 2) if following)

    def _owner(self, first: int, last: int) -> Span | None:
        """The mark whose own words a trigger is part of."""
        return self.marks.speaking(Span(self.tokens[first].start, self.tokens[last - 1].end))

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

        ``kind`` ("medication", "problem", or as sorts of problems "chronic", which stays, and "event", which is over)
        admits the rules made for that kind alone. ``temporality`` and ``experiencer`` are the section's word, used
        where no trigger speaks of that axis.
        """
        first = bisect_right(self._ends, target.start)
        last = max(first, self._index(target.end))
        groups = [group for group in self._groups if group[0] != "use" or kind == "medication"]
        triggers = [t for group in groups for t in self._reaching(group, first, last, kind, target)]
        mark = self.marks.over(target)
        if mark is not None and not (mark.form == "score" and kind == "medication"):
            triggers = _marked(mark, triggers, kind)
            # What a form affirms is so now, though the form stands in the past history; but for what happened once.
            temporality = None if mark.value == "yes" and kind in ("chronic", "problem") else temporality
        values = dict(_DEFAULTS)
        for axis, order in _PRECEDENCE.items():
            said = {trigger.value for trigger in triggers if trigger.axis == axis}
            values[axis] = next((value for value in order if value in said), values[axis])
        people = [trigger for trigger in triggers if trigger.axis == "experiencer"]
        if people:
            values["experiencer"] = min(people, key=lambda trigger: trigger.gap).value
        priors = {"temporality": temporality, "experiencer": experiencer}
        from_section = [a for a, v in priors.items() if v and not any(t.axis == a for t in triggers)]
        for axis in from_section:
            values[axis] = str(priors[axis])
        kept = tuple(sorted((t for t in triggers if t.value == values[t.axis]), key=lambda t: (t.span, t.axis)))
        # What is only conditional is not certain either, nor what was not there "until 2019".
        if values["temporality"] == "hypothetical" or (
            values["negation"] == "negated" and any(t.kind == "until" for t in triggers)
        ):
            values["certainty"] = "uncertain"
        also = frozenset(t.value for t in triggers if t.axis == "use") - {values["use"]}
        return Context(**values, triggers=kept, from_section=tuple(from_section), also=also)  # type: ignore[arg-type]

    def _reaching(self, group: _Group, first: int, last: int, kind: str, target: Span) -> Iterator[Trigger]:
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
            if self._applies(hit, kind, gap, first, last) and (hit.owner is None or hit.owner.contains(target)):
                taken += 1
                span = Span(self.tokens[hit.first].start, self.tokens[hit.last - 1].end)
                yield Trigger(span, axis, value, direction, hit.rule.kind, gap)

    def _applies(self, hit: _Hit, kind: str, gap: int, first: int, last: int) -> bool:
        rule = hit.rule
        if not rule.holds_for(kind) or (rule.reach is not None and gap > rule.reach):
            return False
        if hit.last <= self._lead and not (first >= self._lead and hit.last >= self._open_from):
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
                hit for hit in self._stops.get(axis, ()) if hit.rule.value in (None, value) and hit.rule.holds_for(kind)
            ]
            self._stop_edges[key] = ([hit.first for hit in hits], [hit.last for hit in hits])
        return self._stop_edges[key]


def _open_from(lead: Sequence[Token]) -> int:
    """The first token of a lead after which only words stand that name nothing: "the following:"."""
    generic, at = words("lead"), len(lead)
    while at and (lead[at - 1].norm in generic or not lead[at - 1].norm[0].isalnum()):
        at -= 1
    return at


def _marked(mark: marks.Mark, triggers: list[Trigger], kind: str) -> list[Trigger]:
    """The triggers of a mention under a mark: the mark's own, and of the others those that it lets through."""

    def of_mark(axis: str, value: str, ended: str = "") -> Trigger:
        return Trigger(mark.span, axis, value, "mark", ended, 0)

    # A minus beside a medicine may be a dash as well.
    value = "unknown" if mark.form == "sign" and mark.value == "no" and kind == "medication" else mark.value
    if value == "unknown":
        return [*triggers, of_mark("certainty", "uncertain")]
    triggers = [t for t in triggers if t.kind != "asked"]
    within = [t for t in triggers if t.axis != "negation" or mark.region.contains(t.span)]
    if value == "yes":
        return [*within, of_mark("negation", "affirmed")]
    if value == "past":
        past = [of_mark("negation", "negated", "ended"), of_mark("temporality", "historical")]
        return [*within, *past, *([of_mark("use", "stopped")] if kind == "medication" else [])]
    found = [*within, of_mark("negation", "negated")]
    if mark.form == "box" and any(t.axis == "negation" for t in within):
        found.append(of_mark("certainty", "uncertain"))  # an empty box before "never smoker" denies a denial
    return found


def _outward(hits: list[_Hit], at: int, *, forward: bool) -> Iterator[_Hit]:
    """Hits before (forward) or after ``at``, nearest first."""
    if forward:
        for position in range(bisect_right(hits, at, key=lambda hit: hit.last) - 1, -1, -1):
            yield hits[position]
    else:
        yield from hits[bisect_left(hits, at, key=lambda hit: hit.first) :]
