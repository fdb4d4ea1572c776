"""Where the line lies between a beat and what is none, and between a trace that can be trusted and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from salus.monitoring.ecg import qrs, quality

from .made import ecg, regular

FS = 250.0


def with_bump(at: float, share: float, seconds: float = 30.0) -> int:
    """Beats found in a regular rhythm of 60 a minute with one more complex, ``share`` as high as the others."""
    beats = regular(60, seconds)
    signal = ecg(beats, seconds) + share * (ecg([at], seconds, seed=2) - ecg([], seconds, seed=2))
    return len(qrs.detect(signal, FS).sample) - len(beats)


@pytest.mark.parametrize(("share", "counted"), [(0.3, 0), (0.42, 0), (0.62, 1), (0.8, 1), (1.0, 1)])
def test_an_early_complex_counts_from_half_the_usual_height(share: float, counted: int) -> None:
    assert with_bump(15.0, share) == counted


def with_pause(share: float) -> int:
    """Beats found where one beat is followed by a long wait, in the middle of which stands a smaller one."""
    beats = [0.5 + 0.8 * n for n in range(40)]
    small = beats.pop(20)
    signal = ecg(beats, 33.0) + share * (ecg([small], 33.0, seed=2) - ecg([], 33.0, seed=2))
    return len(qrs.detect(signal, FS).sample) - len(beats)


@pytest.mark.parametrize(("share", "counted"), [(0.1, 0), (0.2, 0), (0.4, 1), (0.6, 1)])
def test_after_too_long_a_wait_a_complex_counts_from_a_quarter_of_the_usual_height(share: float, counted: int) -> None:
    assert with_pause(share) == counted


def looks(between: float, share: float = 1.0, heights: tuple[float, ...] = (1.0,)) -> quality.Beats:
    """Beats of known heights in ten seconds and, between them, a share of samples at a known height."""
    signal = ecg(regular(60, 10), 10)
    beats = (np.array(regular(60, 10)) * FS).astype(int)
    feature = np.where(np.arange(len(signal)) % 100 < 100 * share, between, 0.0)
    for n, beat in enumerate(beats):
        feature[beat - 5 : beat + 6] = heights[n % len(heights)]
    found = quality.beats_in(0, len(signal), FS, quality.band_passed(signal, FS), qrs.Detection(beats, feature))
    assert found is not None
    return found


def test_contrast_and_rival_are_shares_of_the_usual_beats_height() -> None:
    assert looks(0.3).contrast == pytest.approx(0.3)
    assert looks(0.3, heights=(2.0,)).contrast == pytest.approx(0.15)
    assert looks(0.9, share=0.05).contrast == 0.0  # a tenth of the time may be worse
    assert looks(0.9, share=0.15).contrast == pytest.approx(0.9)
    assert looks(0.9, share=0.05).rival == pytest.approx(0.9)  # but it is a rival of the beats


def test_one_beat_of_another_height_changes_nothing_but_the_lowest() -> None:
    assert looks(0.5, heights=(1.0, 1.0, 1.0, 1.0, 9.0)).contrast == pytest.approx(0.5)
    assert looks(0.5, heights=(1.0, 1.0, 1.0, 1.0, 0.5)).contrast == pytest.approx(0.5)
    assert looks(0.0, heights=(1.0, 0.5, 1.0)).lowest == pytest.approx(0.5)


def test_what_stands_near_a_beat_belongs_to_it() -> None:
    """Within 0.15 s of a beat nothing is between beats."""
    signal = ecg(regular(60, 10), 10)
    beats = (np.array(regular(60, 10)) * FS).astype(int)
    near, away = np.zeros(len(signal)), np.zeros(len(signal))
    for beat in beats:
        near[beat - 37 : beat + 38] = 0.9
        away[beat - 70 : beat + 71] = 0.9
        near[beat] = away[beat] = 1.0
    shape = quality.band_passed(signal, FS)
    found = [quality.beats_in(0, len(signal), FS, shape, qrs.Detection(beats, feature)) for feature in (near, away)]
    assert [b and b.contrast for b in found] == [0.0, pytest.approx(0.9)]


def test_beats_of_two_kinds_are_each_like_some_others_and_not_like_all() -> None:
    """Every other beat upside down, as extrasystoles may be: like its own kind, unlike the other."""
    signal = ecg(regular(60, 10), 10)
    beats = (np.array(regular(60, 10)) * FS).astype(int)
    for beat in beats[::2]:
        signal[beat - 40 : beat + 41] *= -1
    feature = np.zeros(len(signal))
    feature[beats] = 1.0
    found = quality.beats_in(0, len(signal), FS, quality.band_passed(signal, FS), qrs.Detection(beats, feature))
    assert found is not None
    assert found.nearest > 0.9
    assert found.typical < 0.5


@pytest.mark.parametrize(
    ("name", "better"), [("contrast", 0.2), ("rival", 0.3), ("nearest", 0.95), ("typical", 0.95), ("lowest", 0.95)]
)
def test_each_property_speaks_for_the_beats_as_it_should(name: str, better: float) -> None:
    middling = quality.Beats(contrast=0.4, rival=0.9, nearest=0.7, typical=0.5, lowest=0.7)
    assert quality.GATE.trust(replace(middling, **{name: better})) > quality.GATE.trust(middling)
    assert 0 < quality.GATE.trust(middling) < 1


@pytest.mark.parametrize(("trust", "reason"), [(0.89, "noise"), (0.9, ""), (0.99, "")])
def test_a_window_counts_from_the_least_trust_on(trust: float, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality.Gate, "trust", lambda self, beats: trust)
    signal = ecg(regular(60, 10), 10)
    (window,) = quality.windows(signal, FS, qrs.detect(signal, FS))
    assert (window.reason, window.good, window.trust) == (reason, not reason, trust)


def good(signal: np.ndarray) -> list[bool]:
    return [w.good for w in quality.windows(signal, FS, qrs.detect(signal, FS, usable=quality.usable(signal, FS)))]


def test_noise_is_kept_out_and_an_irregular_rhythm_is_not() -> None:
    chance = np.random.default_rng(3)
    beats = np.cumsum(chance.uniform(0.4, 1.3, 70))
    irregular = ecg([float(b) for b in beats if b < 59], 60)
    assert all(good(irregular))
    assert not any(good(irregular + chance.normal(0, 0.8, irregular.shape)))


def test_one_good_lead_is_enough() -> None:
    signal = np.column_stack([ecg(regular(60, 30), 30), np.random.default_rng(1).normal(0, 0.02, 7500)])
    signal[:, 1] = np.where(np.arange(7500) % 2500 < 2400, np.nan, signal[:, 1])
    assert all(good(signal))
