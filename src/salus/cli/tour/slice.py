"""What one slice of the tour is, and the stage on which all of them play."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from salus.app import demo
from salus.app.demo import Example
from salus.app.house import House
from salus.app.session import Session


@dataclass(frozen=True, slots=True)
class Stage:
    """A demo house with the three example patients taken in and open, by their consent, to the demo clinician."""

    folder: Path
    """Scratch space of the slice that is running."""
    house: House
    examples: Mapping[str, Example]
    """The example patients by name: maria, noor, thomas."""

    def session(self, name: str) -> Session:
        """A session of a demo actor ("demo-clinician", "demo-operator", "demo-maria" ...)."""
        return demo.session(self.house, name)


@dataclass(frozen=True, slots=True)
class Slice:
    """One department's true, thin slice.

    ``run`` does the work on data it has not seen and returns one plain line: what it did and the figure. It raises when
    the work did not come out right: a slice that says nothing wrong is not enough.
    """

    name: str
    title: str
    says: str
    """What a reader of README can expect of it, in one clause: no more than the checks of ``capabilities`` cover."""
    capabilities: tuple[str, ...]
    """Ids of the methods and capabilities whose cards hold its checks."""
    run: Callable[[Stage], str]
    also: str = ""
    """What works in the tour besides, and is not measured against the truth of others."""
    also_capabilities: tuple[str, ...] = ()
    """Ids of the methods and capabilities that ``also`` speaks of."""
    extra: str = ""
    """The optional dependencies it needs, by the name in pyproject.toml."""
    shown: tuple[str, ...] = ()
    """The figures of its checks that README shows, dotted where they are nested."""
    needs: tuple[str, ...] = ()
    """Modules that must be importable, or the slice is skipped and says how to install the extra."""
