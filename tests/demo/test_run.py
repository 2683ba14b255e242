"""The demo at a tiny size: it writes every documented file and changes no others."""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets import open_dataset
from freeloc.demo.run import DemoSettings, run_demo
from freeloc.demo.scenes import SCENE_CLASSES
from freeloc.errors import ConfigurationError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_folder
from freeloc.training.recipe import Recipe

TOY = DemoSettings(train_scenes=5, test_scenes=2, epochs=1, backbone="efficientnet_lite0", seed=1)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_every_documented_file_is_written_and_a_second_demo_replaces_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
        "overlays/scene_000005.jpg",
        "overlays/scene_000006.jpg",
        "overview.jpg",
        "results.json",
    }
    assert json.loads((out / "results.json").read_text()) == evaluation.to_dict()
    assert evaluation.images == 2
    assert [row.name for row in evaluation.rows] == [
        "trained on tags, fused",
        "trained on tags, paper",
        "center of the image",
    ]
    for overlay in (*out.glob("overlays/*.jpg"), out / "overview.jpg"):
        with Image.open(overlay) as opened:
            opened.load()
            assert opened.width > 240
    # The scenes are an ordinary dataset, and the model an ordinary model, trained on tags alone.
    assert len(open_dataset(out / "scenes" / "train")) == 5
    model = Localizer.load(out / "run", runtime="torch").model
    assert model.header.classes == SCENE_CLASSES
    assert model.header.manifest["seed"] == 1
    assert model.header.manifest["data"]["images"] == 5

    (out / "overlays" / "stale.jpg").write_bytes(b"left by an earlier demo")
    (out / "notes.txt").write_text("the user's own")
    smaller = DemoSettings(train_scenes=4, test_scenes=1, epochs=1, backbone="efficientnet_lite0", seed=2)
    capsys.readouterr()
    run_demo(out, smaller)
    told = capsys.readouterr().err.splitlines()
    steps = ["1 of 3: generating 5 scenes", "2 of 3: training on the tags of 4 scenes; boxes are not used"]
    steps.append("3 of 3: predicting 1 other scene, and drawing an overlay of each")
    assert [line for line in told if line[:6] in {"1 of 3", "2 of 3", "3 of 3"}] == steps
    # Its parts are named only if several take more than a second, which depends on the computer.
    assert sum(line.startswith("4 images, 8 classes: about ") for line in told) == 1
    assert {name for name in files(out) if name.startswith("overlays/")} == {"overlays/scene_000004.jpg"}
    assert json.loads((out / "results.json").read_text())["images"] == 1
    assert json.loads((out / "run" / "manifest.json").read_text())["seed"] == 2
    assert (out / "notes.txt").read_text() == "the user's own"


@pytest.mark.slow
def test_tags_become_locations_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the demo's scenes suffices to be far above the center baseline."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    settings = DemoSettings(train_scenes=32, test_scenes=12, epochs=8)
    evaluation = run_demo(tmp_path / "demo", settings, quiet=True)
    fused, paper, center = (row.measures["location"].mean.estimate for row in evaluation.rows)
    # With three seeds in float32 and bfloat16, both are 0.75 to 0.93, and the center 0.17 to 0.26.
    assert min(fused, paper) > 0.65
    assert center < 0.4


@pytest.mark.parametrize("name", ["overlays/holiday.jpg", "run/model.safetensors", "results.json"])
def test_files_not_written_by_a_demo_are_not_touched(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"mine")
    existing = Path(name).parts[0]
    with pytest.raises(
        OutputError, match=f"already contains {existing}, not written by a demo: choose another"
    ):
        run_demo(tmp_path, TOY, quiet=True)
    assert files(tmp_path) == {name}
    assert file.read_bytes() == b"mine"


def test_an_error_leaves_an_earlier_demo_untouched(tmp_path: Path) -> None:
    first = tmp_path / "scenes" / "train" / "scene_000000.jpg"
    first.parent.mkdir(parents=True)
    first.write_bytes(b"of an earlier demo")
    with pytest.raises(ConfigurationError, match="seed is -1: it must be a whole number from 0"):
        run_demo(tmp_path, DemoSettings(seed=-1), quiet=True)
    assert files(tmp_path) == {"scenes/train/scene_000000.jpg"}


def test_the_demo_trains_by_the_default_recipe() -> None:
    assert DemoSettings(epochs=3).recipe == dataclasses.replace(Recipe(), epochs=3)


def test_two_demos_into_one_folder(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(OutputError, match="another freeloc process is writing to it"):
        run_demo(tmp_path, DemoSettings(train_scenes=1, test_scenes=1), quiet=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train_scenes", 0),
        ("test_scenes", 1.5),
        ("epochs", "3"),
        ("seed", -1),
        ("seed", None),
        ("backbone", 3),
    ],
)
def test_settings_are_checked(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is ") as caught:
        DemoSettings(**{name: value})
    assert caught.value.parameter == name
