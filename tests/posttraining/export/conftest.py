"""A small model and its exported files, which several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freeloc.nn.backbones.registry import BACKBONES
from freeloc.posttraining.export.export_model import export_model
from tests.packages import installed, write_package
from tests.posttraining.export.small_model import SmallBackbone, small_model

LOADER = """
from tests.posttraining.export.small_model import SmallBackbone

def load(name, weights=None):
    return SmallBackbone(name)
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a small model, whose backbone comes from another package."""
    folder = tmp_path_factory.mktemp("export")
    write_package(
        folder / "site", "small_package", LOADER, {"freeloc.backbones": {"small": "small_package:load"}}
    )
    small_model(SmallBackbone()).save(folder / "run" / "model.safetensors")
    return folder / "run"


@pytest.fixture(scope="module", autouse=True)
def _small_package(run: Path) -> Iterator[None]:
    """Install that package, for the tests of one module: those of other folders must not see it."""
    with installed(run.parent / "site", "small_package", BACKBONES):
        yield


@pytest.fixture(scope="session")
def files(run: Path) -> Path:
    """A folder with ``small.onnx``, ``small.xml`` and ``small.bin``, exported at one scale."""
    folder = run.parent / "files"
    with installed(run.parent / "site", "small_package", BACKBONES):
        written = export_model(run, onnx=folder / "small.onnx", openvino=folder / "small.xml", preset="fast")
    assert [path.name for path in written] == ["small.onnx", "small.xml", "small.bin"]
    assert sorted(path.name for path in folder.iterdir()) == ["small.bin", "small.onnx", "small.xml"]
    return folder
