"""Applying a pure function to the shards of a mirror: one by one here, or with Dask on several processes and machines.

The results for a shard are a sealed file beside it, named by the job and by the state of the shard. After an
interruption the work goes on where it stopped, and nothing is computed twice. A worker gets the folder (on a file
system that all share) and the key of its one shard; it opens no store and no house. All traffic over a network is under
TLS.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from salus.errors import ConfigurationError, InputError, IntegrityError, MethodError, SalusError, StoreError
from salus.fhir import json
from salus.population import sealed
from salus.population.mirror import RESULTS, Mirror
from salus.population.records import Record
from salus.population.shards import RECORDS, Shard

if TYPE_CHECKING:
    from distributed import Client

MAX_WORKERS = 64


class Job(Protocol):
    """What is to be done for each shard. It is sent to every worker once."""

    @property
    def at(self) -> datetime:
        """The moment for which results are computed."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that the results follow from, except the shard and the moment."""
        ...


J = TypeVar("J", bound=Job)


@dataclass(frozen=True, slots=True)
class Made:
    """The results of a job for a shard: lines in order, and the first instant at which they may be different."""

    lines: tuple[bytes, ...]
    until: datetime


Work = Callable[[J, Iterable[Record]], Made]


@dataclass(frozen=True, slots=True)
class _Task:
    """One shard to work on. ``key`` opens this shard and nothing else; it must not appear in any message."""

    folder: Path
    mirror: str
    shard: int
    key: bytes = field(repr=False)
    state: str

    def opened(self) -> Shard:
        """The shard."""
        return Shard(self.folder, self.mirror, self.shard, self.key)

    def result(self, job: Job) -> Path:
        """The path of the file with the results."""
        return self.folder / RESULTS / f"{self.shard:05d}.{job.digest[:16]}.{self.state[:16]}"


def over_shards(
    mirror: Mirror,
    work: Work[J],
    job: J,
    *,
    workers: int = 0,
    scheduler: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[bytes]:
    """The lines that ``work`` makes of every shard, in the order of the shards.

    ``workers`` is the number of Dask processes on this machine; with 0, this process does the work without Dask.
    ``scheduler``, "tls://HOST:PORT", is the address of a cluster to use instead. The mirror's lock must be held until
    the last line was taken.

    Raises InputError for a mirror without records, ConfigurationError where Dask is missing, and StoreError where no
    cluster answers. Where a shard fails, its error is raised once the others are done.
    """
    if mirror.layout.files_up_to is None:
        raise InputError("the mirror holds no records", where=str(mirror.folder), remedy="--records")
    (mirror.folder / RESULTS).mkdir(mode=0o700, exist_ok=True)
    tasks = [_task(mirror, number) for number in range(mirror.layout.shards)]
    waiting = [task for task in tasks if _made(job, task) is None]
    done = len(tasks) - len(waiting)
    progress(done, len(tasks))
    failed: list[SalusError] = []
    spread = _spread(work, job, waiting, workers, scheduler) if workers or scheduler else _here(work, job, waiting)
    for error in spread:
        if error is not None:
            failed.append(error)
            continue
        done += 1
        progress(done, len(tasks))
    if failed:
        raise failed[0]
    for task in tasks:
        lines = _made(job, task)
        if lines is None:
            raise StoreError("the results of a shard are gone", where=str(task.result(job)), remedy="try again")
        yield from lines


def _task(mirror: Mirror, number: int) -> _Task:
    shard = mirror.shard(number)
    index = shard.index()
    if RECORDS not in index.parts:
        raise StoreError("the mirror is not complete", where=str(mirror.folder), remedy="salus population mirror")
    return _Task(mirror.folder.resolve(), mirror.layout.id, number, mirror.key_of(number), index.digest)


def _made(job: Job, task: _Task) -> list[bytes] | None:
    """The lines of an earlier run, where they still hold at the job's moment; else None."""
    path = task.result(job)
    try:
        told = json.loads(zlib.decompress(task.opened().unseal(path, path.read_bytes(), _purpose(job, task))))
    except (FileNotFoundError, IntegrityError):  # a damaged one is made again
        return None
    since, until = (datetime.fromisoformat(told[name]) for name in ("since", "until"))
    if job.at != since and not since <= job.at < until:
        return None
    return [line.encode() for line in told["lines"]]


def _purpose(job: Job, task: _Task) -> str:
    return f"result\0{job.digest}\0{task.state}"


def _work(work: Work[J], job: J, task: _Task) -> SalusError | None:
    """Work on one shard and write the results. Returns the error, if any; it holds no data of patients."""
    try:
        shard = task.opened()
        index = shard.index()
        if index.digest != task.state:
            raise StoreError("the mirror was changed meanwhile", where=str(task.folder), remedy="try again")
        made = work(job, shard.records(index))
        told = {"since": job.at.isoformat(), "until": made.until.isoformat()}
        data = zlib.compress(json.dumps({**told, "lines": [line.decode() for line in made.lines]}), 1)
        sealed.write(task.result(job), shard.seal(data, _purpose(job, task)))
    except SalusError as error:
        return error
    except Exception as error:  # noqa: BLE001 - its text, and what Dask logs of it, may quote a record
        return MethodError(f"failed with {type(error).__name__}", where=f"shard {task.shard}")
    return None


def _here(work: Work[J], job: J, tasks: Sequence[_Task]) -> Iterator[SalusError | None]:
    return (_work(work, job, task) for task in tasks)


def _spread(work: Work[J], job: J, tasks: Sequence[_Task], workers: int, scheduler: str) -> Iterator[SalusError | None]:
    """Work on the shards with Dask. Yields the error or None of each shard, in the order in which they finish."""
    if not tasks:
        return
    with _client(min(workers, len(tasks)), scheduler) as client:
        from distributed import as_completed

        shared = client.scatter(job, broadcast=True)
        futures = [client.submit(_work, work, shared, task, pure=False) for task in tasks]
        for future in as_completed(futures, loop=client.loop):
            try:
                yield future.result()
            except Exception as error:  # noqa: BLE001 - a worker that died, as any error of Dask
                yield StoreError(f"a worker failed: {type(error).__name__}", remedy="try again with fewer workers")


@contextmanager
def _client(workers: int, scheduler: str) -> Iterator[Client]:
    """A client of the cluster at the address ``scheduler``, or else of a cluster of ``workers`` processes here.

    Both use TLS: without it, anybody who reaches the scheduler can run code as its user. For an address, Dask's own
    settings (distributed.comm.tls) name the certificates.
    """
    if scheduler and not scheduler.startswith("tls://"):
        raise InputError("a scheduler's address begins with tls://", where="--scheduler")
    if not scheduler and not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"1 to {MAX_WORKERS} workers", where="--workers")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigurationError("workers need Dask", remedy='pip install "salus[cluster]"') from error
    if scheduler:
        try:
            client = Client(scheduler, timeout="30s", set_as_default=False)
        except (OSError, TypeError) as error:  # TypeError: no certificates are named
            raise StoreError("no cluster answers", where=scheduler, remedy="see docs/population.md") from error
        with client:
            yield client
        return
    cluster: Any = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        security=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client
