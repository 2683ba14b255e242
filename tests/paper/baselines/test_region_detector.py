"""The detector trained on boxes: training examples, detections, and caching."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from freeloc._typing import Float32Array, Float64Array
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import FreelocError
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.features.extract import extract
from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.metrics import Detections, detection_ap
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper.baselines import (
    DetectorOptions,
    RegionDetector,
    RegionFeatures,
    RegionOptions,
    train_detector,
)
from freeloc.paper.baselines.linear_svm import LinearSVMs
from freeloc.paper.baselines.region_detector import region_labels
from freeloc.runtime import compile_network

pytestmark = pytest.mark.usefixtures("one_thread")

OPTIONS = RegionOptions(scales=(0.7,), side=120)
FEW = DetectorOptions(initial_negatives=3, max_hard_negatives=10)


def proposed(sample_boxes: tuple[AnnotatedBox, ...], width: int, height: int, seed: int) -> Float32Array:
    """Boxes near the objects and elsewhere, like class-agnostic proposals."""
    rng = np.random.default_rng(seed)
    own = np.array([(one.x1, one.y1, one.x2, one.y2) for one in sample_boxes]).reshape(-1, 4)
    sides = (own[:, 2:] - own[:, :2])[:, [0, 1, 0, 1]]
    near = np.concatenate([own + rng.normal(0, 0.08, own.shape) * sides for _ in range(4)])
    ends = np.sort(rng.uniform(0, 1, (40, 2, 2)), axis=1) * [width, height]
    boxes: Float64Array = np.concatenate([near, ends.reshape(-1, 4)])
    return np.clip(boxes, 0, np.array([width, height] * 2)).astype(np.float32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Twenty-four generated training scenes, and eight others."""
    make = partial(generate_scenes, settings=SceneSettings(seed=3))
    return make(tmp_path_factory.mktemp("train"), 24), make(tmp_path_factory.mktemp("val"), 8, start=1000)


@pytest.fixture(scope="module")
def pooled(
    scenes: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[RegionFeatures, list[Float32Array]], ...]:
    """Features and proposals of both."""
    backbone = load_backbone("efficientnet_lite0")
    network = compile_network(backbone, runtime="torch", precision="float32")
    root = tmp_path_factory.mktemp("features")
    found = []
    for data in scenes:
        paths = [sample.path for sample in data]
        features = extract(paths, backbone, network, Pyramid(OPTIONS.scales), cache_folder=root, quiet=True)
        sizes = [read_image_size(path) for path in paths]
        boxes = [
            proposed(sample.boxes or (), size.width, size.height, number)
            for number, (sample, size) in enumerate(zip(data, sizes, strict=True))
        ]
        found.append((RegionFeatures(backbone, features, sizes, OPTIONS, "float32"), boxes))
    return tuple(found)


@pytest.fixture(scope="module")
def detector(
    scenes: tuple[Dataset, Dataset], pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...]
) -> RegionDetector:
    return train_detector(scenes[0], *pooled[0], FEW, quiet=True)


class TestLabels:
    OBJECTS = (
        AnnotatedBox(0, 0, 0, 100, 100),
        AnnotatedBox(1, 200, 0, 300, 100),
        AnnotatedBox(2, 0, 0, 100, 100, difficult=True),
    )

    def test_overlap_says_what_a_box_shows(self) -> None:
        boxes = [(0, 0, 100, 100), (0, 0, 100, 75), (0, 0, 100, 50), (0, 0, 100, 20), (200, 0, 300, 100)]
        found = region_labels(boxes, self.OBJECTS, 4, DetectorOptions(positive_iou=0.7))
        assert found.dtype == np.int8
        assert found[:, 0].tolist() == [1, 1, 0, -1, -1]
        assert found[:, 1].tolist() == [-1, -1, -1, -1, 1]
        # Difficult objects are neither positive nor negative examples of their class.
        assert found[:, 2].tolist() == [0, 0, 0, -1, -1]
        assert (found[:, 3] == -1).all()

    def test_objects_boxes_alone_can_be_the_positives(self) -> None:
        third = 100 / 3
        objects = (AnnotatedBox(0, third, third, 2 * third, 2 * third),)
        boxes = np.array(
            [(third, third, 2 * third, 2 * third), (third, third, 2 * third, 2.1 * third)], np.float32
        )
        assert region_labels(boxes, objects, 1)[:, 0].tolist() == [1, 0]

    def test_nothing_annotated_shows_nothing(self) -> None:
        assert (region_labels([(0, 0, 10, 10)], (), 2) == -1).all()
        assert region_labels([], self.OBJECTS, 3).shape == (0, 3)

    @pytest.mark.parametrize(
        "wrong", [{"negative_iou": 0}, {"positive_iou": 0.2}, {"positive_iou": 1.1}, {"rounds": -1}]
    )
    def test_options_that_fit_nothing(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="negative_iou|negatives"):
            DetectorOptions(**wrong)  # type: ignore[arg-type]


def average_precision(found: Detections, data: Dataset) -> float:
    return float(np.nanmean(detection_ap(found, ground_truth_of(data), len(data.classes), (0.5,))))


def test_it_finds_objects_it_has_not_seen(
    scenes: tuple[Dataset, Dataset],
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...],
    detector: RegionDetector,
) -> None:
    assert detector.classes == scenes[1].classes
    found = detector.detect(*pooled[1], quiet=True)
    by_chance = replace(found, label=np.random.default_rng(0).permutation(found.label))
    assert average_precision(found, scenes[1]) > 0.4
    assert average_precision(by_chance, scenes[1]) < 0.25


def test_what_is_found_is_proposals_that_do_not_cover_each_other(
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...], detector: RegionDetector
) -> None:
    regions, proposals = pooled[1]
    found = detector.detect(regions, proposals, 0.4, quiet=True)
    found.check(len(regions), len(detector.classes))
    for image, boxes in enumerate(proposals):
        own = found.image == image
        assert own.sum() <= 100 + len(detector.classes)
        assert (np.diff(found.score[own]) <= 0).all()
        scores = regions.vectors(image, boxes) @ detector.svms.weights.T + detector.svms.bias
        for label in range(len(detector.classes)):
            mine = own & (found.label == label)
            kept = found.boxes[mine]
            np.testing.assert_allclose(found.score[mine].max(), scores[:, label].max(), rtol=1e-4, atol=1e-5)
            where = [int(np.flatnonzero((boxes == box).all(axis=1))[0]) for box in kept]
            np.testing.assert_allclose(found.score[mine], scores[where, label], rtol=1e-4, atol=1e-5)
            assert (pairwise_iou(kept, kept) - np.eye(len(kept)) <= 0.4).all()


def test_the_surest_box_of_each_class_always_stays(
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...], detector: RegionDetector
) -> None:
    regions, proposals = pooled[1]
    classes = len(detector.classes)
    few = detector.detect(regions, proposals, max_boxes=1, quiet=True)
    assert len(few) == len(regions) * classes
    pairs = few.image * classes + few.label
    assert len(np.unique(pairs)) == len(few)


def test_a_image_without_proposals_has_no_detections(
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...], detector: RegionDetector
) -> None:
    regions, proposals = pooled[1]
    bare = [np.zeros((0, 4), np.float32), *proposals[1:]]
    found = detector.detect(regions, bare, quiet=True)
    assert set(found.image.tolist()) == set(range(1, len(regions)))


def test_training_is_the_same_every_time_and_hard_negatives_matter(
    scenes: tuple[Dataset, Dataset],
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...],
    detector: RegionDetector,
) -> None:
    again = train_detector(scenes[0], *pooled[0], FEW, quiet=True)
    np.testing.assert_allclose(again.svms.weights, detector.svms.weights, rtol=1e-3, atol=1e-4)
    without = train_detector(scenes[0], *pooled[0], replace(FEW, rounds=0), quiet=True)
    assert np.abs(without.svms.weights - detector.svms.weights).max() > 0.01


def test_it_is_kept_and_comes_back(detector: RegionDetector, tmp_path: Path) -> None:
    place = tmp_path / "new" / "detector.npz"
    assert RegionDetector.load(place, "these") is None
    detector.save(place, "these")
    kept = RegionDetector.load(place, "these")
    assert kept is not None
    assert kept.classes == detector.classes
    np.testing.assert_array_equal(kept.svms.weights, detector.svms.weights)
    np.testing.assert_array_equal(kept.svms.bias, detector.svms.bias)
    assert RegionDetector.load(place, "others") is None
    place.write_bytes(place.read_bytes()[:100])
    assert RegionDetector.load(place, "these") is None


def test_what_does_not_fit_is_refused(
    scenes: tuple[Dataset, Dataset],
    pooled: tuple[tuple[RegionFeatures, list[Float32Array]], ...],
    detector: RegionDetector,
) -> None:
    data, (regions, proposals) = scenes[0], pooled[0]
    with pytest.raises(ValueError, match="24 images, but proposals for 23 images"):
        train_detector(data, regions, proposals[:-1])
    with pytest.raises(ValueError, match="8 images, but features for 24 images"):
        train_detector(scenes[1], regions, proposals)
    unseen = replace(data, samples=tuple(replace(sample, boxes=None) for sample in data))
    with pytest.raises(FreelocError, match="has no boxes"):
        train_detector(unseen, regions, proposals)
    bare = replace(data, samples=tuple(replace(sample, boxes=()) for sample in data))
    with pytest.raises(FreelocError, match=f"no usable box of class {data.classes[0]} for training"):
        train_detector(bare, regions, proposals)
    with pytest.raises(FreelocError, match="vectors of length 3"):
        RegionDetector(data.classes, LinearSVMs(detector.svms.weights[:, :3], detector.svms.bias)).detect(
            regions, proposals
        )
