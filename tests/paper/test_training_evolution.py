"""Which training images the figures of score maps during training show."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.datasets.dataset import ABSENT, PRESENT
from freeloc.features.extract import extract
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import load_image
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper import Reproduction, ReproductionSettings, find_study
from freeloc.paper.map_evolution import snapshot_iterations
from freeloc.paper.map_reader import MapReader
from freeloc.paper.row_plans import MODELS
from freeloc.paper.training_evolution import Evolution, read_evolution
from freeloc.runtime import compile_network
from freeloc.training.run_folder import RunFolder

pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")

STRENGTHS = {0: 0.0, 5: 0.01, 9: 0.02, 20: 0.3, 40: 0.6, 900_000: 0.9, 1_000_000: 1.0}
"""Steps of the snapshots, and the strength of their scores; the names of the last two are not in this order."""


@pytest.fixture(scope="module")
def snapshots(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with weaker scores, as snapshots."""
    folder = tmp_path_factory.mktemp("snapshots")
    model = Model.load(tiny_run)
    for step, strength in STRENGTHS.items():
        head = copy.deepcopy(model.head)
        for weights in head.fcb.parameters():
            weights.data.mul_(strength)
        replace(model, head=head).save(folder / f"step-{step:06d}.safetensors")
    (folder / "step-x.safetensors").write_text("not a snapshot")
    return folder


@pytest.fixture(scope="module")
def reader_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Dataset], MapReader]:
    cache = tmp_path_factory.mktemp("cache")
    backbone = load_backbone("efficientnet_lite0")
    network = compile_network(backbone, runtime="torch", precision="float32", streams=None)

    def make(images: Dataset) -> MapReader:
        paths = [sample.path for sample in images]
        features = extract(paths, backbone, network, Pyramid((1.0,)), cache_folder=cache, quiet=True)
        return MapReader(backbone, features, images.image_sizes(), "float32", quiet=True)

    return make


@pytest.fixture(scope="module")
def evolution(
    tiny_run: Path, snapshots: Path, tiny_training: Dataset, reader_of: Callable[[Dataset], MapReader]
) -> Evolution:
    return read_evolution(tiny_run, snapshots, tiny_training, reader_of)


def places(rows: tuple[object, ...], data: Dataset) -> list[int]:
    """The indices of the training images in rows."""
    pixels = [load_image(sample.path) for sample in data]
    return [
        next(index for index, each in enumerate(pixels) if np.array_equal(each, row.image))  # type: ignore[attr-defined]
        for row in rows
    ]


def test_figure_1_shows_images_of_one_class_from_usual_to_unusual(
    evolution: Evolution, tiny_training: Dataset
) -> None:
    counts = (tiny_training.labels == PRESENT).sum(axis=0)
    label = int(counts.argmax())
    rows = evolution.one_class
    assert len(rows) == min(4, counts[label])
    assert {row.class_name for row in rows} == {tiny_training.classes[label]}
    assert {row.absent_class for row in rows} == {None}
    found = places(rows, tiny_training)
    assert len(set(found)) == len(found)
    assert (tiny_training.labels[found, label] == PRESENT).all()
    scores = [float(row.frames[-1].score or 0) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_figure_4_shows_each_class_and_image_once_beside_an_absent_class(
    evolution: Evolution, tiny_training: Dataset
) -> None:
    rows = evolution.windows
    assert len(rows) == 4
    assert len({row.class_name for row in rows}) == 4
    found = places(rows, tiny_training)
    assert len(set(found)) == 4
    for index, row in zip(found, rows, strict=True):
        labels = dict(zip(tiny_training.classes, tiny_training.labels[index], strict=True))
        assert labels[row.class_name] == PRESENT
        assert labels[str(row.absent_class)] == ABSENT


def test_iterations_are_those_between_which_the_maps_change(evolution: Evolution) -> None:
    for row in (*evolution.one_class, *evolution.windows):
        # The first three snapshots hardly differ.
        assert row.frames[0].iteration == 0
        assert not {5, 9} <= {frame.iteration for frame in row.frames}
        assert len(row.frames) == 5
        iterations = [frame.iteration for frame in row.frames]
        assert iterations == sorted(iterations)
        assert iterations[-1] == 1_000_000


def test_motorbikes_are_preferred(
    tiny_run: Path, snapshots: Path, tiny_training: Dataset, reader_of: Callable[[Dataset], MapReader]
) -> None:
    counts = (tiny_training.labels == PRESENT).sum(axis=0)
    label = int(np.where(counts > 0, -counts, -99).argmax())  # a rare class
    classes = list(tiny_training.classes)
    classes[label] = "motorbike"
    data = replace(tiny_training, classes=tuple(classes))
    rows = read_evolution(tiny_run, snapshots, data, reader_of).one_class
    assert {row.class_name for row in rows} == {"motorbike"}
    assert len(rows) == min(4, counts[label])


def test_without_snapshots_or_tags_there_is_no_figure(
    tiny_run: Path,
    snapshots: Path,
    tiny_training: Dataset,
    tmp_path: Path,
    reader_of: Callable[[Dataset], MapReader],
) -> None:
    none = read_evolution(tiny_run, tmp_path, tiny_training, reader_of)
    assert (none.one_class, none.windows) == ((), ())
    samples = [replace(sample, labels=np.full_like(sample.labels, ABSENT)) for sample in tiny_training]
    bare = replace(tiny_training, samples=tuple(samples))
    none = read_evolution(tiny_run, snapshots, bare, reader_of)
    assert (none.one_class, none.windows) == ((), ())


def test_a_study_of_an_earlier_version_can_be_resumed(
    tiny_training: Dataset, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    """It lacks some snapshots of the steps that are done."""
    reproduction = Reproduction(
        find_study("voc2012"), tiny_training, tiny_scenes, tmp_path, ReproductionSettings(epochs=400)
    )
    recipe = reproduction._recipe("weak")
    per_epoch = recipe.steps_per_epoch(len(tiny_training))
    wanted = snapshot_iterations(400 * per_epoch)
    assert reproduction._snapshots("weak", recipe) == wanted
    folder = RunFolder(tmp_path / "models" / "weak")
    folder.snapshots.mkdir(parents=True)
    (folder.snapshots / "step-000000.safetensors").write_bytes(b"")
    record = {"epoch": 0, "loss": 1.0, "learning_rate": 0.1, "seconds": 1.0}
    folder.log_file.write_text("".join(json.dumps({**record, "epoch": epoch}) + "\n" for epoch in range(20)))
    assert reproduction._snapshots("weak", recipe) == (0, *(step for step in wanted if step > 20 * per_epoch))
    assert MODELS["weak"].epochs != 400
