"""Predictions: closed forms against plain computation, coverage on new scaffolds, refusals, files without pickle."""

import random
import zipfile

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="the extra salus[discovery] is not installed")

from salus.app.demo import examples_root
from salus.discovery import conformal, endpoints, gaussian, measurements, model_file
from salus.discovery.conformal import Band
from salus.discovery.features import Index, features, tokens
from salus.discovery.molecule import read, scaffold_fold
from salus.errors import InputError, SalusError

FOLDER = examples_root() / "tour" / "discovery"


@pytest.fixture(scope="module")
def table():
    return measurements.read_table(FOLDER / "made_up_binding.csv", measurements.endpoint("rppb"))


@pytest.fixture(scope="module")
def halves(table):
    folds = np.array([scaffold_fold(molecule, 4) for molecule in table.molecules])
    return table.subset(np.flatnonzero(folds != 0)), table.subset(np.flatnonzero(folds == 0))


@pytest.fixture(scope="module")
def model(halves):
    return endpoints.Model.fit(halves[0])


def test_leaving_a_group_out_in_closed_form_is_refitting_without_it():
    chance = np.random.default_rng(1)
    points = chance.normal(size=(30, 3))
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / 2)
    y = chance.normal(size=30)
    groups = np.arange(30) % 4
    left = gaussian.leave_out(gaussian.noisy(kernel, 0.2), y, groups)
    for group in range(4):
        out, rest = groups == group, groups != group
        weights = kernel[np.ix_(out, rest)] @ np.linalg.inv(gaussian.noisy(kernel[np.ix_(rest, rest)], 0.2))
        assert left.residual[out] == pytest.approx(y[out] - weights @ y[rest])
        variance = 1.2 - np.einsum("ij,ij->i", weights, kernel[np.ix_(out, rest)])
        assert left.variance[out] == pytest.approx(variance)


def test_similarity_of_unrolled_counts_is_min_max():
    from rdkit.Chem import rdFingerprintGenerator

    molecules = [read(s) for s in ("CCCCCC", "c1ccccc1CCO", "CC(=O)Oc1ccccc1C(=O)O", "CO")]
    rows = [tokens(m.mol, "ECFP4") for m in molecules]
    found = Index.of(rows).tanimoto(rows)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    counts = [generator.GetSparseCountFingerprint(m.mol).GetNonzeroElements() for m in molecules]
    for i, left in enumerate(counts):
        for j, right in enumerate(counts):
            bits = left.keys() | right.keys()
            shared = sum(min(left.get(b, 0), right.get(b, 0)) for b in bits)
            union = sum(max(left.get(b, 0), right.get(b, 0)) for b in bits)
            assert found[i, j] == pytest.approx(shared / union)


def test_intervals_hold_on_scaffolds_that_were_not_seen(halves, model):
    train, test = halves
    assert not {m.scaffold for m in train.molecules} & {m.scaffold for m in test.molecules}
    found = model.estimate(features(test.molecules))
    covered = np.mean((found.low <= test.values) & (test.values <= found.high))
    assert 0.80 <= covered <= 0.99
    assert np.abs(found.value - test.values).sum() < 0.85 * np.abs(test.values - test.values.mean()).sum()
    assert np.all(found.low <= found.value)
    assert np.all(found.high <= 2.0)


def test_a_prediction_shows_its_analogues_and_the_measured_molecule_first(model):
    asked = model.smiles[5]
    prediction = model.predict([asked])[0]
    assert prediction.status == "ok"
    assert prediction.analogues[0].smiles == asked
    assert prediction.analogues[0].similarity == pytest.approx(1.0)
    assert prediction.low < prediction.value < prediction.high
    assert "90% interval" in prediction.sentence()


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("C(C(C(C(C(CO)O)O)O)O)O", "outside the domain"),
        ("not a molecule", "not a SMILES"),
        ("[Pt](Cl)(Cl)(N)N", "element Pt"),
        ("C" * 101, "101 heavy atoms"),
        ("", "no SMILES"),
        ("C" * 2000, "more than 1000 characters"),
        ("CCO.CCN", "mixture"),
        ("C[CH2]", "radical"),
        ("[Na+].[Cl-]", "no organic part"),
        ("C[Mg]Br", "organometallic"),
    ],
)
def test_what_cannot_be_predicted_says_why_and_has_no_value(model, smiles, reason):
    prediction = model.predict([smiles])[0]
    assert prediction.status == "not-assessable"
    assert reason in prediction.reason
    assert prediction.value is prediction.low is prediction.high is None


def test_a_salt_is_its_parent(model):
    base, salt = model.predict(["CC(C)NCC(O)COc1cccc2ccccc12", "CC(C)[NH2+]CC(O)COc1cccc2ccccc12.[Cl-]"])
    assert salt.smiles == base.smiles
    assert salt.value == base.value


def test_the_order_of_the_table_changes_no_value_and_can_only_widen_an_interval(halves):
    train, test = halves
    order = list(range(len(train.values)))
    random.Random(7).shuffle(order)
    one, two = (endpoints.Model.fit(t) for t in (train, train.subset(order)))
    left, right = (model.estimate(features(test.molecules)) for model in (one, two))
    assert right.value == pytest.approx(left.value, abs=1e-8)
    by_value = np.argsort(train.values, kind="stable")  # the later rows are all higher: a drift that was never seen
    drifting = endpoints.Model.fit(train.subset(by_value)).estimate(features(test.molecules))
    assert drifting.value == pytest.approx(left.value, abs=1e-8)
    assert np.mean(drifting.high - drifting.low) > np.mean(right.high - right.low)


def test_predicting_ahead_in_one_factor_is_refitting_to_what_came_before():
    chance = np.random.default_rng(2)
    points = chance.normal(size=(24, 2))
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / 2)
    y = chance.normal(size=24) + 3
    found = gaussian.ahead(kernel, 0.3, y, [6, 12, 18])
    assert len(found.residual) == 18
    for start in (6, 12, 18):
        before, block = slice(0, start), slice(start, start + 6)
        weights = kernel[block, before] @ np.linalg.inv(gaussian.noisy(kernel[before, before], 0.3))
        residual = y[block] - y[before].mean() - weights @ (y[before] - y[before].mean())
        assert found.residual[start - 6 : start] == pytest.approx(residual)
        variance = 1.3 - np.einsum("ij,ij->i", weights, kernel[block, before])
        assert found.variance[start - 6 : start] == pytest.approx(variance)


def test_blocks_without_drift_show_none_and_a_steady_trend_moves_the_band():
    chance = np.random.default_rng(3)
    blocks = [chance.normal(size=400) for _ in range(8)]
    still = conformal.Drift.of(blocks)
    assert abs(still.bias) < 0.06
    assert still.deviation < 0.06
    moving = conformal.Drift.of([block + shift for block, shift in zip(blocks, (-1, 1) * 4, strict=True)])
    assert moving.deviation == pytest.approx(np.sqrt(8 / 7), abs=0.1)
    assert moving.moved(Band(-1.0, 1.0, 0.9)).high == pytest.approx(1 + 1.645 * moving.deviation + moving.bias)
    trend = conformal.Drift.of([block - 2 for block in blocks])
    assert trend.bias == pytest.approx(-2, abs=0.1)
    assert trend.moved(Band(-1.0, 1.0, 0.9)).low == pytest.approx(-3, abs=0.15)


def test_bands_hold_both_kinds_of_prediction_and_go_from_near_to_far():
    chance = np.random.default_rng(4)
    spread = chance.uniform(size=1000)
    apart = conformal.Scores(chance.normal(size=1000), spread)
    ahead = conformal.Scores(chance.normal(size=800) * (1 + 2 * (spread[:800] > 0.7)), spread[:800])
    bands = conformal.Bands.calibrated(apart, ahead, np.arange(800) // 100)
    plain = Band.calibrated(apart.value)
    assert bands.near.low <= plain.low
    assert bands.far.high > bands.near.high + 1
    low, high = bands.at(np.array([0.0, bands.start, (bands.start + bands.end) / 2, bands.end, 9.0]))
    assert low[[0, 1, 3, 4]].tolist() == [bands.near.low, bands.near.low, bands.far.low, bands.far.low]
    assert high[2] == pytest.approx((bands.near.high + bands.far.high) / 2)
    alone = conformal.Bands.calibrated(apart, ahead, np.zeros(800, dtype=np.int64))
    assert alone.near == alone.far == plain


def test_a_scale_keeps_the_unit_and_its_bounds(table):
    half_life = measurements.endpoint("half_life")
    assert (half_life.unit, half_life.scale) == ("h", "log")
    assert half_life.measured(half_life.modelled(np.array([0.1, 5.0]))) == pytest.approx([0.1, 5.0])
    assert not half_life.possible(0.0)
    solubility = measurements.endpoint("ExpansionRx KSOL")
    assert solubility.possible(0.0)
    assert solubility.measured(np.array([-3.0, 2.0])) == pytest.approx([0.0, 99.0])
    model = endpoints.Model.fit(measurements.Table(half_life, table.molecules, 10**table.values))
    found = model.estimate(features(table.molecules[:20]))
    assert np.all(found.low > 0)
    assert np.all(found.low < found.high)
    with pytest.raises(InputError, match="scale 'ln'"):
        measurements.Endpoint("x", "x", "h", "low", scale="ln")


def test_of_a_large_table_a_part_is_used(table, monkeypatch):
    monkeypatch.setattr(endpoints, "MAX_MOLECULES", 120)
    model = endpoints.Model.fit(table)
    assert len(model.smiles) == 120
    places = [[m.smiles for m in table.molecules].index(s) for s in model.smiles]
    assert places == sorted(places)


def test_a_saved_model_answers_the_same_and_holds_no_code(model, tmp_path):
    path = tmp_path / "model.npz"
    model_file.save(model, path)
    again = model_file.load(path)
    asked = ["CC(=O)Nc1ccc(O)cc1", "Cc1ccc(cc1)S(=O)(=O)NC(=O)NN1CCCCCC1"]
    assert again.predict(asked) == model.predict(asked)
    np.savez(tmp_path / "evil.npz", about=np.array([print], dtype=object))
    (tmp_path / "short.npz").write_bytes(path.read_bytes()[:5000])
    (tmp_path / "text.npz").write_text("no")
    for name in ("evil", "short", "text"):
        with pytest.raises(InputError, match="not a model"):
            model_file.load(tmp_path / f"{name}.npz")


def test_a_damaged_array_is_refused(model, tmp_path):
    path, bad = tmp_path / "m.npz", tmp_path / "bad.npz"
    model_file.save(model, path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    stored = dict(np.load(path, allow_pickle=False))
    for name in (n.removesuffix(".npy") for n in names):
        for damage in (lambda a: a[:-1], lambda a: a[:0]):
            with bad.open("wb") as stream:
                np.savez(stream, **{**stored, name: damage(stored[name])})
            with pytest.raises(SalusError):
                model_file.load(bad)


def test_tables_set_rows_aside_with_their_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("smiles,value\nCCO,1.0\nnonsense(,2\nCCN,abc\nCCO,2.0\nCCC,9\n")
    found = measurements.read_table(path, measurements.endpoint("rppb"))
    assert [row.line for row in found.rejected] == [3, 4, 6]
    assert "outside what log10(%)" in found.rejected[2].why
    assert [m.smiles for m in found.molecules] == ["CCO"]
    assert found.values.tolist() == [1.5]
    assert found.repeated == 1
    with pytest.raises(InputError, match="no column activity2"):
        measurements.read_table(path, measurements.endpoint("rppb"), value="activity2")


def test_too_little_to_learn_from_is_refused(table):
    with pytest.raises(InputError, match="too few"):
        endpoints.Model.fit(table.subset(range(20)))
    flat = measurements.Table(table.endpoint, table.molecules, np.ones(len(table.values)))
    with pytest.raises(InputError, match="every value is the same"):
        endpoints.Model.fit(flat)


def test_endpoints_need_unit_and_direction_and_a_toxicity_is_a_hazard_by_its_name():
    assert measurements.endpoint("MDR1_ER").id == "mdr1-er"
    assert measurements.endpoint("rat_toxicity", "mg/kg", "high").hazard
    with pytest.raises(InputError, match="not known"):
        measurements.endpoint("stickiness")
    with pytest.raises(InputError, match="wished low"):
        measurements.endpoint("herg", desired="high")
    with pytest.raises(InputError, match="needs a wished direction"):
        measurements.endpoint("skin irritancy", "score", "either")


def test_a_band_is_the_order_statistics_of_its_scores():
    scores = np.arange(1.0, 100.0)
    assert Band.calibrated(scores) == Band(5.0, 95.0, 0.9)
    with pytest.raises(InputError, match="too few to calibrate"):
        Band.calibrated(scores[:10])
