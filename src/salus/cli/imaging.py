"""Imaging commands. They work on raw data files, never on a patient's record."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def imaging() -> None:
    """Raw imaging data, for research: reconstruct MR images."""


@imaging.command("reconstruct")
@click.argument("kspace", type=FILE)
@click.option("--mask", type=FILE, help="Where it was measured: .npy, or .npz with --name (default: not zero).")
@click.option("--name", help="The mask's name in a .npz file.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A .npy or .png file.")
def reconstruct(kspace: Path, mask: Path | None, name: str | None, out: Path) -> None:
    """Reconstruct the slice in KSPACE (.npy, complex, coils × ky × kx) and write its magnitude."""
    from salus.imaging import files as wing

    found = wing.reconstructed(kspace, mask, name)
    wing.write_image(found, out)
    rows, columns = found.image.shape
    click.echo(
        f"{out}: {columns} × {rows} pixels from {len(found.maps)} coils, {found.iterations} iterations, "
        f"residual {found.residual:.2f} times the noise"
    )
