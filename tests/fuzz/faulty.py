"""Targets with one fault each, which the fuzzer must find."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from pathlib import Path
from random import Random

from freeloc.errors import DatasetError
from tests.fuzz.target import Target, require

__all__ = ["Crashing", "Faulty", "Hanging", "Keeping"]


class Crashing(Target):
    """Every third case ends the process, as a fault in a native library would."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write a number."""
        (folder / "number").write_text(str(rng.randrange(3)))

    def use(self, rng: Random, folder: Path) -> None:
        """Crash if the number is 0."""
        if (folder / "number").read_text() == "0":
            os.kill(os.getpid(), signal.SIGSEGV)


class Hanging(Target):
    """Every case takes an hour."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write nothing."""

    def use(self, rng: Random, folder: Path) -> None:
        """Wait."""
        time.sleep(3600)


class Keeping(Target):
    """Every case leaves more memory in use than half a case may need."""

    memory = 100 * 2**20

    def __init__(self) -> None:
        self._kept: list[bytearray] = []

    def make(self, rng: Random, folder: Path) -> None:
        """Write nothing."""

    def use(self, rng: Random, folder: Path) -> None:
        """Keep some memory."""
        self._kept.append(bytearray(60 * 2**20))


class Faulty(Target):
    """The fault is the one that the case's file names."""

    fault = ""

    def make(self, rng: Random, folder: Path) -> None:
        """Write the name of the fault."""
        (folder / "fault").write_text(self.fault)

    def use(self, rng: Random, folder: Path) -> None:
        """Do what is wrong."""
        fault = (folder / "fault").read_text()
        if fault == "exception":
            dict[str, str]()["key"]
        elif fault == "exit":
            raise SystemExit(0)
        elif fault == "wrong result":
            require(False, "1 + 1 is 3")
        elif fault == "warning":
            warnings.warn("overflow encountered", RuntimeWarning, stacklevel=1)
        elif fault == "native message":
            os.write(2, b"libfoo: bad tag\n")
        elif fault == "two lines":
            error = DatasetError("one line")
            error.args = ("one line\nanother",)
            raise error
        elif fault == "escape":
            error = DatasetError("one line")
            error.args = ("\x1b[31mred",)
            raise error
        elif fault == "log":
            logging.getLogger("freeloc.datasets").warning("left out \x1b[31m")
        elif fault == "refusal":
            raise DatasetError("the file is damaged: copy it again")
