"""What the chest radiograph model refuses: numpy against the training tool, light against dark, damage."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from salus.errors import IntegrityError
from salus.imaging import xray_domain
from salus.imaging.xray import METHOD
from salus.imaging.xray_domain import features, load, parse, standardised
from salus.imaging.xray_model import answer
from salus.imaging.xray_phantom import radiograph, self_test, write
from tests.imaging.test_xray import run

PACKAGED = files("salus.imaging").joinpath("models", "chest_xray_domain.npz")


def test_numpy_gives_what_the_training_tool_gave() -> None:
    assert load().recorded.shape == (12, 2)
    np.testing.assert_allclose(load().against(self_test()), load().recorded, atol=1e-3)


def test_the_classifier_is_small_plain_arrays() -> None:
    data = PACKAGED.read_bytes()
    assert len(data) < 600_000
    for broken in (b"", data[:1000], b"PK" + data[2:500], data.replace(b"farthest", b"FARTHEST")):
        with pytest.raises(IntegrityError):
            parse(broken)


def test_features_do_not_depend_on_exposure_but_on_light_and_dark() -> None:
    images = self_test()[:8]
    plain = features(images)
    assert plain.shape == (8, 589)
    darker = features(np.rint(images * 0.6 + 30).astype(np.uint8))
    inverted = features(255 - images)
    assert np.abs(darker - plain).mean() < 0.02
    assert np.abs(inverted - plain).mean() > 0.1


def test_a_turned_gradient_falls_into_the_opposite_direction() -> None:
    ramp = np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1))
    one, other = (features(image[None])[0, :392].reshape(8, 7, 7) for image in (ramp, ramp[:, ::-1]))
    assert one[0].min() > 0.5 > one[4].max()
    np.testing.assert_allclose(one, np.roll(other, 4, axis=0)[:, :, ::-1], atol=1e-5)


def test_what_is_drawn_is_refused_in_all_its_turns() -> None:
    images = self_test()[8:]  # noise
    ramp = np.tile(np.linspace(20, 230, 28), (28, 1))
    ramps = np.stack([np.rot90(ramp, k) for k in range(4)]).astype(np.uint8)
    board = (np.indices((28, 28)) // 4).sum(axis=0) % 2 * 255
    strange = np.concatenate([images, ramps, board[None].astype(np.uint8), np.full((1, 28, 28), 99, np.uint8)])
    found = answer(strange)
    assert found.unlike.all()
    assert not found.answered.any()


def test_each_of_the_three_limits_refuses() -> None:
    found = answer(self_test()[:1])
    near = replace(found, distance=np.array([0.5]), against=np.array([[-1.0, -1.0]]))
    assert not near.unlike.any()
    assert replace(near, distance=np.array([1.1])).unlike.all()
    assert replace(near, against=np.array([[0.1, -1.0]])).unlike.all()
    assert replace(near, against=np.array([[-1.0, 0.1]])).unlike.all()


def test_a_blank_image_is_infinitely_far() -> None:
    blank = np.full((1, 28, 28), 7, np.uint8)
    assert np.isinf(load().appearance.distance(blank)).all()
    assert np.abs(standardised(blank)).max() == 0


def test_a_mirrored_film_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = load()
    odds = np.array([[-1.0, 2.0]])
    near = replace(known.appearance, limit=1e6)

    class Mirrored:
        appearance = near

        def against(self, images: np.ndarray) -> np.ndarray:
            return np.repeat(odds, len(images), axis=0)

    monkeypatch.setattr(xray_domain, "load", Mirrored)
    (found,) = run(write(radiograph(6), seed="a"))
    assert found.status == "not-assessable"
    assert "left and right" in found.reason
    assert METHOD.version in ("1.1.0",)
