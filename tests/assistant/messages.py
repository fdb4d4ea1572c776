"""The messages that the red flags were made with, by kind; they stand beside the tool that fits the models to them."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "tools" / "redflag_messages"


def lines(name: str) -> list[str]:
    """The messages of one file."""
    return [line for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines() if line]
