"""The demo at toy size: every promised file, and no harm to what it did not write."""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest
from PIL import Image

from freeloc.datasets import open_dataset
from freeloc.demo.run import DemoSettings, run_demo
from freeloc.demo.scenes import SCENE_CLASSES
from freeloc.errors import FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.training.recipe import Recipe

TOY = DemoSettings(train_scenes=5, test_scenes=2, epochs=1, backbone="efficientnet_lite0", seed=1)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_every_promised_file_and_a_second_demo_in_its_place(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    evaluation = run_demo(out, TOY, quiet=True)
    assert files(out) == {
        *(f"scenes/train/scene_{index:06d}.jpg" for index in range(5)),
        *(f"scenes/test/scene_{index:06d}.jpg" for index in (5, 6)),
        "scenes/train/metadata.csv",
        "scenes/test/metadata.csv",
        *(
            f"run/{name}"
            for name in ("model.safetensors", "manifest.json", "log.jsonl", "checkpoint.safetensors")
        ),
        "pictures/scene_000005.jpg",
        "pictures/scene_000006.jpg",
        "overview.jpg",
        "results.json",
    }
    assert json.loads((out / "results.json").read_text()) == evaluation.as_json()
    assert evaluation.images == 2
    assert [row.name for row in evaluation.rows] == [
        "trained on tags, fused",
        "trained on tags, paper",
        "centre of the image",
    ]
    for picture in (*out.glob("pictures/*.jpg"), out / "overview.jpg"):
        with Image.open(picture) as opened:
            opened.load()
            assert opened.width > 240
    # The scenes are an ordinary data set, the model an ordinary model, and it learnt from tags alone.
    assert len(open_dataset(out / "scenes" / "train")) == 5
    model = Localizer.load(out / "run", runtime="torch").model
    assert model.header.classes == SCENE_CLASSES
    assert model.header.manifest["seed"] == 1
    assert model.header.manifest["data"]["images"] == 5

    (out / "pictures" / "stale.jpg").write_bytes(b"left by an earlier demo")
    (out / "notes.txt").write_text("the user's own")
    smaller = DemoSettings(train_scenes=4, test_scenes=1, epochs=1, backbone="efficientnet_lite0", seed=2)
    run_demo(out, smaller, quiet=True)
    assert {name for name in files(out) if name.startswith("pictures/")} == {"pictures/scene_000004.jpg"}
    assert json.loads((out / "results.json").read_text())["images"] == 1
    assert json.loads((out / "run" / "manifest.json").read_text())["seed"] == 2
    assert (out / "notes.txt").read_text() == "the user's own"


@pytest.mark.slow
def test_tags_become_locations_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the demo's scenes: enough to be far from the centre baseline."""

    def refuse(*_: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    settings = DemoSettings(train_scenes=64, test_scenes=24, epochs=8)
    evaluation = run_demo(tmp_path / "demo", settings, quiet=True)
    fused, paper, centre = (row.measures["location"].mean.estimate for row in evaluation.rows)
    assert fused > 0.85
    assert paper > 0.85
    assert centre < 0.5


@pytest.mark.parametrize("name", ["pictures/holiday.jpg", "run/model.safetensors", "results.json"])
def test_what_no_demo_wrote_is_not_touched(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(b"mine")
    taken = Path(name).parts[0]
    with pytest.raises(FreelocError, match=f"holds {taken} that no demo wrote: choose another --out"):
        run_demo(tmp_path, TOY, quiet=True)
    assert files(tmp_path) == {name}
    assert own.read_bytes() == b"mine"


def test_a_mistake_leaves_an_earlier_demo_alone(tmp_path: Path) -> None:
    first = tmp_path / "scenes" / "train" / "scene_000000.jpg"
    first.parent.mkdir(parents=True)
    first.write_bytes(b"of an earlier demo")
    with pytest.raises(FreelocError, match="scene setting seed is -1"):
        run_demo(tmp_path, DemoSettings(seed=-1), quiet=True)
    assert files(tmp_path) == {"scenes/train/scene_000000.jpg"}


def test_the_demo_trains_by_the_default_recipe() -> None:
    assert DemoSettings(epochs=3).recipe == dataclasses.replace(Recipe(), epochs=3)
