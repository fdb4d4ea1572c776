"""Surgery commands. They work on label volumes, never on a patient's record, and never move a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from salus.surgery.files import Planned

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)


@click.group()
def surgery() -> None:
    """Label volumes, for teaching and research: models to look at, paths past what must not be hit."""


@surgery.command("mesh")
@click.argument("labels", type=FILE)
@click.option("--out", type=NEW, required=True, help="Write the model here (.glb).")
@click.option("--usdz", type=NEW, help="Write it as USDZ too (needs the extra `ar`).")
@click.option("--names", type=FILE, help="TOML file with names and colours of the labels.")
@click.option("--faces", type=click.IntRange(1, 5_000_000), default=100_000, show_default=True, help="Most triangles.")
def mesh(labels: Path, out: Path, usdz: Path | None, names: Path | None, faces: int) -> None:
    """Turn the label volume LABELS (.nii, .nii.gz) into a model for augmented reality, with its measured error."""
    from salus.surgery import files as wing

    made = wing.meshed(labels, out, usdz, names, faces)
    for part in made.parts:
        error, volume = part.facts["surface_error_mm"], part.facts["volume_ml"]
        click.echo(
            f"{part.look.name}: {len(part.faces)} triangles, {volume['surface']:.2f} mL "
            f"(voxels {volume['voxels']:.2f}), error mean {error['mean']:.2f} mm, greatest {error['hausdorff']:.2f} mm"
        )
    click.echo(f"{out}" + (f", {usdz}" if usdz else "") + f": {made.facts['notice']}")


@surgery.command("plan")
@click.argument("labels", type=FILE)
@click.argument("task", type=FILE)
@click.option("--most", type=click.IntRange(1, 1000), default=5, show_default=True, help="Paths to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the simulated arm's joint values.")
@click.pass_context
def plan(ctx: click.Context, labels: Path, task: Path, most: int, as_json: bool) -> None:
    """Straight paths in LABELS for TASK (.toml) that keep all margins, or why there is none (exit status 3)."""
    from salus.surgery import files as wing

    found = wing.planned(labels, task, most)
    if as_json:
        import orjson

        option = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        click.echo(orjson.dumps(wing.document(found), option=option).decode())
    else:
        _say(found)
    ctx.exit(0 if found.plan.paths else 3)


def _say(found: Planned) -> None:
    from salus.surgery.motion import NOTICE

    whole = found.plan
    if whole.none:
        click.echo(whole.none.reason)
    else:
        click.echo(f"{whole.safe} of {whole.considered} entries are safe; none is better than these in everything:")
    for path in whole.paths:
        x, y, z = path.entry
        click.echo(
            f"  entry {x:.1f} {y:.1f} {z:.1f} (LPS mm): {path.length:.1f} mm long, {path.angle:.0f}° to the normal, "
            f"{path.spare:.1f} mm to spare at {found.task.name(path.tightest)}, "
            f"predicted error at the target {path.error_at_target:.2f} mm"
        )
    if found.motion is not None:
        click.echo(f"The arm reaches the first within its limits. {NOTICE}")
    click.echo("Not a medical device; a proposal for a professional.")
