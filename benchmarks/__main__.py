"""Run every benchmark in turn: ``python -m benchmarks``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Exit status 1 when any benchmark breaks."""
    failed = 0
    for path in sorted(HERE.glob("*/*.py")):
        if path.stem.startswith("_"):
            continue
        name = f"benchmarks.{path.parent.name}.{path.stem}"
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", name], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
