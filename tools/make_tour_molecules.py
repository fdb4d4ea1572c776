"""Make examples/tour/discovery/made_up_binding.csv: molecules put together from parts, with made-up values.

    python tools/make_tour_molecules.py

No value was measured. Each is a smooth function of lipophilicity (Wildman and Crippen 1999, as RDKit computes it) and
polar surface, with noise from a fixed seed, so that a model has something to learn and something it cannot.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import Crippen, rdMolDescriptors

TARGET = Path(__file__).parents[1] / "examples" / "tour" / "discovery" / "made_up_binding.csv"
CORES = (
    "c1ccc({0})cc1{1}",
    "c1cc({0})ncc1{1}",
    "c1ccc2c(c1)cc({0})n2{1}",
    "C1CCN(C(=O){0})CC1{1}",
    "c1cnc({0})nc1{1}",
    "c1ccc2nc({0})sc2c1{1}",
    "C1COCCN1c1ccc({0})cc1{1}",
    "O=C(N{0}C)c1ccc(cc1){1}",
    "c1cc2c(cc1{1})OCO2{0}",
    "c1ccc(cc1)S(=O)(=O)N({0})C{1}",
    "C1CCC(CC1)N({0})C(=O){1}",
    "c1cn({0})nc1{1}",
    "O=c1[nH]c({0})ccc1{1}",
    "c1ccc2c(c1)ncc({0})c2{1}",
    "C1CC1C(=O)N{0}{1}",
    "c1csc({0})c1{1}",
    "c1coc({0})c1{1}",
    "C1CNCCN1{0}{1}",
)
PARTS = (
    "C",
    "CC",
    "C(C)C",
    "CCO",
    "CC(=O)O",
    "CN(C)C",
    "C(=O)NC",
    "C(F)(F)F",
    "c1ccccc1",
    "c1ccncc1",
    "CCCC",
    "C1CC1",
    "Cc1ccc(Cl)cc1",
    "CC#N",
    "CCOC",
    "C(=O)N1CCCC1",
    "CCc1ccc(F)cc1",
    "C1CCNCC1",
)
WANTED = 320


def molecules() -> list[str]:
    """Canonical SMILES of the medicines of drugs.smi, and of combinations shuffled by a fixed seed."""
    found = set()
    for core in CORES:
        for first in PARTS:
            for second in PARTS:
                molecule = Chem.MolFromSmiles(core.format(first, second))
                if molecule is not None and 10 <= molecule.GetNumHeavyAtoms() <= 32:
                    found.add(Chem.MolToSmiles(molecule))
    listed = sorted(found)
    random.Random(2026).shuffle(listed)
    medicines = [line.split()[0] for line in (TARGET.parent / "drugs.smi").read_text("utf-8").splitlines()]
    known = {Chem.MolToSmiles(Chem.MolFromSmiles(smiles)) for smiles in medicines}
    return sorted(known) + [smiles for smiles in listed if smiles not in known][:WANTED]


def main() -> None:
    Chem.rdBase.DisableLog("rdApp.error")  # what is no molecule is left out
    chance = random.Random(7)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("smiles", "value"))
        for smiles in molecules():
            molecule = Chem.MolFromSmiles(smiles)
            lipophilicity, surface = Crippen.MolLogP(molecule), rdMolDescriptors.CalcTPSA(molecule)
            value = 1.7 - 0.4 * lipophilicity + 0.004 * surface + chance.gauss(0.0, 0.18)
            writer.writerow((smiles, f"{value:.3f}"))
    print(f"{TARGET}: made")


if __name__ == "__main__":
    main()
