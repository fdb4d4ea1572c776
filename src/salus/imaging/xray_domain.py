"""Whether a picture is an upright, unmirrored chest radiograph like those trained on: a small classifier, numpy alone.

A distance from the training images alone lets pass what is smooth and grey: films upside down or inverted, gradients.
So networks on gradients and grey values also tell the training films from disturbed films and from pictures that are
no radiographs (``tools/train_xray_domain.py``). ``models/chest_xray_domain.npz`` holds plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from salus.errors import IntegrityError

Floats = NDArray[np.float32]

SIDE = 28
"""Rows and columns of an image as the model sees it."""
CELL, DIRECTIONS = 4, 8
FAINT = 0.05
"""Gradient (in standard deviations of grey a pixel) that counts as none beside stronger ones of the same cell."""
GENUINE, FOREIGN, MIRRORED = 0, 1, 2
"""The three classes, in the order of a network's outputs."""


@dataclass(frozen=True, slots=True)
class Network:
    """Three layers: (features, hidden), (hidden, hidden / 2), (hidden / 2, 3) weights, and their biases."""

    weights: tuple[Floats, Floats, Floats]
    biases: tuple[Floats, Floats, Floats]

    def outputs(self, found: Floats) -> Floats:
        """(n, 3): unnormalised log probabilities of genuine, foreign and mirrored."""
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found = found @ weight + bias
            found = np.maximum(found, 0) if number < 2 else found
        return found


@dataclass(frozen=True, slots=True)
class Appearance:
    """Probabilistic principal components of the films trained on, mildly varied ones among them: ``mean`` (784,),
    ``axes`` (components, 784) and their ``variance``, the variance of any other direction (``rest``), and the distance
    ``limit`` beyond which a picture is refused."""

    mean: Floats
    axes: Floats
    variance: Floats
    rest: float
    limit: float

    def distance(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n,): squared Mahalanobis distance (M. E. Tipping, C. M. Bishop, J R Stat Soc B 1999;61:611), limit = 1.

        A blank image, which has nothing to compare, is infinitely far.
        """
        seen = standardised(images)
        centred = seen.reshape(len(seen), -1).astype(np.float64) - self.mean
        along = centred @ self.axes.T
        outside = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        squared = (along**2 / self.variance).sum(axis=1) + outside / self.rest
        blank = np.ptp(images, axis=(1, 2)) == 0
        return np.where(blank, np.inf, squared / centred.shape[1] / self.limit)


@dataclass(frozen=True, slots=True)
class Domain:
    """The networks; ``limits`` (2,), the log odds of foreign and of mirrored against genuine above which a picture is
    refused; ``recorded``, the odds less the limits that the training tool gave for the model's self-test; and the
    films' ``appearance``."""

    networks: tuple[Network, ...]
    limits: Floats
    recorded: Floats
    appearance: Appearance

    def against(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, 2) for images (n, 28, 28) uint8: log odds of a foreign picture, and of a mirrored film, less the limits.
        Above 0 in either the picture is refused."""
        found = features(images)
        outputs = np.stack([network.outputs(found) for network in self.networks]).astype(np.float64).mean(axis=0)
        return np.asarray(outputs[:, [FOREIGN, MIRRORED]] - outputs[:, [GENUINE]] - self.limits)


def standardised(images: NDArray[np.uint8]) -> Floats:
    """Grey values (n, 28, 28) 0..255 with mean 0 and standard deviation 1 each: exposure is no evidence."""
    scaled = images.astype(np.float32) / np.float32(255)
    spread = scaled.std(axis=(1, 2), keepdims=True)
    return np.asarray((scaled - scaled.mean(axis=(1, 2), keepdims=True)) / (spread + np.float32(1e-3)))


def features(images: NDArray[np.uint8]) -> Floats:
    """(n, 589): histograms of signed gradient directions in cells of 4 × 4 pixels, each in relation to its cell (N.
    Dalal, B. Triggs, CVPR 2005, with whole turns: light and dark are not the same); grey values of pairs of pixels;
    the logarithm of all gradients. Exposure and contrast are taken out first.
    """
    n = len(images)
    grey = standardised(images)
    edged = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    down, across = (edged[:, 2:, 1:-1] - edged[:, :-2, 1:-1]) / 2, (edged[:, 1:-1, 2:] - edged[:, 1:-1, :-2]) / 2
    size, turn = np.hypot(across, down), np.arctan2(down, across) / (2 * np.pi) * DIRECTIONS
    low = np.floor(turn)
    share = (turn - low).astype(np.float32)
    maps = np.zeros((n, DIRECTIONS, SIDE, SIDE), np.float32)
    image, row, column = np.ogrid[:n, :SIDE, :SIDE]
    maps[image, low.astype(int) % DIRECTIONS, row, column] = size * (1 - share)
    maps[image, (low.astype(int) + 1) % DIRECTIONS, row, column] += size * share
    cells = maps.reshape(n, DIRECTIONS, SIDE // CELL, CELL, SIDE // CELL, CELL).mean(axis=(3, 5))
    around = np.sqrt((cells**2).sum(axis=1, keepdims=True)) + np.float32(FAINT)
    whole = np.log(np.sqrt((cells**2).sum(axis=(1, 2, 3))) + np.float32(1e-3))
    coarse = grey.reshape(n, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4)) / 2
    parts = (np.sqrt(cells / around).reshape(n, -1), coarse.reshape(n, -1), whole[:, None])
    return np.concatenate(parts, axis=1, dtype=np.float32)


@cache
def load() -> Domain:
    """The packaged classifier. Raises :class:`IntegrityError` when its file is damaged."""
    return parse(files("salus.imaging").joinpath("models", "chest_xray_domain.npz").read_bytes())


def parse(data: bytes) -> Domain:
    """A classifier's file. Raises :class:`IntegrityError` when it is not one."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            held = {name: arrays[name].astype(np.float32) for name in arrays.files}
        names = sorted({name.partition("_")[0] for name in held if name.startswith("network")})
        if not names:
            raise ValueError("no networks")
        return Domain(
            networks=tuple(
                Network(
                    weights=(held[f"{name}_weight0"], held[f"{name}_weight1"], held[f"{name}_weight2"]),
                    biases=(held[f"{name}_bias0"], held[f"{name}_bias1"], held[f"{name}_bias2"]),
                )
                for name in names
            ),
            limits=held["limits"],
            recorded=held["self_test"],
            appearance=Appearance(
                held["mean"], held["axes"], held["variance"], float(held["rest"]), float(held["farthest"])
            ),
        )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise IntegrityError("the chest radiograph classifier is damaged", remedy="install salus again") from error
