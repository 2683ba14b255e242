"""Check that something can be learned about each class of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from freeloc.datasets.dataset import ABSENT, PRESENT
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import ProblemKind
from freeloc.datasets.sample_draft import SampleDraft

__all__ = ["check_class_balance"]


def check_class_balance(
    classes: tuple[str, ...], samples: Iterable[SampleDraft], options: OpenOptions
) -> Iterator[tuple[ProblemKind, str]]:
    """Yield a kind of problem and a message for each class that is present in no image or in every image.

    Images with problems count unless they are left out: a class is not empty if its images only need fixing.
    """
    rows = [
        sample.labels
        for sample in samples
        if len(sample.labels) == len(classes) and not (sample.bad and options.skip_bad)
    ]
    labels = np.array(rows, np.int8).reshape(len(rows), len(classes))
    present, absent = (labels == PRESENT).any(axis=0), (labels == ABSENT).any(axis=0)
    for name, is_present, is_absent in zip(classes, present, absent, strict=True):
        if not is_present:
            yield "empty_class", f"class {name!r} has no images: add some, or choose classes without it"
        elif not is_absent:
            yield (
                "full_class",
                f"class {name!r} is in every image: add images without it, or choose classes without it",
            )
