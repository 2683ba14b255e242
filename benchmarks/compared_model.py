"""Command line of the benchmarks that compare two results of one model on annotated images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workload import positive
from freeloc.datasets import Dataset, open_dataset
from freeloc.inference.localizer import Localizer
from freeloc.metrics import Interval

__all__ = ["open_model_and_data", "percent"]


def open_model_and_data(
    module: str, description: str | None, arguments: Sequence[str] | None
) -> tuple[Localizer, Dataset]:
    """Return the model and the annotated images that the command line names; the images have the model's classes.

    Args:
        module: name of the benchmark's module.
        description: text of the help.
        arguments: words of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="trained model")
    parser.add_argument("--data", type=Path, required=True, help="annotated dataset")
    parser.add_argument("--split", default="val", help="split of the dataset (default: val)")
    parser.add_argument("--images", type=positive, help="number of images (default: all)")
    parser.add_argument("--precision", default="auto", help="precision of the network (default: auto)")
    chosen = parser.parse_args(arguments)
    localizer = Localizer(chosen.model, precision=chosen.precision)
    dataset = open_dataset(chosen.data, split=chosen.split, boxes=True, classes=localizer.classes)
    return localizer, dataset if chosen.images is None else dataset[: chosen.images]


def percent(value: Interval) -> str:
    """Return an interval of fractions in percent."""
    return f"{100 * value.estimate:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}]"
