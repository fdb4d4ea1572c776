"""AR: a made-up label phantom becomes a model for headset and page, with its measured error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salus.cli.tour.slice import Slice, Stage
from salus.errors import MethodError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = '[labels.1]\nname = "made-up organ"\n[labels.2]\nname = "made-up vessel"\ncolour = "#b03030"\n'


def run(stage: Stage) -> str:
    """Write, check and read back the model; raise when it is not sound or lies farther off than a voxel."""
    from salus.surgery import files as wing

    labels, names = stage.folder / "labels.nii", stage.folder / "names.toml"
    _phantom(labels)
    names.write_text(NAMES, "utf-8")
    out, usdz = stage.folder / "anatomy.glb", stage.folder / "anatomy.usdz"
    made = wing.meshed(labels, out, usdz, names, faces=6000)
    errors = [part.facts["surface_error_mm"] for part in made.parts]
    worst, mean = max(e["hausdorff"] for e in errors), max(e["mean"] for e in errors)
    if worst > 3.0:
        raise MethodError(f"a surface lies {worst:.2f} mm from its voxels", "anatomy.glb")
    return (
        f"{len(made.parts)} structures of a made-up label volume: {made.faces} triangles, mean error {mean:.2f} mm, "
        f"greatest {worst:.2f} mm; GLB {out.stat().st_size:,} bytes, USDZ {usdz.stat().st_size:,} bytes, no fault found"
    )


def _phantom(file: Path) -> None:
    """An egg with a vessel through it, in voxels of 1.2 x 1.2 x 2 mm."""
    import nibabel as nib
    import numpy as np

    x, y, z = np.meshgrid(*(np.arange(n) for n in (44, 40, 28)), indexing="ij")
    labels = (((x - 22) / 16) ** 2 + ((y - 20) / 13) ** 2 + ((z - 14) / 10) ** 2 < 1).astype(np.uint8)
    labels[np.hypot(x - 22 - 3 * np.sin(z / 4), y - 20) < 3] = 2
    make: Any = nib.Nifti1Image
    image = make(labels, np.diag([-1.2, -1.2, 2.0, 1.0]))
    image.set_sform(image.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.to_filename(file)


SLICE = Slice(
    name="mesh",
    title="AR",
    says="a label volume as GLB and USDZ, closed and the right way round, with its measured surface error",
    capabilities=("surgery.mesh",),
    run=run,
    shown=("mean_error_mm_max",),
    extra="ar",
    needs=("pxr",),
)
