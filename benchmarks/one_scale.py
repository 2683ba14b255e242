"""freeloc against class activation maps on the same backbone and head: speed, and where the points fall.

Everybody starts from the decoded image, resizes it to the same canvas, and ends with a point for every class
that was asked for. One image at a time on all cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.machine import usable_cores
from benchmarks.peers import Peer, PytorchGradCam, TorchCam, open_peers
from benchmarks.settings import Settings
from benchmarks.subject import Subject, Truth
from benchmarks.timing import Task, interleaved
from freeloc.datasets import PRESENT, Sample
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import print_status, track

__all__ = ["ALL_SCALES", "INT8", "ONE_CLASS", "ONE_SCALE", "measure_accuracy", "measure_speed"]

ONE_SCALE = "freeloc, one scale"
ALL_SCALES = "freeloc, all scales"
INT8 = " in int8"
"""Behind freeloc's name: by the model's int8 network."""
ONE_CLASS = " (one class)"
"""Behind a peer's name: only one class was asked for."""


def measure_speed(subject: Subject, settings: Settings) -> dict[str, Any]:
    """Milliseconds an image for all K classes at one scale, and more.

    Returns:
        Milliseconds of each way; how many times longer than freeloc's one scale each takes; and the peers' time
        for a single class over freeloc's for all classes at all scales; both for every precision of freeloc. Peers
        that could not be measured are named under "problems".
    """
    torch.set_num_threads(usable_cores())
    images = [load_image(path) for path in subject.paths(settings.peers)]
    everything = list(range(len(subject.model.header.classes)))
    model, backbone = subject.model, subject.backbone
    peers, problems = open_peers(
        [
            lambda: TorchCam(model, backbone, tuned=True),
            lambda: TorchCam(model, backbone, tuned=False),
            lambda: PytorchGradCam(model, backbone, tuned=True),
            lambda: PytorchGradCam(model, backbone, tuned=True, batched=True),
            lambda: PytorchGradCam(model, backbone, tuned=False),
        ]
    )
    for problem in problems:
        print_status(problem)
    ours = _localizers(subject)
    tasks: dict[str, Task] = {name: _predicting(localizer, images) for name, localizer in ours.items()}
    for peer in peers:
        tasks[peer.name] = _looking(peer, images, everything)
        if "batch" not in peer.name:
            tasks[peer.name + ONE_CLASS] = _looking(peer, images, everything[:1])
    timings = interleaved(tasks, rounds=settings.rounds, warm_ups=_short(tasks, peers, images))
    per_class = [name for name in tasks if name.endswith(ONE_CLASS)]
    others = [name for name in tasks if name not in ours and name not in per_class]
    return {
        "images": len(images),
        "rounds": settings.rounds,
        "ms_per_image": timings.as_json(1e3 / len(images)),
        "times_faster": {
            own: {name: timings.ratio(name, own).as_json() for name in others}
            for own in ours
            if own.startswith(ONE_SCALE)
        },
        "all_scales_against_one_class": {
            own: {name: timings.ratio(name, own).as_json() for name in per_class}
            for own in ours
            if own.startswith(ALL_SCALES)
        },
        "problems": problems,
    }


def measure_accuracy(subject: Subject, settings: Settings) -> dict[str, Any]:
    """Location AP of the peers' points beside freeloc's, on the same images.

    A peer is asked only for the classes that are there: its points elsewhere do not enter the measure, while its
    scores do, for every class.
    """
    samples = subject.dataset.samples[: settings.accuracy]
    truth = Truth.of(samples)
    peers, problems = open_peers(
        [
            lambda: TorchCam(subject.model, subject.backbone, tuned=True),
            lambda: PytorchGradCam(subject.model, subject.backbone, tuned=True),
        ]
    )
    rows = {
        name: _measured(truth, *_freeloc_points(localizer, samples, name))
        for name, localizer in _localizers(subject).items()
    }
    for peer in peers:
        rows[peer.name] = _measured(truth, *_peer_points(peer, samples))
    return {"images": len(samples), "rows": rows, "problems": problems}


def _localizers(subject: Subject) -> dict[str, Localizer]:
    """What freeloc offers, by name."""
    ours = {ONE_SCALE: subject.localizer((1.0,)), ALL_SCALES: subject.localizer()}
    if subject.has_int8:
        ours[ONE_SCALE + INT8] = subject.localizer((1.0,), "int8")
        ours[ALL_SCALES + INT8] = subject.localizer(precision="int8")
    return ours


def _measured(truth: Truth, points: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> dict[str, float]:
    return {
        "location": round(truth.location(points, scores), 2),
        "classification": round(truth.classification(scores), 2),
    }


def _freeloc_points(
    localizer: Localizer, samples: Sequence[Sample], name: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    results = localizer.predict_many(sample.path for sample in samples)
    found = [(result.points, result.scores) for result in track(results, name, len(samples))]
    points, scores = zip(*found, strict=True)
    return np.stack(points), np.stack(scores)


def _peer_points(peer: Peer, samples: Sequence[Sample]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    points, scores = [], []
    for sample in track(samples, peer.name, len(samples)):
        present = [int(index) for index in np.flatnonzero(sample.labels == PRESENT)]
        here = np.full((len(sample.labels), 2), np.nan)
        # Without a class to point at, the scores are still wanted.
        score, found = peer.look(load_image(sample.path), present or [0])
        if present:
            here[present] = found
        points.append(here)
        scores.append(score)
    return np.stack(points), np.stack(scores)


def _predicting(localizer: Localizer, images: Sequence[np.ndarray[Any, Any]]) -> Task:
    return lambda: [localizer.predict(image) for image in images]


def _looking(peer: Peer, images: Sequence[np.ndarray[Any, Any]], classes: Sequence[int]) -> Task:
    return lambda: [peer.look(image, classes) for image in images]


def _short(
    tasks: dict[str, Task], peers: Sequence[Peer], images: Sequence[np.ndarray[Any, Any]]
) -> dict[str, Task]:
    """Warm-ups: the tasks themselves, but a peer's all-classes task only for one class."""
    return {**tasks, **{peer.name: _looking(peer, images, [0]) for peer in peers}}
