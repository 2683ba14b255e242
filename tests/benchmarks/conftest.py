"""Fixtures of the benchmarks, which are not part of the package."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks.saved_results import sections_of

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    """Restore torch's number of threads, which benchmarks change, also those that run in fixtures of a module."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def suite(tiny_coco: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a quick run of the whole suite, on six scenes, with an int8 network if nncf is installed."""
    from benchmarks.__main__ import main

    model = request.getfixturevalue("tiny_int8" if importlib.util.find_spec("nncf") else "tiny_run")

    before = torch.get_num_threads()
    out = tmp_path_factory.mktemp("bench")
    words = ["--quick", "--data", str(tiny_coco), "--split", "instances", "--train-split", "instances"]
    main([*words, "--model", str(model), "--backbone", "lite0", "--out", str(out)])
    torch.set_num_threads(before)
    return out


@pytest.fixture(scope="session")
def results(suite: Path) -> dict[str, Any]:
    """All sections of the quick run."""
    return sections_of(suite)
