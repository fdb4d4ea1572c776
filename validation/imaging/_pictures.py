"""Pictures that are no upright chest radiograph, for :mod:`validation.imaging.xray_domain`.

Drawn here by other code, with other numbers and other seeds than those that the classifier is trained on. ``FILMS`` are
functions of a film (28, 28) in 0..255, of another film and a generator; ``DRAWN`` of a generator alone, any size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from salus.imaging.mri_phantom import scan
from salus.imaging.phantom import thorax

Picture = NDArray[np.float64]
Rng = np.random.Generator
SIDE, LARGE = 28, 168
ROWS, COLUMNS = np.mgrid[0:LARGE, 0:LARGE] / (LARGE - 1)


def spread(picture: Picture) -> Picture:
    """From 0 to 255."""
    low, high = float(picture.min()), float(picture.max())
    return (picture - low) / max(high - low, 1e-9) * 255


# ---- films


def cropped(film: Picture, other: Picture, rng: Rng) -> Picture:
    """A square of 9 to 14 pixels' side, enlarged."""
    side = int(rng.integers(9, 15))
    top, left = rng.integers(0, SIDE - side + 1, 2)
    return ndimage.zoom(film[top : top + side, left : left + side], SIDE / side, order=1)[:SIDE, :SIDE]


def shifted(film: Picture, other: Picture, rng: Rng) -> Picture:
    """A third to half of the picture is black, the rest a cut-off film."""
    out, by = np.zeros((SIDE, SIDE)), int(rng.integers(10, 15))
    if rng.random() < 0.5:
        out[by:] = film[:-by]
        return out if rng.random() < 0.5 else np.roll(out, -by, axis=0)[:, :]
    out[:, by:] = film[:, :-by]
    return out


def solarised(film: Picture, other: Picture, rng: Rng) -> Picture:
    """What is brighter than a limit, inverted."""
    return np.where(film > np.quantile(film, rng.uniform(0.35, 0.6)), 255 - film, film)


def _drawn_from(film: Picture, rows: Picture, columns: Picture) -> Picture:
    return ndimage.map_coordinates(film, [rows, columns], order=1, mode="nearest")


def swirled(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Turned by an angle that grows towards the middle."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn = rng.choice([-1, 1]) * rng.uniform(2.5, 4.5) * np.exp(-np.hypot(y, x) / 9)
    return _drawn_from(film, y * np.cos(turn) - x * np.sin(turn) + 13.5, y * np.sin(turn) + x * np.cos(turn) + 13.5)


def rippled(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Rows pushed sideways in a wave."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    return _drawn_from(film, y, x + rng.uniform(5, 8) * np.sin(2 * np.pi * y / rng.uniform(7, 12) + rng.uniform(0, 6)))


def montage(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Four small films in one picture."""
    one, two = (f.reshape(14, 2, 14, 2).mean(axis=(1, 3)) for f in (film, other))
    return np.block([[one, two], [two, one]])


def speckled(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Two of five pixels black or white."""
    return np.where(rng.random(film.shape) < 0.4, rng.choice([0.0, 255.0], film.shape), film)


def doubled(film: Picture, other: Picture, rng: Rng) -> Picture:
    """A film and another one, upside down, exposed on one picture."""
    return (film + other[::-1]) / 2


def polar(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Rows are distances from the middle, columns angles."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    turn, away = 2 * np.pi * x / SIDE + rng.uniform(0, 6), y / 2
    return _drawn_from(film, 13.5 + away * np.sin(turn), 13.5 + away * np.cos(turn))


def sheared(film: Picture, other: Picture, rng: Rng) -> Picture:
    """Rows pushed sideways by as much as they lie above the middle."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    return _drawn_from(film, y, x + rng.choice([-1, 1]) * rng.uniform(0.8, 1.2) * (y - 13.5))


def bulging(film: Picture, other: Picture, rng: Rng) -> Picture:
    """The middle enlarged, the rim pressed together."""
    y, x = (np.mgrid[:SIDE, :SIDE] - 13.5) / 13.5
    power = rng.uniform(1.2, 2)
    return _drawn_from(film, 13.5 + 13.5 * y * np.hypot(y, x) ** power, 13.5 + 13.5 * x * np.hypot(y, x) ** power)


FILMS: Mapping[str, Callable[[Picture, Picture, Rng], Picture]] = {
    "rotated_90": lambda film, other, rng: np.rot90(film),
    "rotated_180": lambda film, other, rng: np.rot90(film, 2),
    "rotated_270": lambda film, other, rng: np.rot90(film, 3),
    "upside_down": lambda film, other, rng: np.flipud(film),
    "left_right": lambda film, other, rng: np.fliplr(film),
    "inverted": lambda film, other, rng: 255 - film,
    "cropped": cropped,
    "shifted": shifted,
    "solarised": solarised,
    "swirled": swirled,
    "rippled": rippled,
    "montage": montage,
    "speckled": speckled,
    "doubled": doubled,
    "polar": polar,
    "sheared": sheared,
    "bulging": bulging,
}


# ---- drawn


def grey_ramp(rng: Rng) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    return spread(ROWS * np.sin(angle) + COLUMNS * np.cos(angle)) * rng.uniform(0.5, 1)


def white_noise(rng: Rng) -> Picture:
    side = int(rng.choice([SIDE, SIDE // 2]))
    return np.kron(rng.uniform(0, 255, (side, side)), np.ones((LARGE // side, LARGE // side)))


def uniform(rng: Rng) -> Picture:
    """One grey with a few brighter or darker dots of the machine."""
    out = np.full((LARGE, LARGE), rng.uniform(20, 235))
    out[rng.integers(0, LARGE, 9), rng.integers(0, LARGE, 9)] += rng.uniform(-9, 9, 9)
    return out


def chessboard(rng: Rng) -> Picture:
    count, phase = rng.integers(3, 12), rng.uniform(0, 1, 2)
    return ((ROWS * count + phase[0]).astype(int) + (COLUMNS * count + phase[1]).astype(int)) % 2 * 255.0


def cells(rng: Rng) -> Picture:
    """Polygons around random points, each of one grey, or by the distance from the point (Voronoi)."""
    points = rng.uniform(0, 1, (int(rng.integers(6, 40)), 2))
    away = np.hypot(ROWS[..., None] - points[:, 0], COLUMNS[..., None] - points[:, 1])
    shade = rng.uniform(0, 255, len(points))[away.argmin(axis=-1)]
    return shade if rng.random() < 0.5 else spread(away.min(axis=-1))


def marble(rng: Rng) -> Picture:
    """Veins: a wave bent by smooth noise, as in stone and wood."""
    bend = ndimage.gaussian_filter(rng.normal(size=ROWS.shape), LARGE / 12) * LARGE
    return spread(np.sin(2 * np.pi * (rng.uniform(2, 6) * ROWS + 0.12 * bend) + rng.uniform(0, 6)))


def spiral(rng: Rng) -> Picture:
    y, x = ROWS - rng.uniform(0.35, 0.65), COLUMNS - rng.uniform(0.35, 0.65)
    return spread(np.sin(rng.integers(1, 4) * np.arctan2(y, x) + rng.uniform(12, 40) * np.hypot(y, x)))


def maze(rng: Rng) -> Picture:
    """Diagonal walls, each of two ways."""
    count = int(rng.integers(5, 10))
    size = LARGE // count
    wall = np.clip(255 - 40 * abs(np.subtract.outer(np.arange(size), np.arange(size))), 0, 255).astype(float)
    return np.block([[wall if rng.random() < 0.5 else wall[:, ::-1] for _ in range(count)] for _ in range(count)])


def written(rng: Rng) -> Picture:
    """Lines of printed letters."""
    paper, ink = (255, 0) if rng.random() < 0.5 else (0, 255)
    image = Image.new("L", (LARGE, LARGE), paper)
    pen, step = ImageDraw.Draw(image), int(rng.integers(14, 34))
    for top in range(4, LARGE - step, step):
        words = "".join(rng.choice(list("abcdefghiklmnoprstuvw  ABDEHMRS0123"), 24))
        pen.text((int(rng.integers(0, 14)), top), words, fill=ink, font_size=step * 0.8)
    return np.asarray(image, float)


@cache
def _trunk(seed: int) -> NDArray[np.int16]:
    made = thorax(scale=(0.9, 1.0, 1.1)[seed], noise=20, seed=seed, emphysema=0.1 * seed)
    return np.asarray(made.volume.array, np.int16)


def _ct(plane: Picture, rng: Rng) -> Picture:
    low, wide = [(-1000, 1400), (-160, 400)][int(rng.integers(2))]
    large = ndimage.zoom(plane.astype(float), (LARGE / plane.shape[0], LARGE / plane.shape[1]), order=1)
    return np.clip((large - low) / wide, 0, 1) * 255


def ct_axial(rng: Rng) -> Picture:
    return _ct(_trunk(int(rng.integers(3)))[rng.integers(8, 32)], rng)


def ct_coronal(rng: Rng) -> Picture:
    """Both lungs beside each other, head up: of all pictures the nearest to a film."""
    return _ct(_trunk(int(rng.integers(3)))[::-1, rng.integers(22, 42)], rng)


@cache
def _head() -> Picture:
    return np.asarray(scan(size=LARGE, coils=2).truth, float)


def mr_head(rng: Rng) -> Picture:
    turned = ndimage.rotate(_head(), rng.uniform(-20, 20), reshape=False, order=1)
    return spread(np.clip(turned, 0, None)) * rng.uniform(0.7, 1) + rng.normal(0, 3, turned.shape)


def hand(rng: Rng) -> Picture:
    """Five fingers and a wrist: bones in softer tissue, as on a radiograph."""
    image = Image.new("L", (LARGE, LARGE), int(rng.integers(0, 40)))
    pen, middle, bottom = ImageDraw.Draw(image), LARGE / 2 + rng.uniform(-15, 15), LARGE * rng.uniform(0.9, 1.05)
    for width, grey in ((20, 110), (8, 220)):
        for angle in np.linspace(-0.65, 0.65, 5) + rng.normal(0, 0.03, 5):
            palm = (middle + 45 * np.sin(angle), bottom - 60 * np.cos(angle))
            tip = (middle + 120 * np.sin(angle), bottom - 135 * np.cos(angle))
            pen.line([(middle, bottom), palm, tip], fill=grey, width=width, joint="curve")
    return np.asarray(image, float) + rng.normal(0, 3, (LARGE, LARGE))


DRAWN: Mapping[str, Callable[[Rng], Picture]] = {
    "grey_ramp": grey_ramp,
    "white_noise": white_noise,
    "uniform": uniform,
    "chessboard": chessboard,
    "cells": cells,
    "marble": marble,
    "spiral": spiral,
    "maze": maze,
    "written": written,
    "ct_axial": ct_axial,
    "ct_coronal": ct_coronal,
    "mr_head": mr_head,
    "hand": hand,
}

TRAINED_IDEA = (
    "rotated_90",
    "rotated_180",
    "rotated_270",
    "upside_down",
    "left_right",
    "inverted",
    "cropped",
    "shifted",
    "doubled",
    "grey_ramp",
    "white_noise",
    "uniform",
    "chessboard",
)
"""Kinds whose idea the training has too. Of the others it has none, or (letters, hand, CT and MR) only drawn marks,
bars and ellipses."""


# ---- films that must still be accepted


def tilted(film: Picture, rng: Rng) -> Picture:
    return ndimage.rotate(film, rng.uniform(-5, 5), reshape=False, order=1, mode="nearest")


def nudged(film: Picture, rng: Rng) -> Picture:
    return ndimage.shift(film, rng.uniform(-1.2, 1.2, 2), order=1, mode="nearest")


MILD: Mapping[str, Callable[[Picture, Rng], Picture]] = {
    "tilted_5": tilted,
    "brightness": lambda film, rng: film + rng.uniform(-25, 25),
    "contrast": lambda film, rng: 128 + (film - 128) * rng.uniform(0.75, 1.2),
    "nudged": nudged,
    "blurred": lambda film, rng: ndimage.gaussian_filter(film, 0.4),
    "noisy": lambda film, rng: film + rng.normal(0, 4, film.shape),
}
