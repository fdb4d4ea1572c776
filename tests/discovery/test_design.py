"""Design: valid children, an honest budget, lineage that ends in the start pool, and no reward for harm."""

from dataclasses import replace
from functools import cache
from random import Random

import pytest

pytest.importorskip("rdkit", reason="the extra salus[discovery] is not installed")

from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from salus.app.demo import examples_root
from salus.discovery import files as wing
from salus.discovery import generate, measurements
from salus.discovery.alerts import alerts, refusal
from salus.discovery.endpoints import Model
from salus.discovery.modifiers import CURVES, Modifier
from salus.discovery.molecule import read
from salus.discovery.objective import Objective, PredictedEndpoint, Property, SimilarityTo
from salus.discovery.objective_file import read_objective
from salus.discovery.operators import CROSSOVERS, LARGEST_RING, MUTATIONS
from salus.errors import InputError

FOLDER = examples_root() / "tour" / "discovery"
DRUGS = [line.split()[0] for line in (FOLDER / "drugs.smi").read_text("utf-8").splitlines()]
CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
MARCH = Objective((SimilarityTo(read(CELECOXIB)), Property("tpsa", Modifier("max-gaussian", 60, 20))))


@cache
def measured():
    table = measurements.read_table(FOLDER / "made_up_binding.csv", measurements.endpoint("rppb"))
    return Model.fit(table.subset(range(150)))


def fitted(name):
    return replace(measured(), endpoint=measurements.endpoint(name))


@pytest.mark.parametrize("name", [*MUTATIONS, *CROSSOVERS])
def test_every_move_makes_whole_molecules_and_often_enough(name):
    made = 0
    for seed in range(120):
        random = Random(seed)
        first, second = (Chem.MolFromSmiles(random.choice(DRUGS)) for _ in range(2))
        before = Chem.MolToSmiles(first)
        child = MUTATIONS[name](first, random) if name in MUTATIONS else CROSSOVERS[name](first, second, random)
        assert Chem.MolToSmiles(first) == before, "a move must not touch its parent"
        if child is None:
            continue
        made += 1
        again = Chem.MolFromSmiles(Chem.MolToSmiles(child))
        assert again is not None
        assert len(Chem.GetMolFrags(again)) == 1
        assert not any(atom.GetNumRadicalElectrons() for atom in again.GetAtoms())
        assert all(len(ring) <= LARGEST_RING for ring in again.GetRingInfo().AtomRings())
    assert made >= 20


@pytest.fixture(scope="module")
def run():
    return generate.run(MARCH, [s for s in DRUGS if s != DRUGS[36]], generate.Settings(calls=300, seed=4))


def test_the_budget_counts_distinct_structures_and_the_search_gets_somewhere(run):
    assert run.spent == len(set(run.candidates)) == 300
    assert [c.call for c in run.candidates.values()] == list(range(1, 301))
    assert all(Chem.MolToSmiles(Chem.MolFromSmiles(s)) == s for s in run.candidates)
    start = max(c.score for c in run.candidates.values() if c.operators == ("start",))
    assert run.top(1)[0].score > start + 0.05


def test_the_same_seed_gives_the_same_run_and_another_seed_another(run):
    pool = [s for s in DRUGS if s != DRUGS[36]]
    assert generate.run(MARCH, reversed(pool), run.settings).candidates == run.candidates
    other = generate.run(MARCH, pool, generate.Settings(calls=100, seed=5))
    assert list(other.candidates) != list(run.candidates)[:100]


def test_lineage_leads_back_to_the_start_pool(run):
    best = run.top(1)[0]
    line = run.lineage(best.smiles)
    assert line[-1] == best
    known = set()
    for candidate in line:
        assert set(candidate.parents) <= known
        assert bool(candidate.parents) == (candidate.operators != ("start",))
        assert all(o in {*MUTATIONS, *CROSSOVERS, "start"} for o in candidate.operators)
        known.add(candidate.smiles)
    with pytest.raises(InputError, match="not in the run"):
        run.lineage("C")


def test_auc_of_the_top_ten_is_the_stated_area():
    assert generate.auc_top([1.0] * 10_000, 10_000) == pytest.approx(1 - 50 / 10_000)
    assert generate.auc_top([0.5] * 200, 1000) == pytest.approx((100 * 0.25 + 100 * 0.5 + 800 * 0.5) / 1000)
    rising = [0.0] * 100 + [1.0] * 5
    assert generate.auc_top(rising, 105) == pytest.approx(5 * 0.25 / 105)


@given(st.sampled_from(sorted(CURVES)), st.floats(-3, 3), st.floats(0, 4), st.floats(0.1, 3))
def test_the_worst_score_of_an_interval_is_no_better_than_any_inside(kind, low, width, mu):
    curve = Modifier(kind, mu, 0.7)
    worst = curve.worst(low, low + width)
    inside = [curve(low + width * i / 20) for i in range(21)]
    assert worst <= min(inside) + 1e-12
    assert all(0 <= score <= 1 for score in inside)


def test_an_endpoint_counts_with_the_worst_end_of_its_interval():
    model = fitted("rppb")
    part = PredictedEndpoint(model, Modifier("max-gaussian", 2.0, 1.0))(read(DRUGS[10]).mol)
    assert part.low < part.value
    assert part.score == pytest.approx(Modifier("max-gaussian", 2.0, 1.0)(part.low))
    stranger = PredictedEndpoint(model, Modifier("max-gaussian", 2.0, 1.0))(Chem.MolFromSmiles("OCC(O)C(O)C(O)CO"))
    assert stranger.score == 0
    assert "outside the domain" in stranger.note


@pytest.mark.parametrize("kind", ["max-gaussian", "gaussian", "identity", "clipped"])
def test_toxicity_is_never_rewarded(kind):
    with pytest.raises(InputError, match="no reward for toxicity"):
        PredictedEndpoint(fitted("ld50"), Modifier(kind, 1.0))


def test_an_unwished_direction_is_refused_and_the_wished_one_taken():
    with pytest.raises(InputError, match="wished low"):
        PredictedEndpoint(fitted("hlm"), Modifier("max-gaussian", 1.0))
    assert PredictedEndpoint(fitted("ld50"), Modifier("min-gaussian", 1.0)).name == "ld50"


WEAPONS = ["CC(C)OP(C)(=O)F", "CCOP(=O)(C#N)N(C)C", "CCOP(C)(=O)SCCN(C(C)C)C(C)C", "ClCCSCCCl", "CN(CCCl)CCCl"]


@pytest.mark.parametrize("smiles", WEAPONS)
def test_chemical_weapons_are_neither_aimed_at_nor_kept(smiles):
    assert refusal(Chem.MolFromSmiles(smiles))
    assert MARCH(Chem.MolFromSmiles(smiles)) == 0
    with pytest.raises(InputError, match="refused"):
        SimilarityTo(read(smiles))
    kept = generate.run(MARCH, [smiles, *DRUGS[:5]], generate.Settings(calls=20)).candidates
    assert not any(refusal(Chem.MolFromSmiles(s)) for s in kept)


def test_no_common_medicine_is_taken_for_a_weapon():
    assert [s for s in DRUGS if refusal(Chem.MolFromSmiles(s))] == []


def test_alerts_are_rdkits_and_can_refuse():
    nitro = Chem.MolFromSmiles("O=[N+]([O-])c1ccccc1")
    assert {a.catalog for a in alerts(nitro)} == {"BRENK"}
    strict = Objective(MARCH.components, alerts="refuse")
    assert strict(nitro) == 0 < MARCH(nitro)
    assert strict.explain(nitro).alerts


def test_a_design_is_written_with_parts_alerts_and_lineage(tmp_path):
    import json

    start = tmp_path / "pool.smi"
    start.write_text("\n".join(DRUGS[:20]))
    aim = tmp_path / "aim.toml"
    aim.write_text(f'[[component]]\nkind = "similarity"\ntarget = "{CELECOXIB}"\n')
    found = wing.designed(aim, start, 60)
    document = json.loads(wing.document(found))
    assert document["calls"] == 60
    assert "research use only" in document["note"]
    first = document["molecules"][0]
    assert first["parts"][0]["score"] == pytest.approx(first["score"])
    assert first["lineage"][-1]["smiles"] == first["smiles"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean = 3", "at least one component"),
        ("x = [", "not TOML"),
        ("surprise = 1", "unknown: surprise"),
        ('[[component]]\nkind = "magic"', "component 1: unknown kind"),
        ('[[component]]\nkind = "similarity"', "target is missing"),
        ('[[component]]\nkind = "similarity"\ntarget = "zz"', "component 1: not a SMILES"),
        ('[[component]]\nkind = "property"\nname = "charm"', "unknown property"),
        ('[[component]]\nkind = "property"\nname = "tpsa"\nweight = "heavy"', "not a number"),
        ('[[component]]\nkind = "property"\nname = "tpsa"\nmodifier = {kind = "x"}', "unknown modifier"),
        ('[[component]]\nkind = "property"\nname = "tpsa"\nmodifier = {sigma = 0}', "positive width"),
        ('[[component]]\nkind = "property"\nname = "tpsa"\nweight = -1', "positive weight"),
        ('[[component]]\nkind = "endpoint"\nendpoint = "hlm"\ntrain = "x"', "wished low"),
        ('[[component]]\nkind = "endpoint"\nendpoint = "hppb"\ntrain = "nowhere.csv"', "cannot be read"),
    ],
)
def test_bad_objectives_are_refused_with_their_place(tmp_path, text, words):
    path = tmp_path / "o.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_objective(path)


def test_a_pool_without_structures_and_a_silly_budget_are_refused():
    with pytest.raises(InputError, match="holds no structure"):
        generate.run(MARCH, ["?", ""], generate.Settings(calls=5))
    with pytest.raises(InputError, match="must be positive"):
        generate.Settings(calls=0)
