"""Images per second, from file to points: freeloc against the same model as a plain torch loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.baseline import PlainTorch
from benchmarks.machine import usable_cores
from benchmarks.settings import Settings
from benchmarks.subject import Subject
from benchmarks.timing import Task, interleaved
from freeloc.inference.localizer import Localizer

__all__ = ["FREELOC", "FREELOC_INT8", "PLAIN", "TUNED", "measure_throughput"]

FREELOC = "freeloc, predict_many"
FREELOC_INT8 = "freeloc int8, predict_many"
PLAIN = "torch float32 eager, padded to squares"
TUNED = "torch float32 eager, freeloc's canvases, channels-last weights"


def measure_throughput(subject: Subject, settings: Settings) -> dict[str, Any]:
    """Look at many images at all scales for all classes.

    Returns:
        Images a round, milliseconds an image of each way, and how many times freeloc is faster, in
        floats and, where the model carries an int8 network, in int8.
    """
    torch.set_num_threads(usable_cores())
    images = subject.paths(settings.throughput)
    ours = {FREELOC: subject.localizer()}
    if subject.has_int8:
        ours[FREELOC_INT8] = subject.localizer(precision="int8")
    plain = PlainTorch(subject.model, subject.backbone, scales=subject.scales)
    tuned = PlainTorch(
        subject.model,
        subject.backbone,
        scales=subject.scales,
        padding=subject.model.header.padding,
        channels_last=True,
    )
    tasks: dict[str, Task] = {
        **{name: _predicting(localizer, images) for name, localizer in ours.items()},
        PLAIN: lambda: _exhaust(plain.predict(image) for image in images),
        TUNED: lambda: _exhaust(tuned.predict(image) for image in images),
    }
    warm_ups: dict[str, Task] = {
        **{name: tasks[name] for name in ours},  # their streams must all have seen their shapes
        PLAIN: lambda: plain.predict(images[0]),
        TUNED: lambda: tuned.predict(images[0]),
    }
    timings = interleaved(tasks, rounds=settings.rounds, warm_ups=warm_ups)
    return {
        "images": len(images),
        "rounds": settings.rounds,
        "ms_per_image": timings.as_json(1e3 / len(images)),
        "times_faster": {
            own: {name: timings.ratio(name, own).as_json() for name in (PLAIN, TUNED)} for own in ours
        },
    }


def _predicting(localizer: Localizer, images: Sequence[Path]) -> Task:
    return lambda: _exhaust(localizer.predict_many(images))


def _exhaust(items: Iterable[object]) -> None:
    deque(items, maxlen=0)
