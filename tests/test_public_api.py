"""The names a user imports from ``freeloc``: all there, and none loaded before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import freeloc


@pytest.mark.parametrize("name", freeloc.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(freeloc, name)
    home = sys.modules[found.__module__]
    assert getattr(home, name) is found
    assert name in home.__all__
    assert found.__doc__


def test_the_list_of_names_is_one_list() -> None:
    assert sorted(freeloc.__all__) == freeloc.__all__ == dir(freeloc) == sorted(freeloc._HOMES)
    # What type checkers see is what the program gives.
    tree = ast.parse(Path(freeloc.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        for alias in node.names
        if isinstance(node, ast.ImportFrom)
    }
    assert seen == freeloc._HOMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'magic'"):
        _ = freeloc.magic
    assert not hasattr(freeloc, "magic")


def test_importing_loads_nothing_heavy() -> None:
    code = """
import sys, freeloc
heavy = {"torch", "openvino", "numpy", "PIL", "safetensors", "rich", "typer"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
freeloc.FreelocError, freeloc.open_dataset
assert not {"torch", "openvino"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
