"""The words of the command line that all parts share."""

import argparse
from pathlib import Path

import pytest

from benchmarks.settings import QUICK, Settings, add_common, out_folder, run, settings_of
from freeloc.errors import FreelocError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_common(parser)
    return parser.parse_args(words)


def test_a_quick_run_never_takes_the_place_of_real_figures() -> None:
    assert out_folder(parsed()) == Path("docs")
    assert out_folder(parsed("--quick")) == Path("build/bench")
    assert out_folder(parsed("--quick", "--out", "here")) == Path("here")
    assert settings_of(parsed("--quick")) == QUICK
    assert settings_of(parsed()) == Settings()


def test_a_mistake_ends_with_one_sentence() -> None:
    def fails() -> None:
        raise FreelocError("there is no such folder")

    with pytest.raises(SystemExit, match=r"^error: there is no such folder$"):
        run(fails)
