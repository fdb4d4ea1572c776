"""The drug-discovery wing at the service of commands and pages: files in, answers out. No patient's data is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.errors import InputError

if TYPE_CHECKING:
    from salus.discovery.endpoints import Model, Prediction
    from salus.discovery.generate import Candidate, Run
    from salus.discovery.measurements import Desired, Table
    from salus.discovery.objective import Objective
    from salus.discovery.signals import Screening
    from salus.discovery.similarity import Hit, Unread

DESIGNED = 20
"""Best molecules that a design shows."""


def _need_rdkit() -> None:
    """Raise ConfigurationError with the remedy, before a module that needs RDKit is imported without it."""
    import salus.discovery.molecule  # noqa: F401


def measured(path: Path, endpoint: str, unit: str | None = None, desired: Desired | None = None) -> Table:
    """The measurements of one endpoint in a CSV table."""
    _need_rdkit()
    from salus.discovery import measurements

    return measurements.read_table(path, measurements.endpoint(endpoint, unit, desired))


def fitted(table: Table, out: Path | None = None) -> Model:
    """A model of these measurements, saved to ``out`` when that is given."""
    _need_rdkit()
    from salus.discovery import endpoints, model_file

    model = endpoints.Model.fit(table)
    if out is not None:
        model_file.save(model, out)
    return model


def loaded(path: Path) -> Model:
    """A model that was saved."""
    _need_rdkit()
    from salus.discovery import model_file

    return model_file.load(path)


def predicted(model: Model, smiles: Sequence[str]) -> list[Prediction]:
    """One prediction for each structure."""
    return model.predict(smiles)


def structures(path: Path) -> Iterator[str]:
    """The SMILES of a file: the first word of every line that is not empty."""
    from salus.discovery.measurements import read_text

    return (line.split()[0] for line in read_text(path).splitlines() if line.strip())


def similar(query: str, library: Path, k: int, threshold: float) -> tuple[list[Hit], tuple[Unread, ...], int]:
    """Hits, what of the library could not be read, and how many molecules were searched."""
    _need_rdkit()
    from salus.discovery import similarity
    from salus.discovery.molecule import read

    asked = read(query)
    held = similarity.Library.of(structures(library))
    return held.search(asked, k, threshold), held.unread, len(held)


def screened(reports: Path, stratify: Sequence[str] = ()) -> Screening:
    """Every reported pair of product and event in a CSV table (``.gz`` too)."""
    import gzip
    import zlib

    from salus.discovery import signals

    try:
        opened = gzip.open if reports.suffix == ".gz" else open
        with opened(reports, "rt", encoding="utf-8-sig", newline="") as stream:
            return signals.screen(signals.read_rows(stream, stratify, reports.name))
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", reports.name) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError("not a whole gzip file", reports.name) from error


@dataclass(frozen=True, slots=True)
class Designed:
    """A design: the objective it followed, the run, and what it started from."""

    objective: Objective
    run: Run
    start_digest: str
    """SHA-256 of the start pool's file."""
    objective_digest: str

    def best(self, n: int = DESIGNED) -> list[Candidate]:
        """The best molecules that score above 0."""
        return [candidate for candidate in self.run.top(n) if candidate.score > 0]


def designed(objective: Path, start: Path, budget: int, seed: int = 0) -> Designed:
    """Search for molecules under the objective of a TOML file within a budget of distinct oracle calls."""
    _need_rdkit()
    from salus.discovery.generate import Settings, run
    from salus.discovery.objective_file import read_objective

    asked = read_objective(objective)
    work = run(asked, structures(start), Settings(calls=budget, seed=seed))
    digests = (sha256(path.read_bytes()).hexdigest() for path in (start, objective))
    return Designed(asked, work, *digests)


def research_note() -> str:
    """What must be said with every designed molecule."""
    from salus.discovery.objective import NOTE

    return NOTE


def document(design: Designed) -> bytes:
    """The design as JSON: how it was made, and the best molecules with parts, alerts and whole lineage."""
    import orjson
    from rdkit.Chem import MolFromSmiles

    from salus.discovery.objective import NOTE

    def told(candidate: Candidate) -> dict[str, Any]:
        scored = design.objective.explain(MolFromSmiles(candidate.smiles))
        return {
            "smiles": candidate.smiles,
            "score": candidate.score,
            "call": candidate.call,
            "parts": [asdict(part) for part in scored.parts],
            "alerts": [asdict(alert) for alert in scored.alerts],
            "lineage": [asdict(ancestor) for ancestor in design.run.lineage(candidate.smiles)],
        }

    whole = {
        "note": NOTE,
        "objective_sha256": design.objective_digest,
        "start_sha256": design.start_digest,
        "settings": asdict(design.run.settings),
        "calls": design.run.spent,
        "auc_top10": design.run.auc(),
        "molecules": [told(candidate) for candidate in design.best()],
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2)
