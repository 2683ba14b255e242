"""Ctrl-C: at any time, the program ends with exit code 130 and without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freeloc.cli import interrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX systems")

PROGRAM = """
import atexit, os, signal, sys
from importlib.abc import MetaPathFinder

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background has not

def press():
    os.kill(os.getpid(), signal.SIGINT)

class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == MODULE:
            press()

MODULE = sys.argv.pop(1)
if MODULE == "the end":
    atexit.register(press)
else:
    atexit.register(os.abort)  # as threads of torch do now and then while it is unloaded
sys.meta_path.insert(0, Interrupting())
from freeloc.cli import main
main()
"""


def interrupt(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run ``freeloc WORDS``, and press Ctrl-C when the program is about to import a module."""
    command = [sys.executable, "-c", PROGRAM, module, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module", ["freeloc.cli.program", "typer", "shellingham", "freeloc.errors", "the end"]
)
def test_while_the_program_starts_and_ends(module: str) -> None:
    done = interrupt(module, "--version")
    assert (done.returncode, done.stderr) == (130, "freeloc: interrupted\n")


@pytest.mark.parametrize(
    "module", ["freeloc.inference.localizer", "numpy", "numpy.linalg", "PIL.Image", "openvino"]
)
def test_while_a_command_loads_its_libraries(module: str, tmp_path: Path) -> None:
    """NumPy, for example, would turn the exception into an ImportError."""
    image = Path(__file__).parents[2] / "docs" / "everyday.jpg"
    done = interrupt(module, "predict", "voc20", image, "--out", tmp_path / "out")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "freeloc: interrupted"  # nothing has been stored
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


# --- in this process ---------------------------------------------------------------------------------------


@pytest.fixture
def _interruptible() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_another_exception_after_ctrl_c(freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("an extension module failed") from error

    monkeypatch.setattr("freeloc.models.catalog.list_models", stopped)
    answer = freeloc("models")
    assert (answer.code, answer.out, answer.err) == (130, "", "freeloc: interrupted\n")


@pytest.mark.usefixtures("_interruptible")
def test_an_exception_that_python_ignores_is_raised_again(
    freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def stopped(*_: object, **__: object) -> None:
        ended = [Ended()]
        ended.clear()
        while True:
            pass

    monkeypatch.setattr("freeloc.models.catalog.list_models", stopped)
    answer = freeloc("models")
    assert (answer.code, answer.out, answer.err) == (130, "", "freeloc: interrupted\n")


def test_a_job_in_the_background_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.end_at_once()
        interrupts.raise_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
