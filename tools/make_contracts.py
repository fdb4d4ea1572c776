"""Make the ABI and bytecode of the contracts in ``src/salus/trust/contracts`` from their Solidity.

    npm install --ignore-scripts solc@0.8.37     (anywhere; the compiler is WebAssembly and runs on Node)
    python tools/make_contracts.py --solc FOLDER/node_modules/solc [--check]

Writes ``NAME.json`` beside each ``NAME.sol``: compiler and settings, SHA-256 of the source, ABI and bytecode without
a metadata hash, so that the same source gives the same bytes anywhere. ``--check`` compares instead and writes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[1] / "src" / "salus" / "trust" / "contracts"
SETTINGS = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "paris",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
}
"""``paris`` is understood by chains that know no newer rules."""
NODE = """
const solc = require(process.argv[1]);
const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', () => process.stdout.write(JSON.stringify({
  version: solc.version(), output: JSON.parse(solc.compile(Buffer.concat(chunks).toString()))})));
"""


def compiled(source: Path, solc: Path) -> dict[str, object]:
    """What is committed of one contract. Exits with the compiler's words where it does not compile."""
    text = source.read_bytes()
    request = {
        "language": "Solidity",
        "sources": {source.name: {"content": text.decode("utf-8")}},
        "settings": SETTINGS,
    }
    done = subprocess.run(
        ["node", "-e", NODE, str(solc.resolve())], input=json.dumps(request).encode(), capture_output=True, check=True
    )
    answer = json.loads(done.stdout)
    if told := answer["output"].get("errors"):
        sys.exit("\n".join(e["formattedMessage"] for e in told))
    ((_, contract),) = answer["output"]["contracts"][source.name].items()
    return {
        "source": source.name,
        "sha256": hashlib.sha256(text).hexdigest(),
        "compiler": f"solc {answer['version']}",
        "settings": {k: v for k, v in SETTINGS.items() if k != "outputSelection"},
        "licence": "Apache-2.0",
        "abi": contract["abi"],
        "bytecode": f"0x{contract['evm']['bytecode']['object']}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--solc", type=Path, required=True, help="folder of the npm package solc")
    parser.add_argument("--check", action="store_true", help="compare with what is there")
    arguments = parser.parse_args()
    other = []
    for source in sorted(CONTRACTS.glob("*.sol")):
        written = json.dumps(compiled(source, arguments.solc), indent=1) + "\n"
        target = source.with_suffix(".json")
        if not arguments.check:
            target.write_text(written, "utf-8")
        elif not target.exists() or target.read_text("utf-8") != written:
            other.append(target.name)
        print(f"{source.name}: {len(written)} bytes")
    if other:
        sys.exit(f"not what the compiler makes of the source: {', '.join(other)}")


if __name__ == "__main__":
    main()
