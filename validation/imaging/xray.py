"""The chest radiograph model on every split it was not trained on.

Below the folder: each ``.npz`` with ``NAME_images`` (n, 28, 28) uint8 and ``NAME_labels`` (1 = pneumonia), NAME other
than ``train``. Figures for each split, and overall the worst of them:

- ``auc``: area under the ROC curve; ``accuracy``, ``sensitivity`` and ``specificity`` at a probability of 1/2;
- ``ece``: expected calibration error of the probability of pneumonia over ``BINS`` bins of equal width, by their size;
  ``ece_confidence``: the same of the given label's probability, over ``BINS`` bins in 1/2 to 1;
- ``accuracy_not_abstained``, ``assessed`` and ``abstained``: where the image is like those trained on and one label
  remains; ``unlike_training``: refused as foreign, mirrored or far from the training images.

Every image is a genuine film with a label, so that none may be refused: ``right`` and ``wrong`` are the labels given,
``abstained`` where both labels remain possible, ``refused_though_answerable`` where the film was taken for foreign.
``off_recorded`` is how far the logits of the made-up pictures in the model's file are from those that the training
library gave. Intervals: 95 %, bootstrap over images; Wilson's for ``assessed``. The check holds when in every split
AUC >= 0.98, ECE <= 0.05, the recorded logits agree, at least 85 % are assessed and at least 95 % of the labels given
are right: what the method is worth having for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from salus.imaging.xray_model import Answer, answer, load
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson

BINS = 15
MOST_OFF = 1e-3
"""Sums are of single precision: logits, which are some units large, agree to about 1e-4."""
LEAST_AUC, MOST_ECE, LEAST_ASSESSED, LEAST_ACCURACY = 0.98, 0.05, 0.85, 0.95
RESAMPLES = 1000
MUTANTS = (
    Mutant("salus/imaging/xray_model.py", "score = model.slope * logits + model.intercept",
           "score = logits / model.slope + model.intercept", "the slope of the calibration"),
    Mutant("salus/imaging/xray_model.py", "_POOLED = (0, 2)", "_POOLED = (1, 2)", "pooling after another layer"),
    Mutant("salus/imaging/xray_model.py", "MISS = 0.02", "MISS = 0.2", "labels ruled out too soon"),
    Mutant("salus/imaging/xray_model.py", "float(np.log(share / (1 - share)))",
           "float(np.log((1 - share) / share))", "the odds assumed beforehand"),
    Mutant("salus/imaging/xray_domain.py", "[GENUINE]] - self.limits)", "[GENUINE]] + 4)", "limits that refuse films"),
)  # fmt: skip


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
        "assessed": round(float(answered.mean()), 4),
        "abstained": round(float(1 - answered.mean()), 4),
        "unlike_training": round(float(found.unlike.mean()), 4),
    }


def interval(found: Answer, labels: np.ndarray) -> dict[str, list[float] | tuple[float, float] | None]:
    """95 % bootstrap intervals of AUC and ECE, Wilson's of the share assessed."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES)]
    values = [(auc(found.probability[i], labels[i]), ece(found.probability[i], labels[i])) for i in drawn]
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    drawn_ones = {name: [round(low[k], 4), round(high[k], 4)] for k, name in enumerate(("auc", "ece"))}
    return {**drawn_ones, "assessed": wilson(int(found.answered.sum()), len(labels))}


def count(tally: Tally, where: str, found: Answer, labels: np.ndarray) -> None:
    """Add every image of a split with its outcome."""
    given = (found.probability >= 0.5).astype(int)
    for number, label in enumerate(labels):
        if found.unlike[number]:
            tally.add(f"{where}:{number}", Outcome.REFUSED_THOUGH_ANSWERABLE, "taken for a foreign picture")
        elif not found.answered[number]:
            tally.add(f"{where}:{number}", Outcome.ABSTAINED)
        elif given[number] == label:
            tally.add(f"{where}:{number}", Outcome.RIGHT)
        else:
            tally.add(f"{where}:{number}", Outcome.WRONG, "the other label")


def main() -> int:
    """Print the report; 0 when every split holds."""
    arguments = argument_parser(__doc__ or "").parse_args()
    by_split, intervals, files, tally = {}, {}, [], Tally()
    for file, name, images, labels in splits(arguments.data):
        found = answer(images)
        key = name if name not in by_split else f"{file.stem}/{name}"
        by_split[key], intervals[key] = figures(found, labels), interval(found, labels)
        count(tally, f"{file.stem}/{name}", found, labels)
        files.append(file)
    worst: dict[str, float] = {}
    ok = False
    if by_split:
        worst = {
            name: min(f[name] for f in by_split.values()) for name in ("auc", "accuracy_not_abstained", "assessed")
        }
        model = load()
        worst["off_recorded"] = float(np.abs(model.logits(model.recorded_on) - model.recorded).max())
        worst["ece"] = max(f["ece"] for f in by_split.values())
        ok = worst["auc"] >= LEAST_AUC and worst["ece"] <= MOST_ECE and worst["assessed"] >= LEAST_ASSESSED
        ok = ok and worst["off_recorded"] <= MOST_OFF and worst["accuracy_not_abstained"] >= LEAST_ACCURACY
    return report(
        check="imaging.xray",
        tally=tally,
        covers=(
            "on 28 × 28 films of the same hospital and children the labels normal and pneumonia are told apart as the "
            "AUC says; that it holds in other hospitals is not shown, nor that films of one child are not in both parts"
        ),
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=sorted(set(files)),
        figures={**worst, "splits": by_split, "bins": BINS},
        intervals=intervals,
        methods=["imaging.chest-xray"],
        as_json=arguments.json,
        ok=ok,
    )


if __name__ == "__main__":
    sys.exit(main())
