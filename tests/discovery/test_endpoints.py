"""Predictions: closed forms against plain computation, coverage on new scaffolds, refusals, files without pickle."""

import random
import zipfile

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="the extra salus[discovery] is not installed")

from salus.app.demo import examples_root
from salus.discovery import endpoints, gaussian, measurements, model_file
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


def test_the_order_of_the_table_does_not_matter(halves):
    train, test = halves
    order = list(range(len(train.values)))
    random.Random(7).shuffle(order)
    one = endpoints.Model.fit(train).estimate(features(test.molecules))
    two = endpoints.Model.fit(train.subset(order)).estimate(features(test.molecules))
    assert two.value == pytest.approx(one.value, abs=1e-8)
    assert two.high == pytest.approx(one.high, abs=1e-8)


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
