"""What a fuzzer needs to know about the files that it fuzzes."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random
from typing import ClassVar

__all__ = ["TARGETS", "Finding", "Target", "load_target", "require"]

TARGETS = {
    "labels": "tests.fuzz.labels:Labels",
    "detections": "tests.fuzz.detections:ResultFiles",
    "images": "tests.fuzz.images:Images",
    "videos": "tests.fuzz.videos:Videos",
    "models": "tests.fuzz.models:Models",
    "weights": "tests.fuzz.weights:Weights",
    "features": "tests.fuzz.caches:Features",
    "graphs": "tests.fuzz.caches:Graphs",
    "checkpoints": "tests.fuzz.caches:Checkpoints",
    "arrays": "tests.fuzz.caches:PaperArrays",
    "manifests": "tests.fuzz.manifests:Manifests",
}
"""The location of each target by name."""


class Target(ABC):
    """One kind of file: how to make damaged ones, and how freeloc uses them.

    Attributes:
        memory: address space, in bytes, that a case may use in addition to that of the prepared process.
    """

    memory: ClassVar[int] = 3 * 2**30

    def prepare(self, folder: Path) -> None:  # noqa: B027 - most targets have nothing to prepare
        """Make what all cases share; called once in each process.

        Args:
            folder: an empty folder, which is not deleted before the process ends.
        """

    @abstractmethod
    def make(self, rng: Random, folder: Path) -> None:
        """Write the files of one case into an empty folder; ``rng`` determines their content."""

    @abstractmethod
    def use(self, rng: Random, folder: Path) -> None:
        """Open the files of one case, without changing them, and use the result.

        Args:
            rng: determines the options.
            folder: the folder that `make` filled.

        Raises:
            FreelocError: freeloc refused the files.
            Finding: a result is wrong. Any other exception is a finding, too.
        """


class Finding(Exception):
    """A result that contradicts what freeloc promises."""


def require(condition: object, message: str) -> None:
    """Raise a `Finding` unless a condition holds."""
    if not condition:
        raise Finding(message)


def load_target(name: str) -> Target:
    """Return a target by its name in `TARGETS`, or by its location ``package.module:Class``."""
    module, _, attribute = TARGETS.get(name, name).partition(":")
    target: Target = getattr(importlib.import_module(module), attribute)()
    return target
