"""Train the classifier that refuses what is no upright chest radiograph; numpy and scipy only.

    python tools/train_xray_domain.py --data FOLDER --out src/salus/imaging/models/chest_xray_domain.npz

FOLDER holds ``pneumonia/*.npz`` with ``train_images`` (n, 28, 28) uint8; no other array is read. Genuine are these
films as they are and mildly varied; mirrored are the same, left and right changed; foreign are the kinds in
``xray_disturbances.py``. Each network leaves out a fifth of the films and what was made of them; the limit is set on
what the networks say of films they left out. ``--leave-out K`` (1 to 3) trains without a third of the kinds and
prints how many of these are refused: an estimate for kinds that were not thought of; nothing is written.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xray_disturbances import DRAWN, FILMS, bytes_of, disturbed, mild

from salus.imaging.xray_domain import FOREIGN, GENUINE, MIRRORED, Appearance, features, standardised
from salus.imaging.xray_phantom import self_test

Floats = NDArray[np.float32]
FOLDS, EPOCHS, BATCH, HIDDEN = 5, 18, 256, 64
RATE, DECAY, SMOOTHING = 2e-3, 1e-4, 0.02
DROPPED = (0.2, 0.3)
"""Share of features, and of the first layer's units, left out at random in training."""
VARIED = 3
"""Mildly varied versions of each film."""
DISTURBED, FOREIGN_DRAWN = 2400, 1000
"""Pictures of each kind of disturbed film, and of each kind of drawn picture."""
REFUSED_SHARES = (0.01, 0.01)
"""Shares of genuine films, as they are and once mildly varied, that the limits refuse as foreign and as mirrored."""
COMPONENTS, REFUSED_AS_FAR = 40, 0.005
"""Principal components of the films' appearance, and the share of genuine films that the distance may refuse."""
GROUPS = 3


@dataclass(frozen=True)
class Pictures:
    """Features (n, 589), class (n,), the fold of the film each was made of, and the kind's number (-1: none)."""

    features: Floats
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    kinds: NDArray[np.int64]


def varied(films: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The films, then these mildly varied, ``VARIED`` times over."""
    made = [np.stack([bytes_of(mild(film, rng)) for film in films.astype(float)]) for _ in range(VARIED)]
    return np.concatenate([films, *made])


def pictures(
    films: NDArray[np.uint8], genuine: NDArray[np.uint8], folds: NDArray[np.int64], rng: np.random.Generator
) -> Pictures:
    """All that is trained on: the films and these varied (``genuine``), then these mirrored, then foreign."""
    parts, labels = [features(genuine), features(genuine[:, :, ::-1])], [np.repeat([GENUINE, MIRRORED], len(genuine))]
    places, kinds = [np.tile(folds, 2 * (VARIED + 1))], [np.full(2 * len(genuine), -1)]
    for number, kind in enumerate((*FILMS, *DRAWN)):
        count = DISTURBED if kind in FILMS else FOREIGN_DRAWN
        chosen = rng.choice(len(films), count)
        parts.append(features(disturbed(kind, films[chosen], rng)))
        labels.append(np.full(count, FOREIGN))
        places.append(folds[chosen])
        kinds.append(np.full(count, number))
    return Pictures(np.concatenate(parts), *(np.concatenate(part) for part in (labels, places, kinds)))


def fitted(found: Floats, labels: NDArray[np.int64], seed: int) -> list[Floats]:
    """Weights and biases of one network, by Adam on cross entropy, the three classes of equal weight."""
    rng = np.random.default_rng(seed)
    middle, spread = found.mean(axis=0), found.std(axis=0) + np.float32(1e-3)
    found = (found - middle) / spread
    weight = (len(labels) / 3 / np.bincount(labels, minlength=3))[labels].astype(np.float32)
    wanted = np.eye(3, dtype=np.float32)[labels] * (1 - SMOOTHING) + SMOOTHING / 3
    sizes = (found.shape[1], HIDDEN, HIDDEN // 2, 3)
    layers: list[Floats] = []
    for inside, outside in pairwise(sizes):
        layers += [rng.normal(0, np.sqrt(2 / inside), (inside, outside)), np.zeros(outside)]
    layers = [layer.astype(np.float32) for layer in layers]
    first, second = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    steps, step = EPOCHS * (len(found) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(found))
        for start in range(0, len(found) - BATCH + 1, BATCH):
            chosen, step = order[start : start + BATCH], step + 1
            slopes = gradients(layers, found[chosen], wanted[chosen], weight[chosen], rng)
            rate = RATE * min(1, step / 200) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
            for number, slope in enumerate(slopes):
                first[number] = 0.9 * first[number] + 0.1 * slope
                second[number] = 0.999 * second[number] + 0.001 * slope**2
                change = first[number] / (1 - 0.9**step) / (np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8)
                decay = DECAY * layers[number] if number % 2 == 0 else 0
                layers[number] = (layers[number] - rate * (change + decay)).astype(np.float32)
    layers[0], layers[1] = layers[0] / spread[:, None], layers[1] - (middle / spread) @ layers[0]
    return layers


def gradients(
    layers: list[Floats], found: Floats, wanted: Floats, weight: Floats, rng: np.random.Generator
) -> list[Floats]:
    """Of the weighted cross entropy of one batch, with features and units left out at random."""
    kept = [(rng.random(shape, dtype=np.float32) > share) / np.float32(1 - share) for shape, share in
            zip((found.shape, (len(found), HIDDEN)), DROPPED, strict=True)]  # fmt: skip
    found = found * kept[0]
    one = np.maximum(found @ layers[0] + layers[1], 0) * kept[1]
    two = np.maximum(one @ layers[2] + layers[3], 0)
    out = two @ layers[4] + layers[5]
    share = np.exp(out - out.max(axis=1, keepdims=True))
    third = (share / share.sum(axis=1, keepdims=True) - wanted) * weight[:, None] / np.float32(len(found))
    second = third @ layers[4].T * (two > 0)
    first = second @ layers[2].T * kept[1] * (one > 0)
    parts = ((found, first), (one, second), (two, third))
    return [slope for inside, change in parts for slope in (inside.T @ change, change.sum(axis=0))]


def against(layers: list[Floats], found: Floats) -> NDArray[np.float64]:
    """(n, 2): log odds of foreign and of mirrored against genuine."""
    one = np.maximum(found @ layers[0] + layers[1], 0)
    out = (np.maximum(one @ layers[2] + layers[3], 0) @ layers[4] + layers[5]).astype(np.float64)
    return np.asarray(out[:, 1:] - out[:, :1])


def limits(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,): what genuine films seldom exceed."""
    return np.array([np.quantile(one, 1 - share) for one, share in zip(odds.T, REFUSED_SHARES, strict=True)])


def written(layers: list[Floats]) -> list[Floats]:
    """As they stand in the file: of half precision."""
    return [layer.astype(np.float16).astype(np.float32) for layer in layers]


def appearance(films: NDArray[np.uint8], folds: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
    """Probabilistic principal components of the films, and the limit of the distance, set on left-out folds."""
    flat = standardised(films).reshape(len(films), -1).astype(np.float64)
    far = np.zeros(len(films))
    for fold in range(FOLDS):
        far[folds == fold] = components(flat[folds != fold]).distance(films[folds == fold])
    found = components(flat)
    return {
        "mean": found.mean.astype(np.float16),
        "axes": found.axes.astype(np.float16),
        "variance": found.variance.astype(np.float32),
        "rest": np.float32(found.rest),
        "farthest": np.float32(np.quantile(far, 1 - REFUSED_AS_FAR)),
    }


def components(flat: NDArray[np.float64]) -> Appearance:
    """By the eigenvectors of the covariance; the limit is left at 1."""
    mean = flat.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((flat - mean).T))
    axes = vectors[:, -COMPONENTS:].T
    return Appearance(mean, axes, values[-COMPONENTS:], float(values[:-COMPONENTS].mean()), 1.0)


def left_out(made: Pictures, films: int, group: int) -> None:
    """Train without a third of the kinds and the first fold; print the share of these kinds that is refused."""
    names = [kind.__name__ for kind in (*FILMS, *DRAWN)]
    groups = np.random.default_rng(0).permutation(len(names)) % GROUPS
    absent = np.isin(made.kinds, np.nonzero(groups == group - 1)[0])
    chosen = (made.folds != 0) & ~absent
    layers = fitted(made.features[chosen], made.labels[chosen], seed=100 + group)
    genuine = (made.folds == 0) & (np.arange(len(made.labels)) < 2 * films)
    limit = limits(against(layers, made.features[genuine]))
    for number in np.nonzero(groups == group - 1)[0]:
        refused = (against(layers, made.features[made.kinds == number]) > limit).any(axis=1)
        print(f"not trained on {names[number]}: {refused.mean():.3f} of {len(refused)} refused", flush=True)


def main() -> None:
    """Draw, train, set the limit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--leave-out", type=int, choices=range(1, GROUPS + 1))
    arguments = parser.parse_args()
    (source,) = sorted(arguments.data.glob("pneumonia/*.npz"))
    with np.load(source) as arrays:
        films = arrays["train_images"]
    rng = np.random.default_rng(0)
    folds = rng.permutation(len(films)) % FOLDS
    genuine = varied(films, rng)
    made = pictures(films, genuine, folds, rng)
    if arguments.leave_out:
        left_out(made, len(films), arguments.leave_out)
        return
    scores, out, answers = np.zeros((len(made.labels), 2)), {}, []
    for fold in range(FOLDS):
        kept = made.folds != fold
        layers = written(fitted(made.features[kept], made.labels[kept], seed=fold))
        scores[~kept] = against(layers, made.features[~kept])
        answers.append(against(layers, features(self_test())))
        for number, layer in enumerate(layers):
            out[f"network{fold}_{'bias' if number % 2 else 'weight'}{number // 2}"] = layer.astype(np.float16)
    limit = limits(scores[: 2 * len(films)])
    refused, number = (scores > limit).any(axis=1), np.arange(len(scores))
    said = {
        "left-out films": number < len(films),
        "these, varied": (number >= len(films)) & (made.labels == GENUINE),
        "these, mirrored": made.labels == MIRRORED,
        "foreign": made.labels == FOREIGN,
    }
    print(f"limits {limit.round(3)}; refused:", {name: round(float(refused[w].mean()), 4) for name, w in said.items()})
    out |= appearance(genuine, np.tile(folds, VARIED + 1))
    out |= {"limits": limit.astype(np.float32), "self_test": (np.mean(answers, axis=0) - limit).astype(np.float32)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, **out)
    print(f"{arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
