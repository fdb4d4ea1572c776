"""Entry points name light modules: listing the methods must not load numpy."""

from __future__ import annotations

import subprocess
import sys


def test_naming_the_methods_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from salus.monitoring.method_ecg_rate import ECG_RATE\n"
        "from salus.monitoring.method_home_blood_pressure import HOME_BLOOD_PRESSURE\n"
        "from salus.monitoring.method_news2 import NEWS2\n"
        "assert {m.id for m in (ECG_RATE, HOME_BLOOD_PRESSURE, NEWS2)} == "
        "{'monitoring.ecg-rate', 'monitoring.home-blood-pressure', 'monitoring.news2'}\n"
        "print(sorted({'numpy', 'scipy', 'soundfile'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
