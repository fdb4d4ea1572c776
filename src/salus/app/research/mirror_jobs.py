"""Work over the shards of a mirror, on this machine or on a cluster, with only the data that the gate released."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from salus.app.research import shard_work
from salus.app.research.mirror import Progress, silent
from salus.app.research.shard_work import ROWS, Job
from salus.app.session import Session
from salus.app.terminology import packs
from salus.population import views
from salus.population.cluster import over_shards
from salus.population.mirror import Mirror


def lines(
    session: Session,
    mirror: Mirror,
    what: str,
    at: datetime,
    definition: Mapping[str, Any] | None = None,
    *,
    workers: int = 0,
    scheduler: str = "",
    progress: Progress = silent,
) -> Iterator[bytes]:
    """Lines of JSON worked out of the records of a mirror, in the order of shard and patient.

    ``what`` is one of:

    - ROWS: a line for each row of the ViewDefinition ``definition``;
    - FINDINGS: a line for each finding, and one for each method that failed;
    - PLANS: a line for each patient, with the plan that a session gives the same reader for the same purpose, except
      that no interlock is asked, which needs the house.

    ``at`` is the moment; for ``workers`` and ``scheduler`` see :func:`salus.population.cluster.over_shards`. Raises
    InputError for a definition that cannot be read, and what :func:`~salus.population.cluster.over_shards` raises.
    """
    if what == ROWS:
        views.read(definition or {})
    job = _job(session, Job(what, at, definition or {}))
    return over_shards(mirror, shard_work.work, job, workers=workers, scheduler=scheduler, progress=progress)


def _job(session: Session, job: Job) -> Job:
    """The job with the packages that the house allows, its knowledge and terminology, and with its digest."""
    house = session.house
    if job.kind != ROWS:
        laid_over = tuple(path.resolve() for path in packs(house.configuration))
        known: Any = session.contexts()
        job = replace(job, allowed=dict(house.registry.methods), contexts=known, packs=laid_over)
    return replace(job, digest=shard_work.digest(job))
