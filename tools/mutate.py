"""Whether the tests notice a small silent mistake in salus's core: mutants of its modules, and those that survive.

    python tools/mutate.py [PART ...] [--per-module N | --all] [--again] [--jobs 2] [--json FILE]

A mutant is a module with one change (``mutate_sites.py``). It is killed when one of the module's tests fails or takes
four times as long. Which mutants are tried is drawn by hash: the sample stays the same while the code does. The tests
of a module are loaded once; those that reach the change run in a forked process that gives the loaded functions the
changed code. What changes the loading of the module runs anew on a copy of ``src``. With ``--again`` what survives does
so too, with all tests of the module: a cache may have hidden who reaches a line. Of survivors that no test should
notice a person says why in ``mutate_equivalent.toml``; they count as survivors all the same. The exit status is 0 when
90 % of all mutants and 85 % of each module's are killed and every survivor is explained. PART is a part of a module's
path.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import hypothesis
import pytest
from mutate_sites import Mutant, Sites

MODULES: Mapping[str, str] = {
    "salus/trust/gate.py": "trust/test_gate trust/test_gate_rights trust/test_partial trust/test_withheld "
    "app/fhir/test_across",
    "salus/trust/consent.py": "trust/test_consent_standing trust/test_consent",
    "salus/trust/provisions.py": "trust/test_provisions trust/test_consent",
    "salus/trust/consent_forms.py": "trust/test_consent_elements trust/test_consent_forms",
    "salus/trust/policy.py": "trust/test_policy",
    "salus/trust/grants.py": "trust/test_gate trust/test_partial trust/test_withheld",
    "salus/trust/duties.py": "trust/test_duties",
    "salus/trust/mark.py": "trust/test_mark",
    "salus/trust/log.py": "trust/test_log trust/test_log_reading trust/test_batching trust/test_auditor",
    "salus/trust/log_reading.py": "trust/test_log trust/test_log_reading",
    "salus/trust/merkle.py": "trust/test_merkle trust/test_tiles",
    "salus/record/store.py": "record/test_store record/test_memo record/test_kinds trust/test_log",
    "salus/record/reading.py": "record/test_reading record/test_store record/test_memo record/test_kinds",
    "salus/record/search.py": "record/test_search record/test_search_values",
    "salus/record/writing.py": "record/test_writing record/test_store record/test_kinds",
    "salus/record/snapshot.py": "record/test_snapshot record/test_outline record/test_doubles record/test_series",
    "salus/record/outline.py": "record/test_outline trust/test_partial",
    "salus/record/facts.py": "record/test_snapshot record/test_outline record/test_series fhir/test_views",
    "salus/record/contents.py": "record/test_snapshot record/test_outline record/test_chart",
    "salus/record/results.py": "record/test_snapshot record/test_outline record/test_chart person/test_newest",
    "salus/record/pages.py": "record/test_doubles record/test_series",
    "salus/record/doubles.py": "record/test_doubles",
    "salus/record/reach.py": "app/fhir/test_across",
    "salus/trust/standings.py": "trust/test_standings app/serving/test_open_house",
    "salus/trust/reaching.py": "app/fhir/test_across",
    "salus/app/fhir/walk.py": "app/fhir/test_walk app/fhir/test_readings",
    "salus/assistant/citations.py": "assistant/test_citations",
    "salus/fhir/quantity.py": "fhir/test_quantity terminology/test_units",
    "salus/fhir/ucum.py": "fhir/test_quantity terminology/test_units",
    "salus/terminology/units.py": "terminology/test_units terminology/test_plausible",
    "salus/terminology/dose_text.py": "terminology/test_doses_amounts terminology/test_doses_text",
    "salus/terminology/dose_asides.py": "terminology/test_doses_amounts terminology/test_doses_text",
    "salus/terminology/dose_amount.py": "terminology/test_doses_amounts terminology/test_doses_text",
    "salus/careplan/resolve.py": "careplan/test_conflicts",
    "salus/monitoring/alerts.py": "monitoring/test_alerts",
}
"""The modules with the tests that have to notice."""
ROOT = Path(__file__).resolve().parents[1]
KNOWN = Path(__file__).with_name("mutate_equivalent.toml")
TOTAL, EACH = 0.90, 0.85
KILLED, TIME, SURVIVED, LOADING = "killed", "killed by time", "survived", "changes what happens on loading"
UNFIT = 99  # exit status of a run whose mutant cannot be given to loaded functions


class Near:
    """A pytest plugin for one module: its tests run in forks of this process, each on another mutant of its functions.

    A mutant of what happens when the module loads is not run here.
    """

    def __init__(self, name: str, sites: Sites, mutants: Sequence[Mutant], work: Path, jobs: int) -> None:
        self.file, self.name = str(work / "src" / name), name.removesuffix(".py").replace("/", ".")
        self.sites, self.mutants, self.work, self.jobs = sites, mutants, work, jobs
        self.seen: dict[str, tuple[float, list[int]]] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run all tests on the module as it is, then those that reach a mutant on each mutant."""
        importlib.import_module(self.name)  # some are loaded when first used
        functions = [f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__code__.co_filename == self.file]
        report = self.work / "seen.json"
        _, status = os.waitpid(_forked(lambda: self._noted(session, functions, report), 3600, self.work / "base"), 0)
        if status == 0:
            self.seen = json.loads(report.read_text())
        ends = self._judged(session, functions) if status == 0 else []
        (self.work / "near.json").write_text(json.dumps({"fault": status, "seen": self.seen, "ends": ends}))
        return True

    def _noted(self, session: Any, functions: Sequence[FunctionType], report: Path) -> int:
        """Run every test and note the CPU time that it takes and the lines of the module that it runs."""
        assert _patched(functions, compile(self.sites.tree, self.file, "exec"))
        seen: dict[str, tuple[float, list[int]]] = {}
        _forget(_caches())
        own = _caches(self.file)
        for item in session.items:
            lines: set[int] = set()

            def on_line(frame: FrameType, event: str, _: object, lines: set[int] = lines) -> object:
                lines.add(frame.f_lineno)
                return on_line

            def on_call(frame: FrameType, event: str, _: object, on_line: Any = on_line) -> object:
                return on_line(frame, event, None) if frame.f_code.co_filename == self.file else None

            _forget(own)
            start = time.process_time()
            threading.settrace(on_call)
            sys.settrace(on_call)
            failed = _failed(session, [item])
            sys.settrace(None)
            if failed:
                return 1
            seen[item.nodeid] = time.process_time() - start, sorted(lines)
        report.write_text(json.dumps(seen))
        return 0

    def _judged(self, session: Any, functions: Sequence[FunctionType]) -> list[str]:
        ends = [SURVIVED] * len(self.mutants)
        named = {item.nodeid: item for item in session.items}

        def started(at: int, _: Path) -> tuple[Callable[[], int], float] | None:
            mutant = self.mutants[at]
            names = near(mutant, self.seen) if mutant.lines else []
            code = self.sites.compiled(mutant, self.file) if names else None
            if code is None:
                ends[at] = SURVIVED if mutant.lines else LOADING
                return None

            def tested() -> int:
                _forget(_caches())
                return _failed(session, [named[name] for name in names]) if _patched(functions, code) else UNFIT

            return tested, 10 + 4 * sum(self.seen[name][0] for name in names)

        def ended(at: int, end: str) -> None:
            ends[at] = end

        _each(range(len(self.mutants)), started, ended, [self.work / str(n) for n in range(self.jobs)])
        return ends


def near(mutant: Mutant, seen: Mapping[str, tuple[float, list[int]]]) -> list[str]:
    """The tests that run a mutant's lines, the quickest first; all where it changes what happens on loading."""
    return sorted(
        (name for name, (_, lines) in seen.items() if not mutant.lines or mutant.lines & set(lines)),
        key=lambda name: seen[name][0],
    )


def _patched(functions: Sequence[FunctionType], code: CodeType) -> bool:
    """Give loaded functions a changed module's code. False where that cannot be."""
    found, waiting = {}, [code]
    while waiting:
        each = waiting.pop()
        found[each.co_qualname, each.co_firstlineno] = each
        waiting += [const for const in each.co_consts if isinstance(const, CodeType)]
    try:
        for function in functions:
            if new := found.get((function.__code__.co_qualname, function.__code__.co_firstlineno)):
                function.__code__ = new
    except ValueError:  # it closes over other variables now
        return False
    return True


def _caches(file: str = "") -> list[Any]:
    """The caches of salus: they hold what was worked out by the code as it was. With ``file``, those of this file and
    those that are limited (of answers: the others are of tables, which take time to read)."""
    found = [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper)]
    found = [each for each in found if "salus" in (each.__module__ or "")]
    return [c for c in found if not file or c.cache_info().maxsize or c.__wrapped__.__code__.co_filename == file]


def _forget(caches: Iterable[Any]) -> None:
    for each in caches:
        each.cache_clear()


def _failed(session: Any, items: Sequence[Any]) -> int:
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return 1
    return 0


def _forked(work: Callable[[], int], seconds: float, place: Path) -> int:
    """Start ``work`` in a forked process with so many seconds of CPU time. Returns its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (round(seconds) + 1, round(seconds) + 3))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        place.mkdir(parents=True, exist_ok=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(place)
        status = work()
    finally:
        os._exit(status)


def _each(
    numbers: Iterable[int],
    started: Callable[[int, Path], tuple[Callable[[], int], float] | None],
    ended: Callable[[int, str], None],
    places: Sequence[Path],
) -> None:
    """Run what ``started`` gives for each number, as many at once as there are places, and tell how it ended."""
    waiting, free, running = list(numbers), list(places), dict[int, tuple[int, Path, float]]()
    while waiting or running:
        while waiting and free:
            at = waiting.pop(0)
            if (job := started(at, free[-1])) is not None:
                place, (work, seconds) = free.pop(), job
                shutil.rmtree(place / "temporary", ignore_errors=True)
                running[_forked(work, seconds, place / "temporary")] = at, place, time.monotonic() + 30 + 8 * seconds
        for pid, (at, place, until) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done or time.monotonic() > until:
                with suppress(ProcessLookupError):  # also what the tests of this run left behind
                    os.killpg(pid, signal.SIGKILL)
                if not done:
                    os.waitpid(pid, 0)
                del running[pid]
                free.append(place)
                ended(at, _end(os.waitstatus_to_exitcode(status)) if done else TIME)
        time.sleep(0.01)


def _end(code: int) -> str:
    return {0: SURVIVED, UNFIT: LOADING}.get(code, KILLED if code > 0 else TIME)


class Runner:
    """The tests of one module, on copies of ``src`` at ``places``."""

    def __init__(self, module: str, tests: Sequence[str], places: Sequence[Path], limit: int | None) -> None:
        self.module, self.tests, self.places = module, tests, places
        self.source = (places[0] / "src" / module).read_text("utf-8")
        self.sites = Sites(self.source)
        self.mutants = sorted(self.sites.found, key=lambda mutant: mutant.drawn)[:limit]
        self.seen: dict[str, tuple[float, list[int]]] = {}

    def run(self, again: Collection[str]) -> list[str]:
        """How each mutant ended. Those that ended in one way of ``again`` in a loaded process are run in a new one."""
        place = self.places[0]
        plugin = Near(self.module, self.sites, self.mutants, place, len(self.places))
        pid = _forked(lambda: self._tests(place, self.tests, plugin), 36000, place)
        os.waitpid(pid, 0)
        told = json.loads((place / "near.json").read_text())
        (place / "near.json").unlink()
        if told["fault"]:
            raise SystemExit(f"{self.module}: the tests fail on the module as it is: see {place / 'output'}")
        self.seen, ends = told["seen"], told["ends"]
        seconds = 30 + 4 * sum(each for each, _ in self.seen.values())

        def started(at: int, place: Path) -> tuple[Callable[[], int], float]:
            self._put(place, self.sites.changed(self.mutants[at]))
            order = dict.fromkeys([*near(self.mutants[at], self.seen), *self.seen])
            return lambda: self._tests(place, self.tests, Ordered(list(order))), seconds

        def ended(at: int, end: str) -> None:
            ends[at] = end

        _each([n for n, end in enumerate(ends) if end in again], started, ended, self.places)
        for place in self.places:
            self._put(place, self.source)
        return ends

    def _put(self, place: Path, text: str) -> None:
        file = place / "src" / self.module
        file.write_text(text, "utf-8")
        for old in file.parent.joinpath("__pycache__").glob(f"{file.stem}.*.pyc"):
            old.unlink()

    def _tests(self, place: Path, files: Sequence[str], plugin: object) -> int:
        """Run tests in this process, which was forked for it, with the copy of ``src`` first on the path."""
        out = os.open(place / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(out, stream)
        os.chdir(ROOT)
        sys.path.insert(0, str(place / "src"))
        os.environ.update(PYTHONPATH=str(place / "src"), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-m",
            "not browser",
            "--hypothesis-profile=mutants",
        ]
        status = int(pytest.main([*files, *options], plugins=[plugin]))
        if "salus" in sys.modules and str(place) not in str(sys.modules["salus"].__file__):
            raise RuntimeError("the tests did not run on the copy")
        return status


class Ordered:
    """A pytest plugin: the tests in this order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.rank = {name: n for n, name in enumerate(names)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Put them in order; what has no place in it comes last."""
        items.sort(key=lambda item: self.rank.get(item.nodeid, len(self.rank)))


def explained() -> dict[tuple[str, ...], str]:
    """Why no test should notice a mutant, by its key."""
    rows = tomllib.loads(KNOWN.read_text("utf-8")).get("mutant", []) if KNOWN.exists() else []
    return {tuple(row[n] for n in ("module", "function", "line", "kind", "new")): row["reason"] for row in rows}


def measured(
    module: str, tests: str, places: Sequence[Path], limit: int | None, again: Collection[str]
) -> dict[str, Any]:
    """What became of the module's mutants."""
    started = time.monotonic()
    runner = Runner(module, [f"tests/{name}.py" for name in tests.split()], places, limit)
    ends = list(zip(runner.mutants, runner.run(again), strict=True))
    reasons = explained()
    survived = [
        {"line": m.line, "function": m.function, "text": m.text, "kind": m.kind, "old": m.old, "new": m.new,
         "reason": reasons.get((module, *m.key), "")}
        for m in sorted((m for m, end in ends if end == SURVIVED), key=lambda m: m.line)
    ]  # fmt: skip
    print(f"{module}: {len(survived)} of {len(ends)} survived", file=sys.stderr, flush=True)
    return {
        "module": module, "tests": len(runner.seen), "sites": len(runner.sites.found), "mutants": len(ends),
        "killed": len(ends) - len(survived), "by_time": [str(m) for m, end in ends if end == TIME],
        "survived": survived, "seconds": round(time.monotonic() - started),
    }  # fmt: skip


def table(results: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """The results as text, and whether they are good enough."""
    lines = [f"{'module':40} {'mutants':>7} {'killed':>7} {'survived':>8} {'explained':>9} {'share':>7}"]
    good = True
    for each in results:
        known = sum(bool(one["reason"]) for one in each["survived"])
        share, count = each["killed"] / max(1, each["mutants"]), len(each["survived"])
        good = good and share >= EACH and known == count
        numbers = f"{each['mutants']:7} {each['killed']:7} {count:8} {known:9} {100 * share:6.1f}%"
        lines.append(f"{each['module']:40} {numbers}")
    mutants, killed = (sum(each[name] for each in results) for name in ("mutants", "killed"))
    lines.append(
        f"{'all':40} {mutants:7} {killed:7} {mutants - killed:8} {'':9} {100 * killed / max(1, mutants):6.1f}%"
    )
    for each in results:
        for one in each["survived"]:
            change = f"{one['old']} → {one['new']}"
            lines.append(
                f"src/{each['module']}:{one['line']} {one['kind']}: {change} # {one['reason'] or 'UNEXPLAINED'}"
            )
    return "\n".join(lines), good and killed >= TOTAL * mutants


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--per-module", type=int, default=30)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="run what survives once more, in a new process")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    chosen = {m: t for m, t in MODULES.items() if not asked.parts or any(part in m for part in asked.parts)}
    again = {LOADING, SURVIVED} if asked.again else {LOADING}
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        places = [Path(temporary) / str(n) for n in range(asked.jobs)]
        for place in places:
            shutil.copytree(ROOT / "src", place / "src")
            place.joinpath("examples").symlink_to(ROOT / "examples")  # as they stand beside src
        for module, tests in chosen.items():
            results.append(measured(module, tests, places, None if asked.all else asked.per_module, again))
            if asked.json:
                asked.json.write_text(json.dumps(results, indent=1, ensure_ascii=False), "utf-8")
    text, good = table(results)
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
