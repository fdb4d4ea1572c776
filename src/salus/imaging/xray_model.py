"""The chest radiograph model with numpy alone: five small convolutional networks, calibration, and what is refused.

``models/chest_xray.npz`` (made by ``tools/train_xray.py``) holds plain arrays, never pickled objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError, IntegrityError
from salus.imaging import xray_domain
from salus.imaging.xray_domain import SIDE, standardised

Floats = NDArray[np.float32]

MISS = 0.02
"""Share of each class that the set of labels still possible may miss (conformal, class by class)."""
_POOLED = (0, 2)
"""Convolutions after which a 2 × 2 maximum is taken."""


@dataclass(frozen=True, slots=True)
class Member:
    """One network: weights (out, in, k, k) and biases of its convolutions, and its last, linear unit."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    linear: Floats
    offset: float

    def features(self, images: Floats) -> Floats:
        """(n, 64, 7, 7): what the last convolution finds where, in standardised ``images`` (n, 28, 28)."""
        found = images[:, None]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found = np.maximum(convolved(found, weight) + bias[:, None, None], 0)
            if number in _POOLED:
                n, channels, rows, columns = found.shape
                found = found.reshape(n, channels, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
        return found


@dataclass(frozen=True, slots=True)
class Model:
    """The ensemble with its calibration.

    ``prior_log_odds`` are those of pneumonia among the training images: of no other images is a share known here.
    ``normal`` and ``pneumonia`` are the sorted calibrated scores of left-out images of each label; ``recorded`` (12, 5)
    are the logits that the training library gave for the made-up images ``recorded_on`` (12, 28, 28).
    """

    members: tuple[Member, ...]
    slope: float
    intercept: float
    prior_log_odds: float
    normal: Floats
    pneumonia: Floats
    recorded: Floats
    recorded_on: NDArray[np.uint8]

    def logits(self, images: NDArray[np.uint8]) -> Floats:
        """(n, members): what each network says, before calibration."""
        seen = standardised(images)
        return np.stack([_logits(member, seen)[0] for member in self.members], axis=1)


@cache
def load() -> Model:
    """The packaged model. Raises :class:`IntegrityError` when its file is damaged."""
    return parse(files("salus.imaging").joinpath("models", "chest_xray.npz").read_bytes())


def parse(data: bytes) -> Model:
    """A model file. Raises :class:`IntegrityError` when it is not one."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            held = {name: arrays[name].astype(np.float32) for name in arrays.files}
        share = float(held["share"])
        return Model(
            members=_members(held),
            slope=float(held["slope"]),
            intercept=float(held["intercept"]),
            prior_log_odds=float(np.log(share / (1 - share))),
            normal=held["left_out_normal"],
            pneumonia=held["left_out_pneumonia"],
            recorded=held["self_test"],
            recorded_on=held["self_test_images"].astype(np.uint8),
        )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise IntegrityError("the chest radiograph model is damaged", remedy="install salus again") from error


def _members(held: Mapping[str, Floats]) -> tuple[Member, ...]:
    names = sorted({name.partition("_")[0] for name in held if name.startswith("member")})
    members = []
    for name in names:
        layers = range(sum(key.startswith(f"{name}_weight") for key in held))
        members.append(
            Member(
                weights=tuple(held[f"{name}_weight{layer}"] for layer in layers),
                biases=tuple(held[f"{name}_bias{layer}"] for layer in layers),
                linear=held[f"{name}_linear"],
                offset=float(held[f"{name}_offset"][0]),
            )
        )
    if not members:
        raise ValueError("no networks")
    return tuple(members)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of n images. All arrays have n rows.

    ``probability`` of pneumonia, calibrated; ``members`` (n, 5) the same of each network alone; ``distance`` from the
    images trained on, in units of the limit (above 1: unlike them); ``against`` (n, 2): log odds of a foreign picture
    and of a film with left and right changed, less their limits (above 0: refused); ``labels`` (n, 2): whether "normal"
    and "pneumonia" are still possible; ``activation`` (n, 7, 7): each place's share of the mean logit.
    """

    probability: NDArray[np.float64]
    members: NDArray[np.float64]
    distance: NDArray[np.float64]
    against: NDArray[np.float64]
    labels: NDArray[np.bool_]
    activation: Floats

    @property
    def unlike(self) -> NDArray[np.bool_]:
        """(n,): not taken for an upright, unmirrored film like those trained on. A blank image is unlike them."""
        return np.asarray((self.distance > 1) | (self.against > 0).any(axis=1))

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(n,): like the training images, and exactly one label still possible."""
        return np.asarray(~self.unlike & (self.labels.sum(axis=1) == 1))


def convolved(images: Floats, weight: Floats) -> Floats:
    """Cross-correlation (n, in, y, x) * (out, in, k, k) with zero padding: (n, out, y, x)."""
    n, channels, rows, columns = images.shape
    size = weight.shape[-1]
    edge = size // 2
    padded = np.zeros((channels, n, rows + 2 * edge, columns + 2 * edge), np.float32)
    padded[:, :, edge : edge + rows, edge : edge + columns] = images.transpose(1, 0, 2, 3)
    out = np.zeros((len(weight), n * rows * columns), np.float32)
    for dy in range(size):
        for dx in range(size):
            part = padded[:, :, dy : dy + rows, dx : dx + columns].reshape(channels, -1)
            out += weight[:, :, dy, dx] @ part
    return out.reshape(len(weight), n, rows, columns).transpose(1, 0, 2, 3)


def answer(images: NDArray[np.uint8], model: Model | None = None, batch: int = 256) -> Answer:
    """The model's answer on grey images (n, 28, 28) uint8, bright where dense. Raises :class:`InputError` otherwise."""
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
        raise InputError(f"images of shape {images.shape} and type {images.dtype}", remedy="(n, 28, 28) uint8")
    chosen = model or load()
    parts = [_answer(images[start : start + batch], chosen) for start in range(0, len(images), batch)]
    if not parts:
        raise InputError("no images", remedy="hand over one image or more")
    return Answer(*(np.concatenate([getattr(part, name) for part in parts]) for name in Answer.__dataclass_fields__))


def _answer(images: NDArray[np.uint8], model: Model) -> Answer:
    seen = standardised(images)
    found = [_logits(member, seen) for member in model.members]
    logits = np.stack([logit for logit, _ in found], axis=1).astype(np.float64)
    score = model.slope * logits + model.intercept
    domain = xray_domain.load()
    mean = score.mean(axis=1)
    return Answer(
        probability=_probability(mean + model.prior_log_odds),
        members=_probability(score + model.prior_log_odds),
        distance=domain.appearance.distance(images),
        against=domain.against(images),
        labels=np.stack([_possible(-mean, -model.normal), _possible(mean, model.pneumonia)], axis=1),
        activation=np.mean([places for _, places in found], axis=0, dtype=np.float32),
    )


def _logits(member: Member, seen: Floats) -> tuple[Floats, Floats]:
    """(n,) logits and (n, 7, 7) how much each place adds to them: means over the image and its mirror image."""
    places = np.zeros((len(seen), SIDE // 4, SIDE // 4), np.float32)
    for mirrored in (False, True):
        features = member.features(seen[:, :, ::-1] if mirrored else seen)
        added = np.einsum("ncyx,c->nyx", features, member.linear)
        places += (added[:, :, ::-1] if mirrored else added) / 2
    return places.mean(axis=(1, 2)) + np.float32(member.offset), places


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-log_odds))


def _possible(score: NDArray[np.float64], left_out: Floats) -> NDArray[np.bool_]:
    """Whether a label is still possible: more than ``MISS`` of the left-out images of that label score no higher.

    Class-conditional split conformal prediction (V. Vovk, A. Gammerman, G. Shafer 2005).
    """
    rank = np.searchsorted(np.sort(left_out), score, side="right")
    return np.asarray((rank + 1) / (len(left_out) + 1) > MISS)
