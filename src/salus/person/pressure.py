"""A blood pressure that cannot be: its lower value is not the lower one."""

from __future__ import annotations

from salus.person.measurements import Reading


def together(upper: Reading, lower: Reading) -> bool:
    """Whether two readings are one measurement: of one panel, or two observations of one moment without panels."""
    if upper.span != lower.span:
        return False
    return upper.observation == lower.observation or not (upper.observation.places or lower.observation.places)


def impossible(upper: Reading, lower: Reading) -> bool:
    """Whether a systolic and a diastolic reading of one measurement cannot be a blood pressure."""
    return upper.value is not None and lower.value is not None and lower.value >= upper.value


IMPOSSIBLE_PAIR = "its diastolic value is not below the systolic one"
