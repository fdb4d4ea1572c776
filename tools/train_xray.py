"""Train the chest radiograph model: five small networks on ``train_images`` of PneumoniaMNIST, written as plain arrays.

    python tools/train_xray.py --data FOLDER --out src/salus/imaging/models/chest_xray.npz

FOLDER holds ``pneumonia/*.npz`` with ``train_images`` (n, 28, 28) uint8 and ``train_labels``; no other array is read.
Needs torch, which the package itself does not. Each network leaves out one fifth of the images; what it says of these
sets the calibration. What is no film like these is refused by another model: ``train_xray_domain.py``.
PneumoniaMNIST (MedMNIST v2) is CC BY 4.0: NOTICE names it.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn
from torch.nn import functional

from salus.imaging.xray_phantom import self_test

FOLDS, EPOCHS, BATCH = 5, 35, 128
ZOOM = (-0.3, 0.1)
"""Range of the logarithm of the scale. Framing differs between the classes for reasons that are not illness: the
children's films with pneumonia are cropped tighter. Zooming takes that hint away."""
SMOOTHING = 0.05


def network() -> nn.Sequential:
    """Five convolutions, mean over the image, one linear unit."""
    layers: list[nn.Module] = []
    for number, (inside, outside, size) in enumerate(((1, 16, 5), (16, 32, 3), (32, 32, 3), (32, 64, 3), (64, 64, 3))):
        layers += [nn.Conv2d(inside, outside, size, padding=size // 2, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        if number in (0, 2):
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 1))


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Each image with mean 0 and standard deviation 1: exposure and contrast are no evidence."""
    spread = images.std((2, 3), keepdim=True, correction=0)
    return (images - images.mean((2, 3), keepdim=True)) / (spread + 1e-3)


def blurred(images: torch.Tensor) -> torch.Tensor:
    """A binomial blur of 3 × 3 pixels."""
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line[None, :])[None, None]
    return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), kernel)


def varied(images: torch.Tensor) -> torch.Tensor:
    """Images moved, turned, zoomed, stretched, mirrored, blurred or sharpened, with other contrast, noise and gaps."""
    n = len(images)
    angle = (torch.rand(n) - 0.5) * 0.4
    scale = torch.exp(torch.rand(n) * (ZOOM[1] - ZOOM[0]) + ZOOM[0])
    wide = scale * torch.exp((torch.rand(n) - 0.5) * 0.24) * torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    place = torch.zeros(n, 2, 3)
    place[:, 0, 0], place[:, 0, 1] = wide * angle.cos(), -scale * angle.sin()
    place[:, 1, 0], place[:, 1, 1] = wide * angle.sin(), scale * angle.cos()
    place[:, :, 2] = (torch.rand(n, 2) - 0.5) * 0.3
    grid = functional.affine_grid(place, list(images.shape), align_corners=False)
    out = functional.grid_sample(images, grid, align_corners=False, padding_mode="border")
    detail = out - blurred(out)
    out = out + detail * torch.where(torch.rand(n) < 0.4, 0.0, torch.rand(n) * 2 - 1)[:, None, None, None]
    out = out.clamp(1e-3, 1) ** torch.exp((torch.rand(n) - 0.5) * 0.6)[:, None, None, None]
    out = out + torch.randn_like(out) * (torch.rand(n) * 0.03)[:, None, None, None]
    return torch.where(_gaps(n, images.shape[-1]), out.mean((2, 3), keepdim=True), out)


def _gaps(n: int, side: int) -> torch.Tensor:
    """A square hole in three of ten images: (n, 1, side, side), true inside it."""
    centre, reach = torch.randint(0, side, (n, 2)), torch.randint(2, 5, (n, 1))
    along = torch.arange(side)[None, :]
    rows, columns = ((along - centre[:, axis : axis + 1]).abs() < reach for axis in (0, 1))
    chosen = (torch.rand(n) < 0.3)[:, None, None]
    return (rows[:, :, None] & columns[:, None, :] & chosen)[:, None]


def fitted(images: torch.Tensor, labels: torch.Tensor, seed: int) -> nn.Sequential:
    """One network, trained with both classes of equal weight."""
    torch.manual_seed(seed)
    model, share, steps = network(), float(labels.mean()), len(images) // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(len(images))
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            wanted = labels[chosen]
            weight = torch.where(wanted > 0.5, 0.5 / share, 0.5 / (1 - share))
            found = model(standardised(varied(images[chosen])))[:, 0]
            soft = wanted * (1 - SMOOTHING) + SMOOTHING / 2
            loss = (functional.binary_cross_entropy_with_logits(found, soft, reduction="none") * weight).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def logits(model: nn.Sequential, images: torch.Tensor) -> np.ndarray:
    """Mean of the image's and its mirror image's logit."""
    with torch.no_grad():
        both = model(standardised(images)) + model(standardised(images.flip(3)))
    return (both[:, 0] / 2).numpy()


def both_ways(model: nn.Sequential, images: torch.Tensor, seed: int) -> np.ndarray:
    """(2, n): logits of the images as they are, and once varied."""
    torch.manual_seed(seed)
    return np.stack([logits(model, images), logits(model, varied(images))])


def folded(model: nn.Sequential) -> dict[str, np.ndarray]:
    """Weights with each batch normalisation folded into the convolution before it, as half precision."""
    arrays, number = {}, 0
    layers = list(model)
    for layer, after in pairwise(layers):
        if isinstance(layer, nn.Conv2d):
            factor = after.weight / torch.sqrt(after.running_var + after.eps)
            arrays[f"weight{number}"] = (layer.weight * factor[:, None, None, None]).detach().numpy()
            arrays[f"bias{number}"] = (after.bias - after.running_mean * factor).detach().numpy()
            number += 1
    arrays["linear"] = layers[-1].weight[0].detach().numpy()
    arrays["offset"] = layers[-1].bias.detach().numpy()
    return {name: value.astype(np.float16) for name, value in arrays.items()}


def recorded(arrays: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """(n, members): torch's logits of ``images`` with the weights as written, for the package's self-test."""
    found = []
    for fold in range(FOLDS):
        held = {
            name.partition("_")[2]: torch.tensor(value.astype(np.float32))
            for name, value in arrays.items()
            if name.startswith(f"member{fold}_")
        }
        both = []
        for seen in (torch.tensor(images), torch.tensor(images).flip(2)):
            out = standardised(seen[:, None] / np.float32(255))
            for layer in range(5):
                weight = held[f"weight{layer}"]
                out = functional.conv2d(out, weight, held[f"bias{layer}"], padding=weight.shape[-1] // 2).relu()
                out = functional.max_pool2d(out, 2) if layer in (0, 2) else out
            both.append(out.mean((2, 3)) @ held["linear"] + held["offset"])
        found.append(((both[0] + both[1]) / 2).numpy())
    return np.stack(found, axis=1)


def calibration(found: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of Platt's logistic calibration with both classes of equal weight."""
    weight = np.where(labels > 0.5, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))

    def loss(values: np.ndarray) -> float:
        score = values[0] * found + values[1]
        return float((weight * (np.logaddexp(0, score) - labels * score)).mean())

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(intercept)


def finished(members: dict[str, np.ndarray], left_out: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What the model holds besides its networks: calibration, left-out scores, self-test.

    ``left_out`` (2, n) are logits of the left-out images as they are, and varied as in training: the probabilities
    shall hold for other framing and exposure too.
    """
    slope, intercept = calibration(left_out.ravel(), np.tile(labels, 2))
    score = slope * left_out + intercept
    return {
        "slope": np.float32(slope),
        "intercept": np.float32(intercept),
        "share": np.float32(labels.mean()),
        "left_out_normal": np.sort(score[:, labels < 0.5], axis=None).astype(np.float16),
        "left_out_pneumonia": np.sort(score[:, labels > 0.5], axis=None).astype(np.float16),
        "self_test": recorded(members, self_test()).astype(np.float32),
        "self_test_images": self_test(),
    }


def main() -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="more only help on idle cores")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    (source,) = sorted(arguments.data.glob("pneumonia/*.npz"))
    with np.load(source) as arrays:
        images, labels = arrays["train_images"], arrays["train_labels"].ravel().astype(np.float32)
    folds = np.random.default_rng(0).permutation(len(images)) % FOLDS
    tensor, wanted = torch.tensor(images[:, None] / np.float32(255)), torch.tensor(labels)
    left_out, out = np.zeros((2, len(images))), {}
    for fold in range(FOLDS):
        start = time.time()
        model = fitted(tensor[folds != fold], wanted[folds != fold], seed=fold)
        left_out[:, folds == fold] = both_ways(model, tensor[folds == fold], seed=fold)
        out |= {f"member{fold}_{name}": value for name, value in folded(model).items()}
        print(f"member {fold}: {time.time() - start:.0f} s", flush=True)
    out |= finished(out, left_out, labels)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, **out)
    print(f"slope {out['slope']:.3f}, intercept {out['intercept']:.3f}, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
