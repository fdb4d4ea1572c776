"""The chest radiograph model and method: numpy against the training library, refusals, preparation, evidence."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from salus.errors import InputError, IntegrityError
from salus.fhir import json
from salus.fhir.blobs import BLOB_SCHEME, EXT_SHA256
from salus.fhir.quantity import Quantity
from salus.fhir.views import TAG_KIND
from salus.findings.fhir import from_fhir, to_fhir
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.imaging import xray_domain, xray_model
from salus.imaging.xray import METHOD
from salus.imaging.xray_image import downscaling, middle, prepared, strongest
from salus.imaging.xray_model import Answer, answer, convolved, load, parse
from salus.imaging.xray_phantom import radiograph, self_test, write
from salus.record.chart import Chart
from salus.terminology import codes

NOW = datetime(2025, 7, 1, tzinfo=UTC)
CHILD = {"resourceType": "Patient", "id": "p", "birthDate": "2022-01-01"}
CHEST = radiograph(6, cloud=0.8)


def run(
    *images: bytes, patient: dict[str, Any] = CHILD, date: str | None = "2025-06-01", form: str = "dicom"
) -> list[Finding]:
    """The method's findings on a chart with one series."""
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": "x",
        "status": "current",
        "meta": {"tag": [{"system": TAG_KIND, "code": f"image/{form}"}]},
        "content": [
            {
                "attachment": {
                    "title": f"{n}.dcm",
                    "contentType": "application/dicom",
                    "url": f"{BLOB_SCHEME}b{n}",
                    "extension": [{"url": EXT_SHA256, "valueString": hashlib.sha256(data).hexdigest()}],
                }
            }
            for n, data in enumerate(images)
        ],
    }
    if date:
        body["date"] = date
    blobs = {f"b{n}": data for n, data in enumerate(images)}
    return list(METHOD.run(Chart.of([patient, body], now=NOW, blobs=blobs), Context()))


@pytest.fixture
def familiar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model with left-out scores that leave no doubt about the clouded phantom, so that its answer can be seen; and
    nothing taken for foreign, for the phantom is."""
    normal, pneumonia = np.linspace(-9, -4, 100, dtype=np.float32), np.linspace(-3, 9, 100, dtype=np.float32)
    model = replace(load(), normal=normal, pneumonia=pneumonia)
    monkeypatch.setattr(xray_model, "load", lambda: model)
    known = xray_domain.load()
    near = replace(known.appearance, limit=1e6)
    domain = replace(known, limits=np.full(2, 100, np.float32), appearance=near)
    monkeypatch.setattr(xray_domain, "load", lambda: domain)


def test_numpy_gives_what_the_training_library_gave() -> None:
    model = load()
    assert model.recorded.shape == (12, 5)
    np.testing.assert_allclose(model.logits(model.recorded_on), model.recorded, atol=1e-4)


def test_the_model_is_small_plain_arrays() -> None:
    data = files("salus.imaging").joinpath("models", "chest_xray.npz").read_bytes()
    assert len(data) < 2_000_000
    for broken in (b"", data[:1000], b"PK" + data[2:500], data.replace(b"intercept", b"INTERCEPT")):
        with pytest.raises(IntegrityError):
            parse(broken)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3, 5]))
def test_convolution_is_the_textbook_one(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    weight = rng.normal(size=(4, 3, size, size)).astype(np.float32)
    wanted = [[sum(correlate2d(c, k, "same") for c, k in zip(i, w, strict=True)) for w in weight] for i in images]
    np.testing.assert_allclose(convolved(images, weight), wanted, atol=1e-4)


def test_exposure_contrast_and_mirroring_change_little() -> None:
    images = self_test()[:8]
    plain = load().logits(images)
    darker = np.rint(images * 0.6 + 30).astype(np.uint8)
    assert np.abs(load().logits(darker) - plain).max() < 0.5
    np.testing.assert_allclose(load().logits(images[:, :, ::-1]), plain, atol=1e-4)


def test_noise_and_blank_images_are_unlike_those_trained_on() -> None:
    rng = np.random.default_rng(1)
    strange = np.stack(
        [
            rng.integers(0, 256, (28, 28)),
            np.zeros((28, 28)),
            np.full((28, 28), 255),
            255 * np.indices((28, 28))[0] % 256,
        ]
    ).astype(np.uint8)
    found = answer(strange)
    assert found.unlike.all()
    assert not found.answered.any()
    assert np.isfinite(found.probability).all()


def test_answers_have_their_shapes_and_do_not_depend_on_the_batch() -> None:
    images = self_test()
    whole, split = answer(images), answer(images, batch=5)
    assert whole.against.shape == (12, 2)
    assert whole.activation.shape == (12, 7, 7)
    assert whole.labels.shape == (12, 2)
    for name in Answer.__dataclass_fields__:
        np.testing.assert_allclose(getattr(whole, name), getattr(split, name), atol=1e-4)
    low, high = whole.members.min(axis=1), whole.members.max(axis=1)
    assert ((low <= whole.probability) & (whole.probability <= high)).all()


@pytest.mark.parametrize(
    "images", [np.zeros((28, 28), np.uint8), np.zeros((1, 28, 28)), np.zeros((0, 28, 28), np.uint8)]
)
def test_other_arrays_are_refused(images: np.ndarray) -> None:
    with pytest.raises(InputError):
        answer(images)


# ---- preparation


def test_the_middle_square_is_taken() -> None:
    assert (middle((300, 400)).top, middle((300, 400)).left, middle((300, 400)).side) == (0, 50, 300)
    wide = np.zeros((280, 480), np.uint16)
    wide[:, 100:240] = 1000
    small = prepared(wide, window=None, inverted=False)
    assert small.shape == (28, 28)
    assert small[:, :13].min() > 250
    assert small[:, 15:].max() < 5


def test_windows_inversion_and_blank_images() -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint16), (200, 1))
    up, down = (prepared(ramp, window=(100.0, 200.0), inverted=i).astype(int) for i in (False, True))
    np.testing.assert_allclose(up + down, 255, atol=1)
    assert (prepared(ramp, window=(1000.0, 10.0), inverted=False) == 0).all()
    with pytest.raises(InputError, match="blank"):
        prepared(np.full((200, 200), 7), window=None, inverted=False)
    with pytest.raises(InputError, match="too small"):
        prepared(ramp[:100], window=None, inverted=False)


@settings(max_examples=40, deadline=None)
@given(st.integers(127, 900))
def test_downscaling_keeps_constants_and_lines(old: int) -> None:
    weights = downscaling(old, 28)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    line = weights @ (np.arange(old) + 0.5)
    np.testing.assert_allclose(np.diff(line[3:-3]), old / 28, rtol=0.02)


def test_the_box_lies_around_the_strongest_cells() -> None:
    activation = np.zeros((7, 7), np.float32)
    activation[2:4, 5] = 3, 2
    activation[6, 0] = 2.5
    cells = strongest(activation, True)
    assert np.argwhere(cells).tolist() == [[2, 5], [3, 5]]
    assert middle((280, 380)).box(cells) == [50 + 200, 80, 50 + 239, 159]
    assert strongest(-activation, False).sum() == 2
    assert strongest(activation * 0, True).all()


# ---- the method


def test_it_follows_the_contract_and_is_light() -> None:
    assert isinstance(METHOD, Method)
    assert set(METHOD.produces) <= set(codes.concepts())
    code = "import sys, salus.imaging.xray\nsys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'pydicom')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("familiar")
def test_an_answer_has_probability_spread_evidence_and_no_diagnosis() -> None:
    (found,) = run(write(CHEST, seed="a"))
    assert found.status == "ok"
    assert isinstance(found.value, Quantity)
    assert found.value.unit == "%"
    assert found.probability is not None
    assert 0 <= found.probability <= 1
    assert found.interval is not None
    assert found.interval.low <= found.value.value <= found.interval.high
    left, top, right, bottom = found.evidence[1].locator["box"]
    assert 20 <= left < right < 260  # the middle square of 240 × 280 pixels
    assert 0 <= top < bottom < 240
    assert found.evidence[1].locator["frame"] == 0
    assert [p.action for p in found.proposals] == ["review"]
    assert "radiologist" in found.sentence
    assert run(write(CHEST, seed="a")) == [found]


@pytest.mark.usefixtures("familiar")
def test_a_finding_comes_back_from_fhir() -> None:
    (found,) = run(write(CHEST, seed="a"))
    known = found.by(subject="p", method=METHOD.id, version=METHOD.version, parameters="", reads=())
    observation = json.loads(json.dumps(to_fhir(known, "2025-06-01T00:00:00Z")[0]))
    assert from_fhir(observation) == known


@pytest.mark.usefixtures("familiar")
def test_monochrome1_is_the_same_image_turned_round() -> None:
    (plain,) = run(write(CHEST, seed="a"))
    turned = (4095 - CHEST).astype(np.uint16)
    (inverted,) = run(write(turned, seed="a", PhotometricInterpretation="MONOCHROME1"))
    assert abs((inverted.probability or 0) - (plain.probability or 0)) < Decimal("0.02")


@pytest.mark.usefixtures("familiar")
def test_the_first_frontal_image_of_a_series_is_taken() -> None:
    lateral = write(CHEST[::-1], seed="b", ViewPosition="LL")
    (found,) = run(lateral, write(CHEST, seed="a"))
    assert found.evidence[1].part == "1.dcm"
    assert found.details["other_images_in_series"] == 1


REFUSED = {
    "an adult": ({}, {"patient": {**CHILD, "birthDate": "1980-01-01"}}, "1 to 5 years only", "radiologist"),
    "an infant": ({}, {"patient": {**CHILD, "birthDate": "2024-12-01"}}, "1 to 5 years only", "radiologist"),
    "six years": ({}, {"patient": {**CHILD, "birthDate": "2019-05-30"}}, "1 to 5 years only", "radiologist"),
    "no birth date": ({}, {"patient": {"resourceType": "Patient", "id": "p"}}, "age", "date of birth"),
    "no date": ({}, {"date": None}, "date of the image", "date of the image"),
    "lateral": ({"ViewPosition": "LL"}, {}, "view is LL", "frontal"),
    "no view": ({"ViewPosition": None}, {}, "does not state the view", "frontal"),
    "no body part": ({"BodyPartExamined": None}, {}, "chest", "body part"),
    "raw": ({"PresentationIntentType": "FOR PROCESSING"}, {}, "raw", "presentation"),
}


@pytest.mark.parametrize(("elements", "how", "reason", "need"), REFUSED.values(), ids=REFUSED)
def test_outside_the_population_the_reason_and_the_need_are_named(
    elements: dict[str, Any], how: dict[str, Any], reason: str, need: str
) -> None:
    (found,) = run(write(CHEST, seed="a", **elements), **how)
    assert found.status == "not-assessable"
    assert reason in found.reason
    assert need in found.needs[0]
    assert found.value is None
    assert found.proposals == ()


def test_what_is_no_chest_radiograph_is_left_alone() -> None:
    assert run(write(CHEST, seed="a", BodyPartExamined="HAND")) == []
    assert run(write(CHEST, seed="a", Modality="MG")) == []
    assert run(write(CHEST, seed="a"), form="nifti") == []


def test_unfamiliar_small_blank_and_broken_images_are_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (300, 300)).astype(np.uint16)
    assert "does not look like" in run(write(noise, seed="a"))[0].reason
    assert "too small" in run(write(CHEST[:90, :90], seed="a"))[0].reason
    assert "blank" in run(write(np.full((300, 300), 5, np.uint16), seed="a"))[0].reason
    assert run(write(CHEST, seed="a")[:-2000])[0].status == "not-assessable"
    assert run(b"not DICOM")[0].status == "not-assessable"


@pytest.mark.usefixtures("familiar")
def test_an_image_in_doubt_is_not_assessable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xray_model, "MISS", 0.0)  # no label can be ruled out
    (found,) = run(write(CHEST, seed="a"))
    assert found.status == "not-assessable"
    assert "cannot tell" in found.reason
