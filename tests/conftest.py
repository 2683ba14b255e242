"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def _photographs(folder: str) -> Path:
    root = os.environ.get("FREELOC_TEST_DATA")
    if not root:
        pytest.skip("FREELOC_TEST_DATA does not name a folder with the real photographs")
    path = Path(root) / folder
    if not path.is_dir():
        pytest.skip(f"FREELOC_TEST_DATA has no folder {folder}")
    return path.resolve()


@pytest.fixture(scope="session")
def voc_root() -> Path:
    """The Pascal VOC photographs in the devkit's layout."""
    return _photographs("voc")


@pytest.fixture(scope="session")
def coco_root() -> Path:
    """The COCO photographs with their instances JSON."""
    return _photographs("coco")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep caches of tests out of the user's cache folder; one per session, so graphs are converted once."""
    before = os.environ.get("FREELOC_CACHE")
    os.environ["FREELOC_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FREELOC_CACHE"]
    else:
        os.environ["FREELOC_CACHE"] = before
