"""Search is exact: the same answers as RDKit's own similarity over everything."""

import pytest

pytest.importorskip("rdkit", reason="the extra salus[discovery] is not installed")

from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from salus.app.demo import examples_root
from salus.discovery import similarity
from salus.discovery.molecule import read
from salus.errors import InputError

FOLDER = examples_root() / "tour" / "discovery"


@pytest.fixture(scope="module")
def smiles():
    table = (FOLDER / "made_up_binding.csv").read_text("utf-8").splitlines()[1:]
    drugs = (FOLDER / "drugs.smi").read_text("utf-8").splitlines()
    return [line.split(",")[0] for line in table] + [line.split()[0] for line in drugs] * 2


@pytest.mark.parametrize("block", [8, 4096])
def test_search_is_what_rdkit_finds_by_looking_at_everything(smiles, monkeypatch, block):
    monkeypatch.setattr(similarity, "BLOCK", block)
    library = similarity.Library.of(smiles)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(read(s).mol) for s in smiles]
    for query in (*smiles[::40], "C", "CC(=O)Nc1ccc(O)cc1", "C" * 60):
        asked = read(query)
        truth = DataStructs.BulkTanimotoSimilarity(generator.GetFingerprint(asked.mol), prints)
        order = sorted(range(len(smiles)), key=lambda i: (-truth[i], i))
        for k, threshold in ((1, 0.0), (7, 0.0), (len(smiles), 0.0), (50, 0.35), (5, 1.0)):
            wanted = [(i, truth[i]) for i in order[:k] if truth[i] >= threshold]
            found = library.search(asked, k, threshold)
            assert [hit.position for hit in found] == [i for i, _ in wanted]
            assert [hit.similarity for hit in found] == pytest.approx([score for _, score in wanted])


def test_what_cannot_be_read_is_named_and_the_rest_searched():
    library = similarity.Library.of(["CCO", "nonsense", "CCN", "[Fe]"])
    assert [row.position for row in library.unread] == [1, 3]
    assert library.search(read("CCN"), 1)[0].position == 2
    with pytest.raises(InputError, match="holds no structure"):
        similarity.Library.of(["?"])
    with pytest.raises(InputError, match="k of at least 1"):
        library.search(read("CCN"), 0)
