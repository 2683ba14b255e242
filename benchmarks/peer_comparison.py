"""Speed and accuracy of freeloc and of the other packages in `benchmarks.peers`, measured in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.machine import usable_cores
from benchmarks.onnx_cam import OnnxCam
from benchmarks.peers import Peer, PytorchGradCam, TorchCam, open_peers
from benchmarks.timing import Task, interleaved
from benchmarks.workload import Amounts, Evaluator, Workload
from benchmarks.yolo import Yolo
from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.datasets import PRESENT, Dataset
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import print_status, track

__all__ = ["ALL_SCALES", "INT8", "ONE_CLASS", "ONE_SCALE", "measure_accuracy", "measure_speed"]

ONE_SCALE = "freeloc, one scale"
ALL_SCALES = "freeloc, all scales"
INT8 = ", int8"
"""Appended to freeloc's name if the model's int8 network is used."""
ONE_CLASS = " (one class)"
"""Appended to a peer's name if it computes only one class."""


def measure_speed(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Time freeloc and the peers, one image at a time on all cores, from the decoded image to a point per class.

    Args:
        workload: model and images.
        amounts: number of images and rounds.

    Returns:
        Milliseconds per image; freeloc's speedup at one scale for all K classes; and its speedup at all
        scales for all classes over a peer at one scale for one class. The last two are measured for each of
        freeloc's precisions. "problems" lists the peers that could not be measured.
    """
    torch.set_num_threads(usable_cores())
    images = [load_image(path) for path in workload.paths(amounts.peers)]
    classes = list(range(len(workload.model.header.classes)))
    model, backbone = workload.model, workload.backbone
    peers, problems = open_peers(
        [
            lambda: TorchCam(model, backbone, tuned=True),
            lambda: TorchCam(model, backbone, tuned=False),
            lambda: PytorchGradCam(model, backbone, tuned=True),
            lambda: PytorchGradCam(model, backbone, tuned=True, batched=True),
            lambda: PytorchGradCam(model, backbone, tuned=False),
            lambda: OnnxCam(backbone, len(classes)),
            lambda: Yolo(backbone, len(classes)),
        ]
    )
    for problem in problems:
        print_status(problem)
    localizers = _localizers(workload)
    tasks = {name: _for_all(images, localizer.predict) for name, localizer in localizers.items()}
    warm_ups = dict(tasks)
    for peer in peers:
        one_class = _for_all(images, partial(peer.locate, classes=classes[:1]))
        tasks[peer.name] = _for_all(images, partial(peer.locate, classes=classes))
        warm_ups[peer.name] = one_class
        if not peer.computes_all:
            tasks[peer.name + ONE_CLASS] = warm_ups[peer.name + ONE_CLASS] = one_class
    timings = interleaved(tasks, rounds=amounts.rounds, warm_ups=warm_ups)

    def speedup(of: str, over: list[str]) -> dict[str, Any]:
        names = [name for name in localizers if name.startswith(of)]
        return {name: {other: timings.ratio(other, name).to_dict() for other in over} for name in names}

    return {
        "images": len(images),
        "rounds": amounts.rounds,
        "ms_per_image": timings.to_dict(1e3 / len(images)),
        "speedup": speedup(ONE_SCALE, [peer.name for peer in peers]),
        "all_scales_over_one_class": speedup(
            ALL_SCALES, [name for name in tasks if name.endswith(ONE_CLASS)]
        ),
        "problems": problems,
    }


def measure_accuracy(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Compute location and classification AP of freeloc and of the peers on the same images."""
    dataset = workload.first(amounts.accuracy)
    evaluator = Evaluator.of(dataset)
    peers, problems = open_peers(
        [
            lambda: TorchCam(workload.model, workload.backbone, tuned=True),
            lambda: PytorchGradCam(workload.model, workload.backbone, tuned=True),
        ]
    )
    rows = {
        name: _accuracy(evaluator, *_freeloc_points(localizer, dataset, name))
        for name, localizer in _localizers(workload).items()
    }
    for peer in peers:
        rows[peer.name] = _accuracy(evaluator, *_peer_points(peer, dataset))
    return {"images": len(dataset), "rows": rows, "problems": problems}


def _localizers(workload: Workload) -> dict[str, Localizer]:
    localizers = {ONE_SCALE: workload.localizer((1.0,)), ALL_SCALES: workload.localizer()}
    if workload.has_int8:
        localizers[ONE_SCALE + INT8] = workload.localizer((1.0,), "int8")
        localizers[ALL_SCALES + INT8] = workload.localizer(precision="int8")
    return localizers


def _accuracy(evaluator: Evaluator, points: Float64Array, scores: Float32Array) -> dict[str, float]:
    return {
        "location": round(evaluator.location(points, scores), 2),
        "classification": round(evaluator.classification(scores), 2),
    }


def _freeloc_points(localizer: Localizer, dataset: Dataset, name: str) -> tuple[Float64Array, Float32Array]:
    results = localizer.predict_many(sample.path for sample in dataset)
    found = [(result.points, result.scores) for result in track(results, name, len(dataset))]
    points, scores = zip(*found, strict=True)
    return np.stack(points), np.stack(scores)


def _peer_points(peer: Peer, dataset: Dataset) -> tuple[Float64Array, Float32Array]:
    """Return (N, K, 2) points of the present classes, which are all that the metric uses, and (N, K) scores."""
    points, scores = [], []
    for sample in track(dataset.samples, peer.name, len(dataset)):
        present = [int(index) for index in np.flatnonzero(sample.labels == PRESENT)]
        of_image = np.full((len(sample.labels), 2), np.nan)
        # Without present classes, any class serves to compute the scores.
        score, found = peer.locate(load_image(sample.path), present or [0])
        if present:
            of_image[present] = found
        points.append(of_image)
        scores.append(score)
    return np.stack(points), np.stack(scores)


def _for_all(images: Sequence[Uint8Array], function: Callable[[Uint8Array], object]) -> Task:
    return lambda: [function(image) for image in images]
