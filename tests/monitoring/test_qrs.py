"""QRS detection, quality gate and rate on made signals where every beat is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.monitoring.ecg import qrs, quality, rate

from .made import ecg, regular


def errors_ms(beats: list[float], found: np.ndarray, fs: float) -> np.ndarray:
    assert len(beats) == len(found)
    return (found / fs - np.array(beats)) * 1000


@pytest.mark.parametrize("bpm", [35, 50, 75, 110, 150, 190])
@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0, 500.0, 1000.0])
def test_every_beat_is_found_and_placed(bpm: float, fs: float) -> None:
    beats = regular(bpm, 40)
    signal = ecg(beats, 40, fs)
    for table in (signal, signal[:, :1], -signal):
        found = qrs.detect(table, fs).sample
        assert np.abs(errors_ms(beats, found, fs)).max() <= 1000 / fs + 4


@given(
    steps=st.lists(st.floats(0.4, 1.6), min_size=20, max_size=40),
    fs=st.sampled_from([200.0, 360.0]),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
)
@settings(max_examples=20, deadline=None)
def test_irregular_rhythms_in_any_unit(steps: list[float], fs: float, scale: float) -> None:
    beats = (0.5 + np.cumsum(steps)).tolist()
    found = qrs.detect(ecg(beats, beats[-1] + 1, fs) * scale, fs).sample
    assert np.abs(errors_ms(beats, found, fs)).max() < 10


def test_a_wide_beat_and_a_pause_are_found() -> None:
    fs, beats = 360.0, [0.5 + 0.8 * n for n in range(30)]
    del beats[15]
    signal = ecg(beats, 24, fs)
    at = np.arange(len(signal)) / fs
    signal[:, 0] += 1.5 * np.exp(-0.5 * ((at - (beats[20] + 0.4)) / 0.035) ** 2)  # ectopic: wide, no P wave
    signal[:, 1] -= 1.2 * np.exp(-0.5 * ((at - (beats[20] + 0.4)) / 0.035) ** 2)
    found = qrs.detect(signal, fs).sample / fs
    expected = sorted([*beats, beats[20] + 0.4])
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 0.05


def test_a_bad_lead_does_not_spoil_a_good_one() -> None:
    beats = regular(70, 60)
    signal = ecg(beats, 60)
    signal[:, 1] = np.random.default_rng(3).normal(size=len(signal))
    found = qrs.detect(signal, 250, usable=quality.usable(signal, 250)).sample
    assert np.abs(errors_ms(beats, found, 250)).max() < 10


def test_one_lead_lost_for_a_while_is_carried_by_the_other() -> None:
    beats = regular(70, 60)
    signal = ecg(beats, 60)
    signal[5000:10000, 0] = 0.3
    trusted = quality.usable(signal, 250)
    assert not trusted[5500:9500, 0].any()
    assert trusted[:, 1].all()
    assert len(qrs.detect(signal, 250, usable=trusted).sample) == len(beats)


@pytest.mark.parametrize("value", [0.0, np.nan, 1e9])
def test_nothing_gives_no_beats_and_no_good_window(value: float) -> None:
    signal = np.full((5000, 2), value)
    trusted = quality.usable(signal, 250)
    found = qrs.detect(signal, 250, usable=trusted)
    windows = quality.windows(signal, 250, found)
    assert len(found.sample) == 0
    assert not any(w.good for w in windows)
    assert rate.summarise(found.sample, windows, 250) is None


@pytest.mark.parametrize(
    ("signal", "fs", "words"),
    [
        (np.zeros(1000), 250, "not \\(samples, leads\\)"),
        (np.zeros((1000, 0)), 250, "not \\(samples, leads\\)"),
        (np.zeros((1000, 1)), 50, "at least 100 Hz"),
        (np.zeros((1000, 1)), float("nan"), "at least 100 Hz"),
        (np.zeros((100, 1)), 250, "too short"),
        (np.zeros((0, 1)), 250, "too short"),
    ],
)
def test_what_it_was_not_made_for_is_refused(signal: np.ndarray, fs: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        qrs.detect(signal, fs)


def test_a_long_silence_does_not_become_quadratic() -> None:
    beats = regular(80, 20)
    signal = np.vstack([ecg(beats, 20, 250), np.random.default_rng(0).normal(0, 0.02, (250 * 3600, 2))])
    started = time.process_time()
    qrs.detect(signal, 250)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("channels", "lead"), [(["MLII", "V1"], 0), (["V5", "MLII"], 1), (["i", " ii "], 1), (["", ""], 0), (["V1"], 0)]
)
def test_beats_are_timed_on_lead_two(channels: list[str], lead: int) -> None:
    assert qrs.timing_lead(channels) == lead


def reasons(signal: np.ndarray, fs: float = 250.0) -> list[str]:
    found = qrs.detect(signal, fs, usable=quality.usable(signal, fs))
    return [w.reason for w in quality.windows(signal, fs, found)]


def test_a_clean_signal_is_good_throughout() -> None:
    assert reasons(ecg(regular(70, 60), 60)) == [""] * 6


def test_each_defect_is_named() -> None:
    clean = ecg(regular(70, 60), 60)
    flat, gap, railed = clean.copy(), clean.copy(), clean.copy()
    flat[5000:7500] = 0.2
    gap[5000:7500] = np.nan
    railed[5000:7500] = 5.0
    railed[5000:7500:60] = 4.0  # the amplifier falls off its rail now and then
    assert reasons(flat)[2] == "flat"
    assert reasons(gap)[2] == "gap"
    assert reasons(railed)[2] == "saturated"
    for signal in (flat, gap, railed):
        assert [r for n, r in enumerate(reasons(signal)) if n not in (1, 2, 3)] == ["", "", ""]


def test_a_noiseless_baseline_is_neither_flat_nor_a_rail() -> None:
    at = np.arange(250 * 30) / 250
    lead = sum(np.exp(-0.5 * ((at - beat) / 0.012) ** 2) for beat in regular(50, 30))
    table = np.round(np.asarray(lead)[:, None], 3)
    assert quality.usable(table, 250).all()
    assert reasons(table) == ["", "", ""]


def test_noise_is_refused_and_the_rest_kept() -> None:
    signal = ecg(regular(70, 120), 120)
    signal[15000:22500] += np.random.default_rng(5).normal(0, 0.8, (7500, 2))
    found = reasons(signal)
    assert found[6:9] == ["noise"] * 3
    assert all(r == "" for n, r in enumerate(found) if n not in (5, 6, 7, 8, 9))


def test_rate_counts_only_good_stretches() -> None:
    fast = [20.4 + 0.5 * n for n in range(19)]
    beats = regular(60, 20)
    signal = ecg([*beats, *fast], 30)
    signal[5000:] = np.nan
    found = qrs.detect(signal, 250, usable=quality.usable(signal, 250))
    windows = quality.windows(signal, 250, found)
    result = rate.summarise(found.sample, windows, 250)
    assert result is not None
    assert result.mean == pytest.approx(60, abs=0.3)
    assert result.low < 60 < result.high
    assert (result.good_seconds, result.total_seconds) == (20, 30)
    assert result.beats == 20


@given(bpm=st.floats(40, 180), seconds=st.integers(12, 60))
@settings(max_examples=15, deadline=None)
def test_true_rate_lies_within_the_bounds(bpm: float, seconds: int) -> None:
    signal = ecg(regular(bpm, seconds), seconds)
    found = qrs.detect(signal, 250)
    result = rate.summarise(found.sample, quality.windows(signal, 250, found), 250)
    assert result is not None
    assert result.low <= bpm <= result.high
    assert result.mean == pytest.approx(bpm, rel=0.01)
    assert result.slowest <= result.fastest


def test_a_short_recording_is_one_window_and_too_few_beats_give_no_rate() -> None:
    signal = ecg(regular(50, 5), 5)
    found = qrs.detect(signal, 250)
    windows = quality.windows(signal, 250, found)
    assert len(windows) == 1
    assert rate.summarise(found.sample, windows, 250) is None


def test_strip_is_the_window_nearest_the_mean() -> None:
    beats = [*regular(60, 20), *(20 + 0.25 + 0.5 * n for n in range(20))]
    signal = ecg(beats, 30)
    found = qrs.detect(signal, 250)
    windows = quality.windows(signal, 250, found)
    shown = rate.usual_window(found.sample, windows, 250, 60)
    assert shown is not None
    assert shown.end <= 5000
    assert len(rate.strip(signal[:, 0], shown, 250)) == 2500
