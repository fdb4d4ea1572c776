"""Training apart equals training together, and a single message tells nothing."""

import numpy as np
import pytest

from salus.errors import InputError
from salus.population import federated, survival
from salus.population.federated import LIMIT, UNIT, Hospital, Server, train
from salus.population.survival import Cohort

CUTS = (0.5, 1.5)


def people(n=600, seed=3, scale=1.0):
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(60, 10, n) * scale, rng.integers(0, 2, n)])
    time = rng.exponential(1 / (0.4 * np.exp(0.03 * (features[:, 0] / scale - 60) + 0.5 * features[:, 1])))
    return Cohort(("age", "male"), features, np.minimum(time, 4.0) + 1e-3, time < 4.0)


def dealt(cohort, places):
    return [Hospital(f"h{k}", cohort.subset(places == k)) for k in range(places.max() + 1)]


def split(n, kind, seed=1):
    rng = np.random.default_rng(seed)
    if kind == "unequal":  # one person here, two there, the others elsewhere
        return np.array([0, 1, 1] + [2] * (n - 3))
    if kind == "by age":
        return np.repeat([0, 1, 2, 3], n // 4)
    return rng.integers(0, kind, n)


@pytest.mark.parametrize("kind", [3, 5, 8, "unequal", "by age"])
def test_federated_equals_pooled(kind):
    cohort = people()
    if kind == "by age":
        cohort = cohort.subset(np.argsort(cohort.features[:, 0]))
    pooled = survival.fit_pooled(cohort, CUTS)
    model, _ = train(dealt(cohort, split(600, kind)), cohort.names, CUTS)
    np.testing.assert_allclose(model.coefficients, pooled.coefficients, atol=1e-6)
    np.testing.assert_allclose(np.log(model.hazards), np.log(pooled.hazards), atol=1e-6)
    np.testing.assert_allclose(model.scale.mean, pooled.scale.mean, rtol=1e-8)


def plain(hospital):
    """What the hospital would send without masks."""
    cohort = hospital._cohort
    return np.concatenate([survival.moments(cohort), survival.events(cohort, CUTS), [cohort.time.sum()]])


def test_messages_are_uniform_and_far_from_what_they_hide():
    cohort = people()
    hospitals = dealt(cohort, split(600, 3))
    _, server = train(hospitals, cohort.names, CUTS)
    words = np.concatenate([message for seen in server.seen for message in seen])
    assert len(words) > 400
    ones = np.unpackbits(words.view(np.uint8)).reshape(len(words), 64).mean(axis=0)
    assert (np.abs(ones - 0.5) < 5 * 0.5 / np.sqrt(len(words))).all()  # every bit, the highest too
    assert abs(words.astype(float).mean() / 2**64 - 0.5) < 5 * np.sqrt(1 / 12 / len(words))
    for hospital, message in zip(hospitals, server.seen[0], strict=True):
        hidden = np.round(plain(hospital) * UNIT).astype(np.int64).astype(np.uint64)
        assert np.abs((message - hidden).astype(np.int64).astype(float) / UNIT).min() > 1e3
        assert not (message == hidden).any()


def test_some_of_the_messages_together_still_tell_nothing_and_all_tell_the_sum():
    cohort = people()
    hospitals = dealt(cohort, split(600, 4))
    _, server = train(hospitals, cohort.names, CUTS)
    told = server.seen[0]
    truth = np.sum([plain(h) for h in hospitals], axis=0)
    np.testing.assert_allclose(Server([]).total(told), truth, atol=4 / UNIT)
    some = Server([]).total(told[:3])
    assert np.abs(some - np.sum([plain(h) for h in hospitals[:3]], axis=0)).min() > 1e3


def test_masks_are_of_one_training_and_one_round():
    cohort = people(90)
    hospitals = dealt(cohort, split(90, 3))
    first = [h.join() for h in hospitals]
    second = [h.join() for h in hospitals]
    assert len({*first, *second}) == 6
    with pytest.raises(InputError, match="have not agreed"):
        hospitals[0].moments(CUTS, 0)
    _, one = train(hospitals, cohort.names, CUTS)
    _, two = train(hospitals, cohort.names, CUTS)
    for a, b in zip(one.seen[0], two.seen[0], strict=True):
        assert not (a == b).any()
    with pytest.raises(InputError, match="a round that was answered"):
        hospitals[0].moments(CUTS, 0)
    streams = {federated._stream(b"k" * 32, number, 4).tobytes() for number in range(50)}
    assert len(streams) == 50


def test_fewer_than_three_hospitals_and_shared_names_are_refused():
    cohort = people(90)
    for places in (np.zeros(90, int), split(90, 2)):
        with pytest.raises(InputError, match="at least 3 hospitals"):
            train(dealt(cohort, places), cohort.names, CUTS)
    with pytest.raises(InputError, match="a name of its own"):
        train([Hospital("same", cohort) for _ in range(3)], cohort.names, CUTS)


def test_sums_that_would_not_fit_are_refused():
    with pytest.raises(InputError, match="too large to be sent"):
        train(dealt(people(scale=1e5), split(600, 3)), ("age", "male"), CUTS)
    just = np.sqrt(LIMIT / 3 * 0.99)
    one = Cohort(("x",), np.array([[just]]), np.ones(1), np.array([True]))
    hospitals = [Hospital(name, one) for name in "abc"]
    keys = {h.name: h.join() for h in hospitals}
    for hospital in hospitals:
        hospital.agree(keys)
    total = Server([]).total([h.moments((), 0) for h in hospitals])
    assert total[2] == pytest.approx(3 * just**2, rel=1e-12)  # the largest that may be sent adds up without wrapping


def test_too_few_events_and_empty_pieces_are_refused_as_in_one_place():
    cohort = people()
    with pytest.raises(InputError, match="without an event"):
        train(dealt(cohort, split(600, 3)), cohort.names, (0.5, 100.0))
    few = Cohort(cohort.names, cohort.features, cohort.time, cohort.event & (np.cumsum(cohort.event) < 10))
    with pytest.raises(InputError, match="fewer than 10 events"):
        train(dealt(few, split(600, 3)), cohort.names, ())
    with pytest.raises(InputError, match="cuts rise"):
        train(dealt(cohort, split(600, 3)), cohort.names, (2.0, 1.0))
