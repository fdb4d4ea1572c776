"""Fit the second look at messages and the doubt about them to the authors' own messages, and say how they do.

    python tools/train_leaning.py            # cross-validation, then the tables are written anew
    python tools/train_leaning.py --check    # cross-validation only

The messages stand in tools/redflag_messages. Logistic regression with an L2 penalty on hashed features, full-batch Adam
from zero: the same tables every time. The second look (salus/assistant/leaning.py) raises above the lowest threshold at
which at most four harmless messages in a thousand are raised in ten-fold cross-validation; the doubt
(salus/assistant/doubt.py) holds back below that at which two emergencies in a hundred would be, of grave signs
four in a thousand.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from zlib import crc32

import numpy as np

from salus.assistant import doubt, leaning, redflags
from salus.assistant.reading import reading

MESSAGES = Path(__file__).parent / "redflag_messages"
TABLES = Path(__file__).parents[1] / "src" / "salus" / "assistant" / "tables" / "redflags"
FILES = {
    "emergencies": True,
    "plain": True,
    "harmless": False,
    "first_emergencies": True,
    "first_harmless": False,
    "second_emergencies": True,
    "second_harmless": False,
}
"""The files of messages, and whether they tell of emergencies."""
BUCKETS = 1 << 15
PENALTY = 2.0
ROUNDS = 250
FOLDS = 10
FALSE_AT_MOST = 0.004
LOST_AT_MOST, GRAVE_LOST_AT_MOST = 0.02, 0.004


def messages() -> list[tuple[str, bool]]:
    """Every message with whether it is an emergency."""
    read = {name: (MESSAGES / f"{name}.txt").read_text("utf-8").splitlines() for name in FILES}
    return [(line, urgent) for name, urgent in FILES.items() for line in read[name] if line]


def rows(names: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, bucket and value of every feature of every message."""
    row = np.concatenate([np.full(len(n), i) for i, n in enumerate(names)])
    bucket = np.array([crc32(f.encode()) % BUCKETS for n in names for f in n])
    value = np.concatenate([np.full(len(n), len(n) ** -0.5) for n in names if n])
    return row, bucket, value


def fit(names: list[list[str]], truth: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias."""
    row, bucket, value = rows(names)
    weights, bias, n = np.zeros(BUCKETS), 0.0, len(names)
    first, second = np.zeros(BUCKETS + 1), np.zeros(BUCKETS + 1)
    for step in range(1, ROUNDS + 1):
        z = np.bincount(row, weights[bucket] * value, n) + bias
        off = 1 / (1 + np.exp(-z)) - truth
        slope = np.append(np.bincount(bucket, off[row] * value, BUCKETS) + PENALTY * weights / 10, off.sum()) / n
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        move = 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weights -= move[:-1]
        bias -= move[-1]
    return weights, bias


def scores(names: list[list[str]], weights: np.ndarray, bias: float) -> np.ndarray:
    """The score of each message."""
    row, bucket, value = rows(names)
    return np.bincount(row, weights[bucket] * value, len(names)) + bias


def cross_validated(names: list[list[str]], truth: np.ndarray) -> np.ndarray:
    """The score of each message by a model that has not seen it."""
    fold = np.array([crc32(" ".join(n).encode()) % FOLDS for n in names])
    made = np.zeros(len(names))
    for part in range(FOLDS):
        seen = [n for n, f in zip(names, fold, strict=True) if f != part]
        weights, bias = fit(seen, truth[fold != part])
        made[fold == part] = scores([n for n, f in zip(names, fold, strict=True) if f == part], weights, bias)
    return made


def written(name: str, weights: np.ndarray, bias: float, threshold: float, grave: float | None = None) -> None:
    """Write a table."""
    scale = float(np.abs(weights).max() / 127)
    packed = bytes((np.rint(weights / scale) + 128).astype(np.uint8))
    table = {
        "licence": "Apache-2.0; fitted by tools/train_leaning.py to the authors' own messages",
        "scale": round(scale, 8),
        "bias": round(bias, 6),
        "threshold": round(threshold, 4),
        **({} if grave is None else {"grave": round(grave, 4)}),
        "weights": base64.b64encode(packed).decode(),
    }
    (TABLES / name).write_text(json.dumps(table, indent=1) + "\n", "utf-8")


def second_look(told: list[tuple[str, bool]], truth: np.ndarray, beside: np.ndarray, check: bool) -> None:
    """Fit the model that raises what no rule raised; its score is added to that of the doubt."""
    names = [leaning.features(reading(text)) or ["none"] for text, _ in told]
    made = cross_validated(names, truth) + beside
    harmless, urgent = made[truth == 0], made[truth == 1]
    threshold = max(float(np.quantile(harmless, 1 - FALSE_AT_MOST)), 0.0)
    said = f"second look: {len(urgent)} emergencies, {len(harmless)} harmless; threshold {threshold:.3f}: alone it "
    said += f"raises {(urgent > threshold).mean():.3f} of emergencies and {(harmless > threshold).mean():.4f} of others"
    sys.stdout.write(said + "\n")
    if not check:
        written("leaning.json", *fit(names, truth), threshold)


def doubted(told: list[tuple[str, bool]], truth: np.ndarray, check: bool) -> np.ndarray:
    """Fit the model that holds back what a rule raised, and give its scores in cross-validation."""
    read = [reading(text) for text, _ in told]
    raised = [redflags.ruled(r) for r in read]
    ruled = [() if doubt.short(r) or doubt.crisis(r, x) else x for r, x in zip(read, raised, strict=True)]
    flagged = np.array([bool(x) for x in ruled])
    grave = np.array([doubt.grave(r, x) for r, x in zip(read, ruled, strict=True)]) & flagged
    names = [doubt.features(text) for text, _ in told]
    made = cross_validated(names, truth)
    limits = {}
    for limit, these, lost in (
        ("threshold", flagged & ~grave, LOST_AT_MOST),
        ("grave", grave, GRAVE_LOST_AT_MOST),
    ):
        urgent, harmless = (made[these & (truth == tells)] for tells in (1, 0))
        limits[limit] = float(np.quantile(urgent, lost))
        said = f"doubt, {limit} {limits[limit]:.3f}: below it {(urgent < limits[limit]).sum()} of {len(urgent)} raised "
        said += f"emergencies and {(harmless < limits[limit]).sum()} of {len(harmless)} others"
        sys.stdout.write(said + "\n")
    if not check:
        written(doubt.TABLE, *fit(names, truth), **limits)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    told = messages()
    truth = np.array([urgent for _, urgent in told], dtype=float)
    second_look(told, truth, doubted(told, truth, arguments.check), arguments.check)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
