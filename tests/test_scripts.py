"""Every validation and benchmark loads: a name that was moved in the house fails here, not when somebody measures."""

import importlib
import pkgutil

import pytest

import benchmarks
import validation

OWN = ("salus", "validation", "benchmarks")
MODULES = sorted(
    module.name
    for package in (benchmarks, validation)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_script_loads(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] in OWN:
            raise
        pytest.skip(f"needs {error.name}")
