"""The chest radiograph model on every split it was not trained on.

Below the folder: each ``.npz`` with ``NAME_images`` (n, 28, 28) uint8 and ``NAME_labels`` (1 = pneumonia), NAME other
than ``train``. Figures for each split, and overall the worst of them:

- ``auc``: area under the ROC curve; ``accuracy``, ``sensitivity`` and ``specificity`` at a probability of 1/2;
- ``ece``: expected calibration error of the probability of pneumonia over ``BINS`` bins of equal width, by their size;
  ``ece_confidence``: the same of the given label's probability, over ``BINS`` bins in 1/2 to 1;
- ``accuracy_not_abstained`` and ``abstained``: where the image is like those trained on and one label remains.

Intervals: 95 %, bootstrap over images. Passed: images that got the right label or none. The check holds when AUC >=
0.985 and ECE <= 0.05 in every split.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from salus.imaging.xray_model import Answer, answer
from validation._report import argument_parser, report

BINS = 15
LEAST_AUC, MOST_ECE = 0.985, 0.05
RESAMPLES = 1000


def splits(folder: Path) -> Iterator[tuple[Path, str, np.ndarray, np.ndarray]]:
    """(file, split, images, labels) of everything but training parts."""
    for file in sorted(folder.rglob("*.npz")):
        with np.load(file) as arrays:
            for key in sorted(arrays.files):
                name = key.removesuffix("_images")
                if name != key and name != "train" and f"{name}_labels" in arrays.files:
                    yield file, name, arrays[key], arrays[f"{name}_labels"].ravel().astype(int)


def auc(score: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve (Mann-Whitney)."""
    positive = labels == 1
    pairs = positive.sum() * (~positive).sum()
    return float((rankdata(score)[positive].sum() - positive.sum() * (positive.sum() + 1) / 2) / pairs)


def ece(probability: np.ndarray, right: np.ndarray, low: float = 0.0) -> float:
    """Expected calibration error over equal bins from ``low`` to 1."""
    bins = np.clip(((probability - low) / (1 - low) * BINS).astype(int), 0, BINS - 1)
    sums = [abs((right[bins == b] - probability[bins == b]).sum()) for b in range(BINS)]
    return float(np.sum(sums) / len(probability))


def figures(found: Answer, labels: np.ndarray) -> dict[str, float]:
    """All figures of one split."""
    probability, answered = found.probability, found.answered
    said = (probability >= 0.5).astype(int)
    right = said == labels
    return {
        "n": len(labels),
        "auc": round(auc(probability, labels), 4),
        "ece": round(ece(probability, labels), 4),
        "ece_confidence": round(ece(np.maximum(probability, 1 - probability), right, 0.5), 4),
        "accuracy": round(float(right.mean()), 4),
        "sensitivity": round(float(right[labels == 1].mean()), 4),
        "specificity": round(float(right[labels == 0].mean()), 4),
        "accuracy_not_abstained": round(float(right[answered].mean()), 4),
        "abstained": round(float(1 - answered.mean()), 4),
        "unlike_training": round(float((found.distance > 1).mean()), 4),
    }


def interval(found: Answer, labels: np.ndarray) -> dict[str, list[float]]:
    """95 % bootstrap intervals of AUC and ECE."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES)]
    values = [(auc(found.probability[i], labels[i]), ece(found.probability[i], labels[i])) for i in drawn]
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    return {name: [round(low[k], 4), round(high[k], 4)] for k, name in enumerate(("auc", "ece"))}


def main() -> int:
    """Print the report; 0 when every split holds."""
    arguments = argument_parser(__doc__ or "").parse_args()
    by_split, intervals, failures, files, n, passed = {}, {}, [], [], 0, 0
    for file, name, images, labels in splits(arguments.data):
        found = answer(images)
        key = name if name not in by_split else f"{file.stem}/{name}"
        by_split[key], intervals[key] = figures(found, labels), interval(found, labels)
        wrong = found.answered & ((found.probability >= 0.5) != labels)
        failures += [{"id": f"{file.stem}/{name}:{i}", "why": "the other label"} for i in np.nonzero(wrong)[0]]
        n, passed = n + len(labels), passed + int((~wrong).sum())
        files.append(file)
    worst: dict[str, float] = {}
    if by_split:
        worst = {name: min(f[name] for f in by_split.values()) for name in ("auc", "accuracy_not_abstained")}
        worst["ece"] = max(f["ece"] for f in by_split.values())
    return report(
        check="imaging.xray",
        n=n,
        passed=passed,
        data=arguments.data,
        files=sorted(set(files)),
        figures={**worst, "splits": by_split, "bins": BINS},
        intervals=intervals,
        methods=["imaging.chest-xray"],
        failures=failures,
        as_json=arguments.json,
        ok=bool(by_split) and worst["auc"] >= LEAST_AUC and worst["ece"] <= MOST_ECE,
    )


if __name__ == "__main__":
    sys.exit(main())
