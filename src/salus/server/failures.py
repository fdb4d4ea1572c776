"""What is logged of a failure: its kind and its place, never its words, which could hold somebody's data."""

from __future__ import annotations


def described(error: BaseException) -> str:
    """The kind of an error, and the module and line that raised it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}" if place else "?"
    return f"{type(error).__name__} at {where}"
