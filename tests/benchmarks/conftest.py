"""The benchmarks lie beside the package, not in it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Benchmarks set torch's threads; other tests shall not notice."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
