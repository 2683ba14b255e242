"""The names that users import from ``freeloc``: all exist, and none is loaded before it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import freeloc

ALL: list[str] = freeloc.__all__  # type: ignore[attr-defined] # computed on demand from the stub


def run_python(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted({*ALL} - {"__version__"}))
def test_every_public_name_is_defined_documented_and_exported(name: str) -> None:
    found = getattr(freeloc, name)
    home = sys.modules[found.__module__]
    assert getattr(home, name) is found
    assert name in home.__all__
    assert found.__doc__


def test_the_promised_names_are_public() -> None:
    promised = """
        Box ClassLocation Localization Localizer ModelCard Peak Recipe TrainingSettings calibrate evaluate
        EvaluationOptions list_models open_dataset predict_files quantize release train FreelocError ImageError
        DatasetError ModelError ConfigurationError __version__
    """
    assert set(promised.split()) <= set(ALL)
    assert ALL == sorted(ALL) == dir(freeloc)
    assert freeloc.__version__ == version("freeloc")


def test_a_star_import_gives_every_name() -> None:
    run_python("from freeloc import *\nassert Localizer and train and FreelocError and __version__")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="attribute magic"):
        _ = freeloc.magic  # type: ignore[attr-defined]
    assert not hasattr(freeloc, "magic")


def test_importing_loads_nothing_heavy() -> None:
    run_python(
        """
import sys
before = set(sys.modules)
import freeloc
assert set(sys.modules) - before <= {"freeloc", "__future__"}, set(sys.modules) - before
heavy = {"torch", "openvino", "numpy", "PIL", "safetensors", "rich", "typer"}
freeloc.FreelocError
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
freeloc.open_dataset, freeloc.Localizer
assert not {"torch", "openvino"} & sys.modules.keys()
"""
    )
