"""Red flags on lay messages that were written for this check without sight of the table of red flags.

Beside this file, ``messages.jsonl``: 385 emergencies of some hundred kinds and 315 harmless messages (everyday, past,
family's, denied, planned, general, figures of speech), each in another voice; an emergency names the list of warning
signs that its writer followed. The three writers saw neither the table nor its tests, and whoever changes the table
does not read the file. One setting, how many emergencies the second model may hold back, was chosen with the shares of
the first two writers in view; the third's messages (u6) were scored once, on the table as it was frozen before. Two
more sets, half of their harmless messages written to mislead, were scored once each and then used to fit the models: 94
% and 96 % raised, 12 % and 7.5 % false, the second after the first had been learnt from. The judgements are our own, so
this shows how far the table reaches beyond the words it was made with, and no more.

Their writers and the table's authors think alike: some of the messages share a phrase of five words with one that the
table was made with (tools/redflag_messages). ``apart`` has the figures without those; they have to hold as well.

Raised emergencies and harmless messages left alone are right, the others wrong. The check holds when at least 92 % of
the emergencies are raised, 85 % by rules, and at most 4 % of the others, 10 % by the rules before the doubt is asked.
``--messages FILE`` scores another file of this form.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.assistant.triage import BY_RULES_AT_LEAST, FALSE_AT_MOST, RAISED_AT_LEAST, by_rules
from validation.assistant.triage import MUTANTS as COARSE

_ROOM = "salus/assistant/"
MUTANTS = (
    *COARSE,
    Mutant(
        f"{_ROOM}context.py",
        "return bool(sayings.YEARS.search(sentence)) and (",
        "return False and (",
        "what was years ago counts as now",
    ),
    Mutant(f"{_ROOM}denial.py", "if _NONE.search(near):", "if False:", "no, denies and without are not heard"),
    Mutant(f"{_ROOM}tables/redflags/doubt.json", '"threshold": -', '"threshold": -9', "nothing is held back"),
)
WRITTEN = Path(__file__).with_name("messages.jsonl")
MADE_WITH = Path(__file__).parents[2] / "tools" / "redflag_messages"
PHRASE = 5
MISLED_AT_MOST = 0.10
"""Harmless messages that the rules alone may raise: what holds them back must not have to do all the work."""


def phrases(text: str) -> set[tuple[str, ...]]:
    """Every run of five words."""
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[at : at + PHRASE]) for at in range(len(words) - PHRASE + 1)}


def made_with() -> Iterator[str]:
    """The messages that the table was made with."""
    for path in sorted(MADE_WITH.glob("*.txt")):
        yield from path.read_text("utf-8").splitlines()


def main() -> int:
    """Print the report; 0 when enough emergencies and few others were raised."""
    from salus.assistant import redflags
    from salus.assistant.reading import reading

    parser = argument_parser(__doc__ or "")
    parser.add_argument("--messages", type=Path, default=WRITTEN, help="rows of id, kind, text, emergency")
    arguments = parser.parse_args()
    tally, kinds = Tally(), Counter[str]()
    counts, apart, ruled, misled = {True: [0, 0], False: [0, 0]}, {True: [0, 0], False: [0, 0]}, 0, 0
    known = {phrase for text in made_with() for phrase in phrases(text)}
    for line in arguments.messages.read_text("utf-8").splitlines():
        row = json.loads(line)
        emergency, raised = bool(row["emergency"]), redflags.check(row["text"])
        counts[emergency][0] += 1
        counts[emergency][1] += bool(raised)
        ruled += emergency and by_rules(raised)
        misled += not emergency and bool(redflags.ruled(reading(row["text"])))
        if known.isdisjoint(phrases(row["text"])):
            apart[emergency][0] += 1
            apart[emergency][1] += bool(raised)
        right = bool(raised) is emergency
        kinds[row["kind"]] += not right
        tally.add(row["id"], Outcome.RIGHT if right else Outcome.WRONG, row["kind"])  # the words stay unseen
    (emergencies, escalated), (others, false) = counts[True], counts[False]
    return report(
        check="assistant.messages",
        tally=tally,
        covers="lay messages written without sight of the table are raised when they tell of an emergency, by our own "
        "judgement of them; one setting was chosen with the shares of two of the three writers in view",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=arguments.data,
        files=[arguments.messages],
        figures={
            "emergencies": emergencies,
            "escalated": escalated,
            "escalated_share": escalated / emergencies,
            "by_rules": ruled,
            "apart": {
                "emergencies": apart[True][0],
                "escalated": apart[True][1],
                "harmless": apart[False][0],
                "false": apart[False][1],
            },
            "harmless": others,
            "false_escalations": false / others,
            "false_by_rules_alone": misled / others,
            "wrong_by_kind": dict(sorted((k, n) for k, n in kinds.items() if n)),
        },
        intervals={"escalated_share": wilson(escalated, emergencies), "false_escalations": wilson(false, others)},
        methods=["assistant.redflags"],
        as_json=arguments.json,
        ok=escalated >= RAISED_AT_LEAST * emergencies
        and ruled >= BY_RULES_AT_LEAST * emergencies
        and false <= FALSE_AT_MOST * others
        and misled <= MISLED_AT_MOST * others
        and apart[True][1] >= RAISED_AT_LEAST * apart[True][0]
        and apart[False][1] <= FALSE_AT_MOST * apart[False][0],
    )


if __name__ == "__main__":
    sys.exit(main())
