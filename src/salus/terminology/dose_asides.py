"""What stands in a dose instruction beside the dose: what it is taken for, a largest amount, the medicine's name.

What may not be left out, because it may say how much or when, leaves the whole not understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from salus.terminology import dose_time
from salus.terminology.dose_items import Item
from salus.terminology.dose_lexer import Unreadable
from salus.terminology.dose_table import of_class, table, vocabulary

UNKNOWN_WORDS = ("a word or sign in it is not known",)
AMOUNTS = ("amount", "bare", "scheme")
_NAME_LETTERS = 3
_NAME_WORDS = 6
_PERIOD_WORDS = of_class("times", "hour", "day", "week", "month") - {"x", "h", "d", "j", "w", "mo", "die", "sem"}
"""Words that belong to a frequency and are no reason for taking something ("for times daily")."""


def without_reasons(found: Sequence[Item]) -> list[Item]:
    """The items without "for high blood pressure"; "bei Kopfschmerzen" leaves that it is taken as needed."""
    kept: list[Item] = []
    at = 0
    while at < len(found):
        item = found[at]
        if item.kind not in ("reason", "occasion", "prn"):
            kept.append(item)
            at += 1
            continue
        start = at + 1
        if item.kind == "prn" and start < len(found) and found[start].kind in ("reason", "comma"):
            start += 1
        end = _end_of_reason(found, start)
        if item.kind != "prn" and end == start:
            raise Unreadable(UNKNOWN_WORDS[0])
        if item.kind != "reason":
            kept.append(replace(item, kind="prn"))
        at = end if end > start else at + 1
    return kept


def _end_of_reason(found: Sequence[Item], at: int) -> int:
    """Where the words of a reason end: at the first that says how much or how often."""
    while at < len(found):
        item = found[at]
        more = at + 1 < len(found) and found[at + 1].kind == "unknown"
        if item.text.lower() in _PERIOD_WORDS:
            raise Unreadable(UNKNOWN_WORDS[0])
        choice = item.text.lower() in ("or", "ou", "oder", "of", "and") or item.kind in ("and", "of", "ignore", "comma")
        if item.kind not in ("unknown", "eye", "ear", "reason") and not (choice and more):
            return at
        at += 1
    return at


def without_limits(found: Sequence[Item]) -> list[Item]:
    """The items without the largest amount ("max 8 in 24 hours"); "at most 3 times a day" stays, as "up to"."""
    kept: list[Item] = []
    at = 0
    while at < len(found):
        kinds = [item.kind for item in found[at + 1 : at + 3]]
        if found[at].kind != "max":
            kept.append(found[at])
        elif kinds[:1] in (["amount"], ["bare"]):
            at += 2 if kinds[1:] in (["per"], ["window"], ["every"]) else 1
        elif kinds[:1] in (["times"], ["rate"]):
            if any(item.kind in ("times", "rate", "per", "every", "slot", "slots") for item in kept):
                at += 2 if kinds[1:] == ["per"] else 1
            else:
                kept.append(replace(found[at], kind="upto"))
        else:
            raise Unreadable("its largest dose cannot be read")
        at += 1
    return kept


def without_names(found: Sequence[Item]) -> list[Item]:
    """The items without the name of the medicine, where one may stand: before the amount, or after "of" or a number."""
    kept: list[Item] = []
    at = 0
    while at < len(found):
        end = at
        while end < len(found) and found[end].kind in ("unknown", "ratio"):
            end += 1
        if end > at and _name_may_stand(kept):
            words = " ".join(item.text for item in found[at:end] if item.kind == "unknown")
            if end - at > _NAME_WORDS or (words and not _may_be_name(words)):
                raise Unreadable(UNKNOWN_WORDS[0])
            kept += [replace(item, kind="name") for item in found[at:end]]
            at = end
            continue
        kept.append(found[at])
        at += 1
    return kept


def _may_be_name(words: str) -> bool:
    never = vocabulary() | set(table()["names"]["never"])
    own = any(len(word) >= _NAME_LETTERS and word.lower() in never for word in words.split())
    return not own and _is_medicine(words)


@lru_cache(4096)
def _is_medicine(words: str) -> bool:
    """Whether the tables of medicines know these words as a name.

    Any other unknown word may say a number, a doubt, a past or a plan ("mezza", "evtl.", "vorher", "target"), and no
    list of such words in seven languages is ever whole.
    """
    if words.lower() in table()["names"]["short"]:
        return True
    if sum(c.isalpha() for c in words) < _NAME_LETTERS:
        return False
    from salus.terminology.reader import shipped  # opened only when an instruction holds a name

    known = shipped().medicine((), words)
    return known.understood and bool(known.ingredients)


def _name_may_stand(before: Sequence[Item]) -> bool:
    kinds = [item.kind for item in before]
    if not any(kind in (*AMOUNTS, *dose_time.KINDS, "concentration") for kind in kinds):
        return "name" not in kinds
    return kinds[-1:] in (["of"], ["bare"]) and "name" not in kinds
