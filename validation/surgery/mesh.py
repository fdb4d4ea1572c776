"""Surfaces of real label volumes: soundness, and their error against the voxels' boundary, measured anew here.

Cases, found below the folder: each label volume (``*mask*.nii*``, ``*seg*.nii*``, ``*label*.nii*``: whole numbers, at
most 300 kinds), and each ``*.npz`` with ``truth_magnitude`` (a slice), from which a head is made: above 5 % of its
maximum, holes filled, stacked to a slab of 12 with an oblique left-handed affine of 1 x 1 x 2.5 mm. Labels of fewer
than 8 voxels are left out.

Passed, for each structure at budgets of 20,000 and 2,000 faces: GLB and (with OpenUSD) USDZ without faults; closed,
manifold, outward, no face without area, judged here from the faces in the GLB; every point led back to LPS by the
stated origin and axes; volume within 3 % (of the voxels; 15 % below 100 voxels); mean error at most half a voxel's
diagonal; and the stated Hausdorff distance not less than what an independent sample finds.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from salus.errors import InputError
from salus.formats.nifti import read_volume
from salus.formats.types import Volume
from salus.surgery import gltf, usd
from salus.surgery.ar import scene
from salus.surgery.labels import Labels, labels_of
from salus.surgery.mesh import surfaces
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

SHORT = ("--files", "2")
MUTANTS = (
    Mutant(
        "salus/surgery/ar.py",
        "(mesh.points - origin) @ AXES.T",
        "(mesh.points - origin + 5) @ AXES.T",
        "everything lies five millimetres beside its place",
    ),
    Mutant(
        "salus/surgery/smooth.py", "for factor in (SHRINK, swell):", "for factor in (SHRINK,):", "smoothing shrinks"
    ),
    Mutant("salus/surgery/ar.py", "[0, 0, 1], [0, -1, 0]", "[0, -1, 0], [0, 0, -1]", "heights are turned over"),
)

BUDGETS = (20_000, 2_000)
LEAST_VOXELS = 8
SMALL = 100
PATTERNS = ("*mask*.nii*", "*seg*.nii*", "*label*.nii*")


def volumes(folder: Path) -> Iterator[tuple[Path, Volume]]:
    """Every label volume with its file."""
    for file in sorted({found for pattern in PATTERNS for found in folder.rglob(pattern)}):
        yield file, read_volume(file.read_bytes())
    for file in sorted(folder.rglob("*.npz")):
        with np.load(file) as arrays:
            if "truth_magnitude" not in arrays.files:
                continue
            truth = arrays["truth_magnitude"].astype(float)
        head = binary_fill_holes(truth > 0.05 * truth.max())
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", [20, -15, 40], degrees=True).as_matrix() * [-1.0, 1.0, 2.5]
        affine[:3, 3] = 10, -20, 30
        yield file, Volume(np.repeat(head[None].astype(np.uint8), 12, axis=0), affine, "", "1")


def large_enough(volume: Volume) -> Volume:
    """The volume without labels of a few voxels."""
    array = np.asarray(volume.array)
    kinds, counts = np.unique(array, return_counts=True)
    return Volume(np.where(np.isin(array, kinds[counts >= LEAST_VOXELS]), array, 0), volume.affine, "", "1")


def unsound(faces: np.ndarray) -> str:
    """Why these faces are no closed, consistently oriented manifold; "" if they are. By counting, edge by edge."""
    directed = Counter(map(tuple, np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()))
    if any(times != 1 or directed[edge[::-1]] != 1 for edge, times in directed.items()):
        return "an edge is not shared by exactly two faces of the same orientation"
    following: dict[int, dict[int, int]] = {}
    for face in faces.tolist():
        for k in range(3):
            following.setdefault(face[k], {})[face[(k + 1) % 3]] = face[(k + 2) % 3]
    for ring in following.values():
        start = here = next(iter(ring))
        steps = 0
        while steps == 0 or here != start:
            here, steps = ring[here], steps + 1
        if steps != len(ring):
            return "surfaces touch in a point"
    return ""


def parts(data: bytes) -> Iterator[tuple[dict, np.ndarray, np.ndarray]]:
    """Facts, points in LPS mm and faces of each structure in a GLB file, by the axes and origin stated in it."""
    document = gltf.check(data)
    binary = data[28 + struct.unpack_from("<I", data, 12)[0] :]
    origin = np.array(document["asset"]["extras"]["origin_lps_mm"])
    for node in document["nodes"][1:]:
        primitive = document["meshes"][node["mesh"]]["primitives"][0]
        points = gltf.read_array(document, binary, primitive["attributes"]["POSITION"]).astype(float) * 1000
        faces = gltf.read_array(document, binary, primitive["indices"]).reshape(-1, 3).astype(int)
        yield node["extras"], np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1) + origin, faces


def judged(labels: Labels, facts: dict, points: np.ndarray, faces: np.ndarray) -> str:
    """Why this structure fails; "" if it passes."""
    if why := unsound(faces):
        return why
    a, b, c = (points[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    if np.linalg.norm(cross, axis=1).min() <= 0:
        return "a face without area"
    mask = labels.array == facts["label"]
    expected = mask.sum() * abs(np.linalg.det(labels.affine[:3, :3]))
    volume = float((a * np.cross(b, c)).sum() / 6)
    allowed = 0.15 if mask.sum() < SMALL else 0.03
    if abs(volume / expected - 1) > allowed:
        return f"volume {volume / 1000:.3f} mL where the voxels have {expected / 1000:.3f}"
    error = facts["surface_error_mm"]
    if error["mean"] > labels.half_diagonal:
        return f"mean error {error['mean']} mm"
    chance = np.random.default_rng(0)
    weights = np.sort(chance.uniform(size=(2, len(faces))), axis=0)
    on_mesh = a * weights[0, :, None] + b * (weights[1] - weights[0])[:, None] + c * (1 - weights[1])[:, None]
    if (off := _boundary_distance(labels, mask, on_mesh)) > error["hausdorff"] + error["between_samples"] + 1e-3:
        return f"a point of the surface is {off:.3f} mm from the boundary, {error['hausdorff']} are stated"
    return ""


def _boundary_distance(labels: Labels, mask: np.ndarray, points: np.ndarray) -> float:
    """Greatest distance of ``points`` from the boundary, which is taken as points an eighth of a voxel apart."""
    steps = np.linspace(-0.5, 0.5, 9)
    padded, found = np.pad(mask, 1), []
    for axis in range(3):
        index = np.argwhere(np.diff(padded.astype(np.int8), axis=axis) != 0)[:, ::-1] - 1.0
        index[:, 2 - axis] += 0.5
        grid = np.zeros((81, 3))
        grid[:, [k for k in range(3) if k != 2 - axis]] = np.array(np.meshgrid(steps, steps)).reshape(2, -1).T
        found.append((index[:, None] + grid).reshape(-1, 3))
    chosen = points if len(points) < 3000 else points[:: len(points) // 3000]
    near = np.concatenate(found)
    reach = float(np.linalg.norm(labels.spacing)) / 16  # of a boundary point from the nearest one taken
    return float(cKDTree(labels.to_lps(near)).query(chosen)[0].max()) - reach


def main() -> int:
    """Print the report; 0 when every structure of every file passed."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--files", type=int, help="the smallest so many files only, at the smaller budget")
    arguments = parser.parse_args()
    tally, files, figures = Tally(), [], {}
    with_usd = importlib.util.find_spec("pxr") is not None
    chosen = list(volumes(arguments.data))
    if arguments.files:
        chosen = sorted(chosen, key=lambda pair: pair[1].array.size)[: arguments.files]
    for file, volume in chosen:
        files.append(file)
        for budget in BUDGETS[-1:] if arguments.files else BUDGETS:
            name = f"{file.parent.name}/{file.name} at {budget}"
            try:
                labels = labels_of(large_enough(volume))
                made = scene(surfaces(labels, budget))
            except InputError as error:
                tally.add(name, Outcome.REFUSED_THOUGH_ANSWERABLE, f"refused: {error}")
                continue
            faults = usd.faults(usd.usdz(made)) if with_usd else []
            for facts, points, faces in parts(gltf.glb(made)):
                why = "; ".join(faults) or judged(labels, facts, points, faces)
                tally.add(f"{name}, label {facts['label']}", Outcome.WRONG if why else Outcome.RIGHT, why)
                key = f"{file.parent.name}/{file.stem.removesuffix('.nii')}/{facts['label']}/{budget}"
                error = facts["surface_error_mm"]
                figures[key] = {"triangles": facts["triangles"], **{k: error[k] for k in ("hausdorff", "mean")}}
    whole = [value["mean"] for value in figures.values()]
    figures = {"mean_error_mm_max": max(whole, default=None), "usdz_validated": with_usd, **figures}
    return report(
        check="surgery.mesh",
        tally=tally,
        covers="surfaces of label volumes of others are closed, the right way round and within the error stated, by "
        "an independent measurement here",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["surgery.mesh"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
