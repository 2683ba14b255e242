"""Resuming: identical to an uninterrupted run, bit for bit, and only with an equal setup."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.datasets.tag_report import TagReport
from freeloc.datasets.tag_rules import TagRules
from freeloc.errors import TrainingError
from freeloc.models.model import Model
from freeloc.training import preparation
from freeloc.training.checkpoint import Checkpoint
from tests.training.small_run import RECIPE, Interrupted, assert_equal, interrupt, log, weights

pytestmark = pytest.mark.usefixtures("one_thread")


class TestResume:
    @pytest.mark.parametrize(
        ("where", "epoch", "done"),
        [
            ("after checkpoint", 1, 1),
            ("before checkpoint", 3, 2),
            ("before checkpoint", 1, None),
            ("after checkpoint", 3, 3),
        ],
    )
    def test_bit_for_bit_as_if_never_stopped(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        reference: Path,
        tmp_path: Path,
        where: str,
        epoch: int,
        done: int | None,
    ) -> None:
        folder = tmp_path / "run"
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, where, epoch)
            with pytest.raises(Interrupted):
                quick(scenes, folder)
        assert not (folder / "model.safetensors").exists()
        checkpoint = folder / "checkpoint.safetensors"
        assert (Checkpoint.load(checkpoint).epochs_done if checkpoint.exists() else None) == done
        quick(scenes, folder, resume=True)
        assert_equal(weights(folder), weights(reference))
        lines, wanted = log(folder), log(reference)
        assert [(line["epoch"], line["loss"]) for line in lines] == [
            (line["epoch"], line["loss"]) for line in wanted
        ]
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["resumed"] is (done is not None)

    def test_without_resume_a_run_is_not_touched(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path
    ) -> None:
        before = {path.name: path.read_bytes() for path in reference.iterdir()}
        with pytest.raises(
            TrainingError, match="already contains a run .*: resume it, or choose another folder"
        ):
            quick(scenes, reference)
        assert {path.name: path.read_bytes() for path in reference.iterdir()} == before

    @pytest.mark.parametrize("kept", ["model.safetensors", "checkpoint.safetensors"])
    def test_either_file_makes_a_run(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path, kept: str
    ) -> None:
        shutil.copy(reference / kept, tmp_path / kept)
        with pytest.raises(TrainingError, match=f"already contains a run .{kept}"):
            quick(scenes, tmp_path)

    @pytest.mark.parametrize(
        "change", ["recipe", "seed", "data", "labels", "pixels", "cache", "training_precision", "tags"]
    )
    def test_another_setup_is_refused_and_named(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        reference: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: str,
    ) -> None:
        folder = tmp_path / "run"
        shutil.copytree(reference, folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        data = scenes
        options: dict[str, Any] = {}
        if change == "recipe":
            options = {"recipe": dataclasses.replace(RECIPE, learning_rate=0.5)}
        elif change == "seed":
            options = {"seed": 4}
        elif change == "cache":
            options = {"cache_features": False}
        elif change == "training_precision":
            other = json.loads((reference / "manifest.json").read_text())["training_precision"] == "float32"
            monkeypatch.setattr(preparation, "torch_device", lambda *_asked: (torch.device("cpu"), other))
        elif change == "pixels":
            # A different image with the same name and tags.
            first = scenes.samples[0]
            copy = tmp_path / first.path.name
            shutil.copy(scenes.samples[1].path, copy)
            data = dataclasses.replace(scenes, samples=(Sample(copy, first.labels), *scenes.samples[1:]))
        elif change == "tags":
            report = TagReport(TagRules(min_images=2), (), {}, 0)
            data = dataclasses.replace(scenes, tags=report)
        elif change == "data":
            data = dataclasses.replace(scenes, samples=scenes.samples[1:])
        else:
            flipped = Sample(scenes.samples[0].path, -scenes.samples[0].labels)
            data = dataclasses.replace(scenes, samples=(flipped, *scenes.samples[1:]))
        data_changed = (None, "the data (the images, their tags, or the classes)")
        parameter, name = {
            "recipe": ("learning_rate", "learning_rate ("),
            "seed": ("seed", "seed ("),
            "cache": ("cache_features", "cache_features (True, now False)"),
            "training_precision": ("precision", "the arithmetic of the head ("),
            "tags": ("min_images", "min_images (0, now 2)"),
        }.get(change, data_changed)
        with pytest.raises(TrainingError, match=f"started with other settings: {re.escape(name)}") as caught:
            quick(data, folder, resume=True, **options)
        assert caught.value.parameter == (parameter or "data")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_damaged_checkpoint(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        data = (reference / "checkpoint.safetensors").read_bytes()
        (tmp_path / "checkpoint.safetensors").write_bytes(data[:-10])
        with pytest.raises(TrainingError, match="cannot be read .*delete it and train from scratch"):
            quick(scenes, tmp_path, resume=True)

    def test_with_nothing_to_go_on_from_it_starts(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        quick(scenes, tmp_path / "fresh", resume=True)
        assert_equal(weights(tmp_path / "fresh"), weights(reference))
