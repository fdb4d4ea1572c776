"""Governance: every card in the forms that regulation asks for."""

from __future__ import annotations

from salus.cli.tour.slice import Slice, Stage
from salus.errors import MethodError


def run(stage: Stage) -> str:
    """Write every card as a page and as an applied model card, and count what is not known."""
    from salus.findings import cards, chai
    from salus.findings.card_page import to_html
    from salus.findings.source_attributes import attributes

    written = [cards.card(each) for each in cards.described()]
    open_ = 0
    for card in written:
        rows = attributes(card)
        if len(rows) != ATTRIBUTES:
            raise MethodError(f"{len(rows)} source attributes instead of {ATTRIBUTES}", where=card.id)
        open_ += sum(not row.provided for row in rows)
        (stage.folder / f"{card.id}.html").write_text(to_html(card), "utf-8")
        (stage.folder / f"{card.id}.xml").write_bytes(chai.to_xml(card))
    measured = sum(bool(card.measured) for card in written)
    share = 100 * open_ / (ATTRIBUTES * len(written))
    return (
        f"{len(written)} cards as pages and XML, {ATTRIBUTES} source attributes each ({share:.0f} % say "
        f'"not provided"); {measured} hold figures measured on outside data'
    )


ATTRIBUTES = 31

SLICE = Slice(
    name="governance",
    title="Governance",
    says=("a card for every method, valid against CHAI's schema, with a row for each of HTI-1's 31 source attributes"),
    also="bill of materials and requirement–risk–test trace from the repository",
    capabilities=("findings.cards",),
    run=run,
)
