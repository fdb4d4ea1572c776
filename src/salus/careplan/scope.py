"""What a reader may conclude from silence: what was not released to them may still be recorded."""

from __future__ import annotations

from collections.abc import Collection

from salus.findings.model import Finding


def reason(finding: Finding, looked_at: Collection[str]) -> str:
    """Why ``finding`` is not assessable, for a reader who was shown only ``looked_at``.

    A method that looked for kinds of data which the reader may not see cannot tell "not recorded" from "not released".
    """
    if not finding.reason or finding.categories <= frozenset(looked_at):
        return finding.reason
    return f"{finding.reason} (or it was not released to this reader)"
