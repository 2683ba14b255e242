"""How much is measured, and the words of the command line that all parts share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import TEST_SCALES
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE

__all__ = ["QUICK", "Settings", "add_common", "out_folder", "run", "settings_of"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers of images and rounds.

    Attributes:
        rounds: how often everything compared is run.
        throughput: images a round of the throughput comparison.
        peers: images a round of the comparison with the peers.
        cost: images a round where stages and scales are timed.
        accuracy: images on which points and scores are compared.
        ceiling: how often the machine's ceiling is tried.
        matrix_side: rows and columns of the ceiling's matrices.
        scales: the scales an image is looked at.
    """

    rounds: int = 5
    throughput: int = 16
    peers: int = 3
    cost: int = 8
    accuracy: int = 200
    ceiling: int = 5
    matrix_side: int = 2048
    scales: tuple[float, ...] = TEST_SCALES


QUICK = Settings(
    rounds=1, throughput=1, peers=1, cost=1, accuracy=3, ceiling=1, matrix_side=512, scales=(0.5, 0.7, 1.0)
)
"""Enough to see that all of it works; the figures mean nothing."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every part has."""
    parser.add_argument(
        "--data", type=Path, help="annotated data set; default: voc below FREELOC_TEST_DATA", metavar="FOLDER"
    )
    parser.add_argument("--split", default="val", help="its split (default: val)")
    parser.add_argument(
        "--backbone", default=DEFAULT_BACKBONE, help="backbone of a fresh head, where no model is given"
    )
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--quick", action="store_true", help="a few images: does it run?")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of benchmarks.json and benchmarks.md (default: docs; --quick: build/bench)",
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What ``--quick`` asks for."""
    return QUICK if arguments.quick else Settings()


def out_folder(arguments: argparse.Namespace) -> Path:
    """Where results go: figures of a quick run never take the place of real ones."""
    if arguments.out is not None:
        return Path(arguments.out)
    return Path("build/bench" if arguments.quick else "docs")


def run(main: Callable[[], None]) -> None:
    """Run a part as a program: a mistake of the user ends it with one sentence."""
    try:
        main()
    except FreelocError as error:
        raise SystemExit(f"error: {error}") from error
