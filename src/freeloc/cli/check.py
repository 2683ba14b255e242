"""``freeloc check``."""

from __future__ import annotations

from freeloc.cli.options import Classes, Data, Format, Images, MinusOne, Quiet, SkipBad, Split
from freeloc.cli.training_data import describe, open_for_training

__all__ = ["check"]


def check(
    data: Data,
    split: Split = None,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    format_: Format = "auto",
    images: Images = None,
    minus_one: MinusOne = None,
) -> None:
    """Check that a dataset is ready for training, and list its classes, or all problems if there are any."""
    from freeloc.datasets import PRESENT
    from freeloc.io.terminal import print_result

    dataset = open_for_training(
        data, split, format_, images, classes, skip_bad=skip_bad, quiet=quiet, minus_one=minus_one
    )
    print_result(describe(dataset))
    for name, count in zip(dataset.classes, (dataset.labels == PRESENT).sum(axis=0), strict=True):
        print_result(f"{count:8d}  {name}")
