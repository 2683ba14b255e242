"""Fixtures shared by the tests and by the examples in docstrings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.example_files import write_example_files

# Two test processes, each with as many threads as processors, otherwise spend most of their time waiting for each
# other in loops. OpenMP reads this when it is loaded (with torch); programs that tests start inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a test process per core, and each would split its small tensors among all cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_SHARE_SLOW_SETUP = ("tests/benchmarks/", "tests/paper/")
"""Folders in which several files use one slow fixture, so that all their tests run in one process."""


def _group(nodeid: str) -> str:
    """Return the name of the tests that run in the same process as a test."""
    folder = next((name for name in _SHARE_SLOW_SETUP if nodeid.startswith(name)), None)
    return folder or nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files over the processes, and whole folders where tests share slow fixtures."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # by number of tests, which says little about their time
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = _group  # noqa: SLF001 - xdist has no public way
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In several processes, begin with the groups that have the most slow tests, so that none waits at the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = Counter(_group(item.nodeid) for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[_group(item.nodeid)])


@pytest.fixture(scope="session", autouse=True)
def _user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests out of the user's caches and models; one cache per session, so graphs are converted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREELOC_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.delenv("FREELOC_MODELS", raising=False)
        yield


@pytest.fixture(scope="session")
def _example_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_example_files(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_example_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the examples of docstrings in a folder that contains their files."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("_example_files"))
