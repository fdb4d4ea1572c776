"""What it costs at least to care for a patient who comes on a day, before it is known which nurse goes where.

These are lower bounds: a sum of them over the admitted patients is never above what any roster can reach. They stand in
for the roster while admissions are planned, and they carry the bound on the whole cost.
"""

from __future__ import annotations

from salus.operations.model import Instance, Person

COVER_NODES = 20_000
"""Steps of the search for a least cover before a weaker bound is taken."""


class CareBounds:
    """Least skill cost and least number of nurses of a stay, and the days on which nobody can be cared for."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.duty = [instance.on_duty(shift) for shift in range(instance.shifts)]
        self.best_skill = [max((instance.nurses[n].skill for n in on), default=0) for on in self.duty]
        per_day = instance.shifts_per_day
        self.closed = frozenset(shift // per_day for shift, on in enumerate(self.duty) if not on)
        """Days with a shift in which no nurse works at all."""
        self._covers: dict[tuple[int, int], int] = {}

    def nurses(self, start: int, end: int) -> int:
        """The least number of distinct nurses who can be there for one bed from day ``start`` to before ``end``."""
        if (start, end) not in self._covers:
            per_day = self.instance.shifts_per_day
            shifts = range(start * per_day, end * per_day)
            self._covers[start, end] = least_cover([self.duty[s] for s in shifts])
        return self._covers[start, end]

    def skill(self, person: Person, start: int, end: int) -> int:
        """Skill levels that must be missing over a stay, whoever comes."""
        per_day = self.instance.shifts_per_day
        shifts = range(start * per_day, end * per_day)
        return sum(max(0, person.skill[s - shifts.start] - self.best_skill[s]) for s in shifts)

    def cost(self, person: Person, start: int) -> int:
        """Weighted bound on continuity and skill of one stay that begins on day ``start``."""
        end = min(start + person.stay, self.instance.days)
        weights = self.instance.weights
        return weights.continuity * self.nurses(start, end) + weights.skill * self.skill(person, start, end)


def least_cover(needs: list[tuple[int, ...]]) -> int:
    """The size of a smallest set that meets every one of ``needs`` (each a set of candidates).

    A depth-first search over the scarcest need first. Beyond COVER_NODES steps the number of needs that pairwise share
    no candidate is returned instead: any set must have as many members. Needs without candidates are left out.
    """
    masks = sorted({frozenset(need) for need in needs if need}, key=lambda need: (len(need), sorted(need)))
    apart: list[frozenset[int]] = []
    for need in masks:
        if all(not need & other for other in apart):
            apart.append(need)
    nodes = 0

    def fits(left: list[frozenset[int]], size: int) -> bool | None:
        """Whether ``size`` more members meet all that is left; None when it took too long to say."""
        nonlocal nodes
        if not left:
            return True
        nodes += 1
        if size == 0:
            return False
        if nodes > COVER_NODES:
            return None
        for member in sorted(left[0]):
            found = fits([need for need in left if member not in need], size - 1)
            if found is not False:
                return found
        return False

    size = len(apart)
    while fits(masks, size) is False:
        size += 1
    # Where it took too long to say, all smaller sizes were ruled out: still a bound.
    return size
