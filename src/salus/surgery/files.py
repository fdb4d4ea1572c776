"""Surgery work on files that belong to no record: models for augmented reality, and paths with a simulated arm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from salus.errors import InputError
from salus.private_files import write_private

if TYPE_CHECKING:
    from salus.surgery.ar import Look, Scene
    from salus.surgery.labels import Labels
    from salus.surgery.motion import Motion
    from salus.surgery.trajectory import Plan, Task

P = ParamSpec("P")
T = TypeVar("T")
FACES = 100_000
MAX_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what the simulated arm makes of its first path (None without a path)."""

    task: Task
    plan: Plan
    motion: Motion | None


def anatomy(data: bytes, names: Mapping[int, Look] | None = None, faces: int = FACES) -> Scene:
    """The scene of a label volume in NIfTI bytes. Raises :class:`InputError` for what is no label volume."""
    from salus.formats.nifti import read_volume
    from salus.surgery.ar import scene
    from salus.surgery.labels import labels_of
    from salus.surgery.mesh import surfaces

    source = {"kind": "NIfTI label volume", "sha256": hashlib.sha256(data).hexdigest()}
    return scene(surfaces(labels_of(read_volume(data)), faces), names, source)


def anatomy_glb(data: bytes, names: Mapping[int, Look] | None = None, faces: int = FACES) -> bytes:
    """A label volume (NIfTI bytes) as GLB bytes, for a page to serve as ``model/gltf-binary``."""
    from salus.surgery.gltf import glb

    return glb(anatomy(data, names, faces))


def meshed(labels: Path, out: Path, usdz: Path | None = None, names: Path | None = None, faces: int = FACES) -> Scene:
    """Write the model of the label volume in ``labels`` as GLB, and as USDZ where wished; both are checked first.

    Raises :class:`InputError` naming the file that is not what it should be.
    """
    from salus.surgery import ar, gltf, usd

    for target, suffix in ((out, ".glb"), (usdz, ".usdz")):
        if target is not None and target.suffix != suffix:
            raise InputError(f"a model of this kind is written as {suffix}", str(target), "name the file so")
    looks = _at(names, ar.looks, _text(names)) if names else None
    made = _at(labels, anatomy, labels.read_bytes(), looks, faces)
    binary = gltf.glb(made)
    gltf.check(binary)
    package = usd.usdz(made) if usdz is not None else b""
    if package and (faults := usd.faults(package)):
        raise InputError(f"the package would not be sound: {faults[0]}", str(usdz), "report this")
    write_private(out, binary)
    if usdz is not None:
        write_private(usdz, package)
    return made


def planned(labels: Path, task: Path, most: int = 10) -> Planned:
    """Safe paths for the task in the TOML file ``task`` that the simulated arm reaches, and its walk along the first.

    Raises :class:`InputError` naming the file that is not what it should be.
    """
    from salus.formats.nifti import read_volume
    from salus.surgery.labels import labels_of
    from salus.surgery.task_file import read_task

    asked = _at(task, read_task, _text(task))
    volume = _at(labels, lambda data: labels_of(read_volume(data)), labels.read_bytes())
    return _at(task, planned_in, volume, asked, most)


def planned_in(labels: Labels, task: Task, most: int = 10) -> Planned:
    """The same for labels and a task already read."""
    from salus.surgery.arm import Unreachable, psm
    from salus.surgery.motion import reach, walk
    from salus.surgery.trajectory import plan

    found = plan(labels, task, most, reach(psm(), task.target))
    motion = walk(found.paths[0], psm()) if found.paths else None
    if isinstance(motion, Unreachable):
        raise InputError(f"the arm does not reach the target: {motion.reason}", "arm", "place it otherwise")
    return Planned(task, found, motion)


def document(found: Planned) -> dict[str, Any]:
    """The plan as plain values for JSON, with its notices."""
    from dataclasses import asdict

    from salus.surgery.motion import NOTICE

    motion = found.motion
    return {
        "notice": f"Not a medical device; a proposal for a professional. {NOTICE}",
        **asdict(found.plan),
        "arm": motion
        and {
            "joints": [[round(float(v), 6) for v in row] for row in motion.joints],
            "units": ["rad", "rad", "m", "rad", "rad", "rad"],
            "shaft_from_remote_centre_m": motion.centre_deviation,
            "tip_from_line_m": motion.line_deviation,
        },
    }


def _at(file: Path, act: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    try:
        return act(*values, **named)
    except InputError as error:
        raise error.at(str(file)) from error


def _text(file: Path) -> str:
    if file.stat().st_size > MAX_TEXT:
        raise InputError("too long for such a file", str(file), "see docs/surgery.md for its form")
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("not a text file", str(file), "see docs/surgery.md for its form") from error
