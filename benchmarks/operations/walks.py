"""Steps in a CPU second of the compiled walk and of the one in Python, and CPU time to the first plan.

``python -m benchmarks.operations.walks [--instance FILE] [--seconds S] [--json]``; without a file the ward of the tour.
Steps of the two are not the same mixture of changes: what counts is the cost reached in the same time, shown beside.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson

from salus.operations.anneal import Annealer
from salus.operations.model import Instance, Plan
from salus.operations.native import NativeWalk, compiled
from salus.operations.read import read_instance
from salus.operations.state import State

WARD = Path(__file__).parents[2] / "examples" / "tour" / "operations" / "ward.json"
HOT, COLD = 25.0, 0.4


def walked(walk: Any, seconds: float) -> dict[str, Any]:
    """One cooling over some CPU seconds."""
    start, steps, first = time.process_time(), 0, None
    while (used := time.process_time() - start) < seconds:
        if first is None and walk.best_cost is not None:
            first = round(used, 3)
        walk.run(walk.round, HOT * (COLD / HOT) ** (used / seconds))
        steps += walk.round
    walk.close()
    rate = round(steps / (time.process_time() - start))
    return {"steps_per_cpu_s": rate, "first_plan_cpu_s": first, "cost": walk.best_cost}


def in_python(instance: Instance) -> Annealer:
    """The walk for where there is no compiler, from nobody admitted."""
    nobody = Plan((None,) * len(instance.patients), tuple((None,) * instance.shifts for _ in instance.rooms))
    return Annealer(State(instance, nobody), Random(0))


def main() -> int:
    """Print the figures; 1 where a walk found no plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instance", type=Path, default=WARD)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    instance = read_instance(arguments.instance.read_bytes())
    started = time.perf_counter()
    library = compiled()
    figures: dict[str, Any] = {"instance": arguments.instance.stem}
    makers: dict[str, Callable[[], Any]] = {"python": lambda: in_python(instance)}
    if library is not None:
        figures["compile_s"] = round(time.perf_counter() - started, 2)
        makers["compiled"] = lambda: NativeWalk(library, instance, 0)
    figures |= {name: walked(make(), arguments.seconds) for name, make in makers.items()}
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(orjson.dumps(figures, option=0 if arguments.json else orjson.OPT_INDENT_2).decode())
    return 0 if all(figures[name]["cost"] is not None for name in makers) else 1


if __name__ == "__main__":
    sys.exit(main())
