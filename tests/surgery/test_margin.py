"""The margin of a path: what is asked for, the instrument, the labels' error, and k times the predicted error."""

import numpy as np
import pytest

from salus.formats.types import Volume
from salus.surgery.labels import labels_of
from salus.surgery.register import predicted_tre
from salus.surgery.trajectory import Obstacle, Task, _slack, plan, required

FIDUCIALS = ((-36.0, -20.0, 0.0), (36.0, -18.0, 4.0), (0.0, -38.0, 22.0), (2.0, 10.0, 40.0))
CENTRE = np.mean(FIDUCIALS, axis=0)[None]


def ball(radius=30):
    """A body of 1 mm voxels with a rod (label 2) along z beside its middle."""
    z, y, x = np.mgrid[:71, :71, :71] - 35.0
    away = np.sqrt(x**2 + y**2 + z**2)
    array = (away < radius).astype(np.uint8)
    array[(np.hypot(x, y + 15) < 4) & (away < radius - 2)] = 2
    affine = np.eye(4)
    affine[:3, 3] = -35
    return labels_of(Volume(array, affine, "", "1"))


def asked(**more):
    return Task(**({"target": (0.0, 0.0, 0.0), "keep_away": {2: 3.0}, "fiducials": FIDUCIALS, "fle": 0.8} | more))


@pytest.mark.parametrize("k", [0.0, 1.0, 2.0, 3.5])
def test_the_margin_grows_by_k_times_the_predicted_error_at_the_place(k):
    """In the middle of n fiducials the error is FLE/√n (Fitzpatrick, West, Maurer 1998), elsewhere it is more."""
    labels = ball()
    here = required(asked(k=k), labels, 2, CENTRE) - required(asked(k=k, fle=0.0), labels, 2, CENTRE)
    assert float(here[0]) == pytest.approx(k * 0.8 / 2)
    far = CENTRE + np.array([0.0, 0.0, 90.0])
    there = required(asked(k=k), labels, 2, far) - required(asked(k=k, fle=0.0), labels, 2, far)
    assert float(there[0]) == pytest.approx(k * float(predicted_tre(FIDUCIALS, far, 0.8)[0]))
    assert k == 0 or there > here


def test_everything_that_is_asked_for_is_added_once():
    labels = ball()
    exact = asked(fle=0.0, instrument_radius=1.5, label_error=0.25)
    assert float(required(exact, labels, 2, CENTRE)[0]) == pytest.approx(3.0 + 1.5 + 0.25)
    voxels = asked(fle=0.0, instrument_radius=0.0)  # by default the labels' error is √3 half diagonals of a 1 mm voxel
    assert float(required(voxels, labels, 2, CENTRE)[0]) == pytest.approx(3.0 + 3**0.5 * 3**0.5 / 2)


def test_unless_told_otherwise_twice_the_predicted_error_is_kept_clear():
    """The card says so: twice covers 95 % of cases at any one point."""
    labels = ball()
    assert required(asked(), labels, 2, CENTRE) == required(asked(k=2.0), labels, 2, CENTRE)
    assert asked().instrument_radius == 1.0


def test_what_a_path_has_to_spare_is_less_by_k_times_the_error_along_it():
    labels = ball()
    without, with_error = (plan(labels, asked(k=k), most=2000) for k in (0.0, 3.0))
    assert 0 < with_error.safe < without.safe
    spare = {path.entry: path.spare for path in without.paths}
    both = [path for path in with_error.paths if path.entry in spare]
    assert both
    for path in both:
        line = np.linspace(path.entry, path.target, 300)
        error = 3.0 * predicted_tre(FIDUCIALS, line, 0.8)
        assert error.min() - 1e-6 <= spare[path.entry] - path.spare <= error.max() + 0.2
        assert path.error_max == pytest.approx(error.max() / 3, abs=0.02)


def test_what_a_path_has_to_spare_does_not_depend_on_the_paths_judged_beside_it():
    labels, task = ball(), asked(k=3.0)
    beside = [labels, [Obstacle(labels, 2)], task]
    entries = np.array([[0.0, 0.0, 29.0], [0.0, 0.0, -29.0], [20.0, 20.0, 0.0]])
    together = _slack(*beside, entries, thorough=True)
    alone = np.concatenate([_slack(*beside, entry[None], thorough=True) for entry in entries])
    assert together == pytest.approx(alone)
