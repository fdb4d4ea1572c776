"""Pictures that the chest radiograph model must refuse: films disturbed, and drawn pictures. For training only.

The check (``validation/imaging/xray_domain.py``) draws its own, other kinds among them; nothing is shared with it.
Every kind is a function of a film (28, 28) in 0..255 and a generator of random numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Picture = NDArray[np.float64]
Kind = Callable[[Picture, np.random.Generator], Picture]
SIDE = 28
EDGES = ("constant", "wrap", "reflect", "nearest")
Y, X = np.mgrid[:SIDE, :SIDE].astype(float)
V, U = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]


def bytes_of(picture: Picture) -> NDArray[np.uint8]:
    """Rounded and cut to 0..255."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def stretched(picture: Picture) -> Picture:
    """From 0 to 255."""
    picture = picture - picture.min()
    return picture / max(float(picture.max()), 1e-9) * 255


def moved(
    film: Picture,
    angle: float = 0.0,
    zoom: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
    edge: str = "nearest",
    fill: float = 0.0,
) -> Picture:
    """A film turned (degrees), zoomed (y, x) and moved (pixels) about its middle."""
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag(1 / np.array(zoom))
    middle = np.full(2, (SIDE - 1) / 2)
    offset = middle - matrix @ (middle + np.array(shift))
    return ndimage.affine_transform(film, matrix, offset, order=1, mode=edge, cval=fill)


def mild(film: Picture, rng: np.random.Generator) -> Picture:
    """A film as another machine or hand might have framed and exposed it: it must still be accepted. What lies beyond
    its edge is continued, or dark as where a collimator ends."""
    zoom = np.exp(rng.uniform(-0.1, 0.12) + rng.uniform(-0.05, 0.05, 2))
    edge, fill = ("constant", rng.uniform(0, 40)) if rng.random() < 0.4 else ("nearest", 0.0)
    out = moved(film, rng.uniform(-8, 8), (zoom[0], zoom[1]), tuple(rng.uniform(-2, 2, 2)), edge, fill)
    if rng.random() < 0.3:
        out = ndimage.gaussian_filter(out, rng.uniform(0.2, 0.6))
    out = 255 * np.clip(out / 255, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3))
    return out * rng.uniform(0.75, 1.1) + rng.uniform(-15, 25) + rng.normal(0, rng.uniform(0, 6), out.shape)


# ---- films, disturbed


def turned(film: Picture, rng: np.random.Generator) -> Picture:
    return np.rot90(film if rng.random() < 0.5 else film[:, ::-1], rng.integers(1, 4))


def upside_down(film: Picture, rng: np.random.Generator) -> Picture:
    return film[::-1]


def tilted(film: Picture, rng: np.random.Generator) -> Picture:
    return moved(film, rng.uniform(25, 335), (1.1, 1.1), edge=rng.choice(EDGES), fill=rng.uniform(0, 255))


def inverted(film: Picture, rng: np.random.Generator) -> Picture:
    return 255 - (film if rng.random() < 0.6 else turned(film, rng))


def zoomed_in(film: Picture, rng: np.random.Generator) -> Picture:
    zoom = rng.uniform(1.5, 2.3) if rng.random() < 0.6 else rng.uniform(2.3, 4)
    reach = (zoom - 1) * SIDE / 2 * rng.choice([0.3, 1])
    return moved(film, rng.uniform(-10, 10), (zoom, zoom), tuple(rng.uniform(-reach, reach, 2)))


def zoomed_out(film: Picture, rng: np.random.Generator) -> Picture:
    zoom, fill = rng.uniform(0.25, 0.7), rng.uniform(0, 255)
    return moved(film, rng.uniform(-10, 10), (zoom, zoom), tuple(rng.uniform(-5, 5, 2)), rng.choice(EDGES), fill)


def shifted(film: Picture, rng: np.random.Generator) -> Picture:
    shift = rng.uniform(7.5, 18, 2) * rng.choice([-1, 1], 2)
    if rng.random() < 0.6:
        shift[rng.integers(2)] = rng.uniform(-3, 3)
    return moved(film, 0, (1, 1), tuple(shift), rng.choice(EDGES), rng.uniform(0, 255))


def shuffled(film: Picture, rng: np.random.Generator) -> Picture:
    count = int(rng.choice([2, 4]))
    side = SIDE // count
    tiles = [film[r : r + side, c : c + side] for r in range(0, SIDE, side) for c in range(0, SIDE, side)]
    order = rng.permutation(count**2)
    while (order == np.arange(count**2)).mean() > 0.3:
        order = rng.permutation(count**2)
    return np.block([[tiles[order[r * count + c]] for c in range(count)] for r in range(count)])


def squeezed(film: Picture, rng: np.random.Generator) -> Picture:
    zoom = (rng.uniform(1.8, 3), 1 / rng.uniform(1, 1.5))
    return moved(film, 0, zoom if rng.random() < 0.5 else zoom[::-1])


def of_random_phase(film: Picture, rng: np.random.Generator) -> Picture:
    phase = np.angle(np.fft.fft2(rng.normal(size=film.shape)))
    return stretched(np.real(np.fft.ifft2(np.abs(np.fft.fft2(film)) * np.exp(1j * phase))))


def covered(film: Picture, rng: np.random.Generator) -> Picture:
    out, high, wide = film.copy(), rng.integers(12, 20), rng.integers(14, 24)
    row, column = rng.integers(0, SIDE - high + 1), rng.integers(0, 14)
    out[row : row + high, column : column + wide] = rng.uniform(0, 255)
    return out


def smeared(film: Picture, rng: np.random.Generator) -> Picture:
    return ndimage.gaussian_filter(film, rng.uniform(2.5, 6))


def of_two_greys(film: Picture, rng: np.random.Generator) -> Picture:
    limit = np.quantile(film, rng.uniform(0.3, 0.7))
    return np.where(film > limit, rng.uniform(150, 255), rng.uniform(0, 100))


def exposed_twice(film: Picture, rng: np.random.Generator) -> Picture:
    """The film and, fainter or stronger, the same disturbed."""
    other = (turned, upside_down, tilted, shifted)[rng.integers(4)](film, rng)
    weight = rng.uniform(0.35, 0.65)
    return film * weight + other * (1 - weight)


# ---- drawn


def gradient(film: Picture, rng: np.random.Generator) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    return stretched(np.cos(angle) * X + np.sin(angle) * Y) ** rng.uniform(0.9, 1.1)


def rings(film: Picture, rng: np.random.Generator) -> Picture:
    row, column = rng.uniform(0, SIDE, 2)
    out = stretched(np.hypot((X - column) * rng.uniform(0.6, 1.6), Y - row))
    return out if rng.random() < 0.5 else 255 - out


def noise(film: Picture, rng: np.random.Generator) -> Picture:
    if rng.random() < 0.5:
        return rng.integers(0, 256, (SIDE, SIDE)).astype(float)
    return rng.normal(128, rng.uniform(5, 60), (SIDE, SIDE))


def clouds(film: Picture, rng: np.random.Generator) -> Picture:
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) * frequency ** -rng.uniform(0.5, 3)
    return stretched(np.real(np.fft.ifft2(spectrum)))


def plain(film: Picture, rng: np.random.Generator) -> Picture:
    return rng.uniform(0, 255) + rng.normal(0, rng.uniform(0, 3), (SIDE, SIDE))


def checkerboard(film: Picture, rng: np.random.Generator) -> Picture:
    side = int(rng.integers(1, 10))
    return (X // side + Y // side) % 2 * rng.uniform(100, 255)


def stripes(film: Picture, rng: np.random.Generator) -> Picture:
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(0.04, 0.4)
    wave = np.sin(2 * np.pi * frequency * (np.cos(angle) * X + np.sin(angle) * Y) + rng.uniform(0, 6))
    return stretched(wave if rng.random() < 0.6 else np.sign(wave))


def _soft(distance: Picture, width: float) -> Picture:
    """1 where ``distance`` is negative, falling to 0 over ``width``."""
    return 1 / (1 + np.exp(np.clip(distance / width, -50, 50)))


def ellipses(film: Picture, rng: np.random.Generator) -> Picture:
    out = np.full((SIDE, SIDE), rng.uniform(0, 0.4))
    for _ in range(rng.integers(1, 9)):
        x, y, (wide, high), turn = *rng.uniform(-0.8, 0.8, 2), rng.uniform(0.08, 0.9, 2), rng.uniform(0, np.pi)
        along = (U - x) * np.cos(turn) + (V - y) * np.sin(turn)
        across = (V - y) * np.cos(turn) - (U - x) * np.sin(turn)
        inside = _soft(np.hypot(along / wide, across / high) - 1, rng.uniform(0.02, 0.15))
        out = out + rng.uniform(-0.7, 0.8) * inside
    return stretched(out)


def shells(film: Picture, rng: np.random.Generator) -> Picture:
    """A bright rim around a body with some spots within."""
    (x, y), (wide, high) = rng.uniform(-0.15, 0.15, 2), rng.uniform(0.5, 0.95, 2)
    radius = np.hypot((U - x) / wide, (V - y) / high)
    rim = rng.uniform(0.8, 0.95)
    out = rng.uniform(0.3, 1) * _soft(radius - 1, 0.05) - rng.uniform(0, 0.6) * _soft(radius - rim, 0.05)
    for _ in range(rng.integers(0, 5)):
        (dx, dy), (w, h) = rng.uniform(-0.4, 0.4, 2), rng.uniform(0.08, 0.35, 2)
        out = out + rng.uniform(-0.4, 0.4) * _soft(np.hypot((U - x - dx) / w, (V - y - dy) / h) - 1, 0.08)
    return stretched(out)


def leaves(film: Picture, rng: np.random.Generator) -> Picture:
    """Discs and boxes of all sizes, one over another, as natural scenes are."""
    out = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(10, 80)):
        (x, y), reach = rng.uniform(0, SIDE, 2), 2 * rng.pareto(1.5) + 1.5
        box = (abs(X - x) < reach) & (abs(Y - y) < reach * rng.uniform(0.3, 2))
        out[np.hypot(X - x, Y - y) < reach if rng.random() < 0.5 else box] = rng.uniform(0, 255)
    return ndimage.gaussian_filter(out, rng.uniform(0, 0.8))


def bars(film: Picture, rng: np.random.Generator) -> Picture:
    """Long bright bars, darker within."""
    out = np.full((SIDE, SIDE), rng.uniform(0, 0.3))
    for _ in range(rng.integers(1, 6)):
        turn = rng.normal(0, 0.4) + rng.choice([0, np.pi / 2])
        off, wide = abs(U * np.cos(turn) + V * np.sin(turn) - rng.uniform(-0.8, 0.8)), rng.uniform(0.05, 0.3)
        out = out + rng.uniform(0.2, 0.8) * _soft(off - wide, 0.04)
        out = out - rng.uniform(0, 0.3) * _soft(off - wide / 2, 0.04)
    return stretched(out)


def scribbles(film: Picture, rng: np.random.Generator) -> Picture:
    """Rows of small random marks, as writing is."""
    out, ink = np.full((SIDE, SIDE), rng.uniform(150, 255)), rng.uniform(0, 90)
    for row in np.cumsum(rng.integers(4, 7, 7)) - 4:
        for column in np.cumsum(rng.integers(2, 6, 14)):
            part = out[row : row + rng.integers(2, 5), column : column + rng.integers(1, 4)]
            part[rng.random(part.shape) < 0.6] = ink
    return out if rng.random() < 0.5 else 255 - out


FILMS: tuple[Kind, ...] = (
    turned,
    upside_down,
    tilted,
    inverted,
    zoomed_in,
    zoomed_out,
    shifted,
    shuffled,
    squeezed,
    of_random_phase,
    covered,
    of_two_greys,
    exposed_twice,
    smeared,
)
DRAWN: tuple[Kind, ...] = (
    gradient,
    rings,
    noise,
    clouds,
    plain,
    checkerboard,
    stripes,
    ellipses,
    shells,
    leaves,
    bars,
    scribbles,
)


def disturbed(kind: Kind, films: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of ``kind`` for each film: half of the films varied first, drawn pictures varied afterwards."""
    out = []
    for film in films.astype(float):
        if kind in FILMS:
            picture = kind(np.clip(mild(film, rng), 0, 255) if rng.random() < 0.5 else film, rng)
        else:
            picture = kind(film, rng)
            if rng.random() < 0.5:
                picture = picture + rng.normal(0, rng.uniform(0, 12), picture.shape)
            if rng.random() < 0.3:
                picture = ndimage.gaussian_filter(picture, rng.uniform(0, 1.2))
            if rng.random() < 0.5:
                low = rng.uniform(0, 80)
                picture = low + picture * (rng.uniform(0.4, 1) - low / 255)
        out.append(bytes_of(picture))
    return np.stack(out)
