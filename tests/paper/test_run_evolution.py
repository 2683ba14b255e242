"""``freeloc evolution``: the maps of the snapshots of a run, and messages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.errors import ConfigurationError, ImageError, TrainingError
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import fusion_lattice
from freeloc.models.model import Model
from freeloc.paper import run_evolution
from freeloc.paper.figures.map_evolution import draw_class_evolution
from freeloc.paper.run_evolution import draw_evolution

pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")

STEPS = {0: 0.0, 1: 0.1, 3: 0.2, 10: 0.3, 40: 0.4, 150: 0.7, 600: 1.0}
"""Steps of the snapshots, and the strength of their scores."""


@pytest.fixture(scope="module")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a final model, whose snapshots are the tiny model with weaker scores."""
    folder = tmp_path_factory.mktemp("runs") / "evolving"
    model = Model.load(tiny_run)
    for step, strength in STEPS.items():
        head = copy.deepcopy(model.head)
        for weights in head.fcb.parameters():
            weights.data.mul_(strength)
        replace(model, head=head).save(folder / "snapshots" / f"step-{step:06d}.safetensors")
    (folder / "snapshots" / "step-x.safetensors").write_text("not a snapshot")
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The rows that are drawn."""
    found: list[Any] = []

    def draw(rows: Any, *arguments: Any) -> Any:
        found.extend(rows)
        return draw_class_evolution(rows, *arguments)

    monkeypatch.setattr(run_evolution, "draw_class_evolution", draw)
    return found


def test_the_maps_are_those_of_the_snapshots(
    run: Path, tiny_training: Dataset, tmp_path: Path, drawn: list[Any]
) -> None:
    images = [sample.path for sample in tiny_training.samples[:2]]
    out = draw_evolution(run, images, "clock", tmp_path / "a.svg", snapshots=(600, 10), quiet=True)
    assert out.read_text().startswith("<?xml")
    label = tiny_training.classes.index("clock")
    assert [[frame.iteration for frame in row.frames] for row in drawn] == [[10, 600]] * 2
    for position, step in enumerate((10, 600)):
        file = run / "snapshots" / f"step-{step:06d}.safetensors"
        localizer = Localizer.load(file, scales=(1.0,), runtime="torch")
        for row, image in zip(drawn, images, strict=True):
            (expected,) = localizer.score_maps(image)
            frame = row.frames[position]
            across, down = expected.grid.sampling_weights(fusion_lattice(expected.grid.image_size))
            sampled = across @ expected.values[label] @ down.T
            np.testing.assert_allclose(frame.score_map, sampled, atol=1e-4)
            assert frame.score == pytest.approx(expected.values[label].max(), abs=1e-4)
    assert (drawn[0].class_name, drawn[0].absent_class) == ("clock", None)


def test_the_command_chooses_snapshots_and_writes_into_the_run(
    freeloc: Callable[..., Any], run: Path, tiny_training: Dataset, drawn: list[Any]
) -> None:
    answer = freeloc("evolution", run, tiny_training.samples[0].path, "--class", "fish")
    assert answer.code == 0, answer.err
    assert f"wrote {run / 'evolution.png'}" in answer.err
    with Image.open(run / "evolution.png") as figure:
        assert figure.format == "PNG"
    (row,) = drawn
    steps = [frame.iteration for frame in row.frames]
    assert len(steps) == 5
    assert (steps[0], steps[-1]) == (0, 600)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--class", "dog"), "class_name is 'dog': the model has no such class, but 'airplane'"),
        (
            ("--class", "fish", "--snapshots", "0,7"),
            "has no snapshot of step 7: choose among 0, 1, 3, 10, 40, 150, 600",
        ),
        (
            ("--class", "fish", "--snapshots", "all"),
            "snapshots is 'all', which is not a list of whole numbers",
        ),
        (("--class", "fish", "--out", "a.jpg"), "out is 'a.jpg': it must be the path of a PNG or SVG file"),
    ],
)
def test_mistakes_end_in_one_sentence(
    freeloc: Callable[..., Any], run: Path, tiny_training: Dataset, words: tuple[str, ...], message: str
) -> None:
    answer = freeloc("evolution", run, tiny_training.samples[0].path, *words)
    assert answer.code == 2
    assert message in answer.err
    assert f"(option {words[-2]})" in answer.err


def test_runs_and_images_that_do_not_fit(
    run: Path, tiny_run: Path, tiny_training: Dataset, tmp_path: Path
) -> None:
    image = tiny_training.samples[0].path
    with pytest.raises(TrainingError, match="has no snapshots: train with snapshots of some steps"):
        draw_evolution(tiny_run, [image], "fish", tmp_path / "a.png")
    for images in ([], [image] * 13):
        with pytest.raises(ConfigurationError, match=f"images has {len(images)} images: choose 1 to 12"):
            draw_evolution(run, images, "fish", tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"none\.jpg"):
        draw_evolution(run, [tmp_path / "none.jpg"], "fish", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
