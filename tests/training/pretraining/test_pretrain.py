"""Pretraining: deterministic, resumable, shared among processes, and a backbone for training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import freeloc
from freeloc.datasets import Dataset, Sample, open_dataset
from freeloc.errors import FreelocError, TrainingError
from freeloc.nn.backbones.registry import load_backbone
from freeloc.training.pretraining.checkpoint import PretrainingCheckpoint
from freeloc.training.pretraining.pretrain import PretrainingResult, pretrain
from tests.training.pretraining.small_data import CLASSES, SETTINGS, write_folders

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Compute in one thread, as the processes that torchrun starts."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def result(data: Path, tmp_path_factory: pytest.TempPathFactory) -> PretrainingResult:
    return pretrain(data, tmp_path_factory.mktemp("run") / "net.safetensors", SETTINGS, quiet=True)


def test_the_files_of_a_run(result: PretrainingResult) -> None:
    assert result.classes == CLASSES
    folder = result.path.parent
    assert {file.name for file in folder.iterdir()} == {
        *("net.safetensors", "net.log.jsonl", "net.curve.svg"),
    }
    log = [json.loads(line) for line in (folder / "net.log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2]
    assert [line["loss"] for line in log] == [epoch.loss for epoch in result.epochs]
    assert 0.5 < log[0]["loss"] < 2  # log(3) is 1.1
    # The schedule ends in the last of four steps.
    assert log[-1]["learning_rate"] == pytest.approx(0.02 * 0.5 * (1 + np.cos(np.pi * 3 / 4)))
    state = load_file(result.path)
    assert state["fc8.weight"].shape == (3, 8)
    assert state["fc6.weight"].shape == (8, 4 * 36)


def test_it_learns(data: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, width=64, channels=(16,) * 5, epochs=12, batch_size=12, dropout=0.0)
    epochs = pretrain(data, tmp_path / "net.safetensors", settings, quiet=True).epochs
    assert epochs[0].loss > 0.9
    assert epochs[-1].loss < 0.6
    assert epochs[-1].accuracy > 0.8


def test_the_same_seed_gives_the_same_bytes(data: Path, result: PretrainingResult, tmp_path: Path) -> None:
    torch.manual_seed(1)  # the state of torch's own generator neither matters nor changes
    before = torch.get_rng_state()
    again = pretrain(data, tmp_path / "net.safetensors", SETTINGS, quiet=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert load_file(again.path).keys() == load_file(result.path).keys()
    for name, value in load_file(again.path).items():
        assert torch.equal(value, load_file(result.path)[name]), name
    other = pretrain(data, tmp_path / "other.safetensors", SETTINGS, seed=4, quiet=True)
    assert not torch.equal(load_file(other.path)["fc8.weight"], load_file(result.path)["fc8.weight"])


# --- resume ----------------------------------------------------------------------------------------------


def interrupted(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop a run after its first epoch."""
    save = PretrainingCheckpoint.save

    def stop(self: PretrainingCheckpoint, path: Path) -> None:
        save(self, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PretrainingCheckpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(data, out, SETTINGS, quiet=True)


def test_a_resumed_run_ends_with_the_same_weights(
    data: Path, result: PretrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net.safetensors"
    interrupted(data, out, monkeypatch)
    assert (tmp_path / "net.checkpoint.safetensors").exists()
    assert not out.exists()
    with pytest.raises(TrainingError, match=r"already contains net\.checkpoint\.safetensors: resume"):
        pretrain(data, out, SETTINGS, quiet=True)
    with pytest.raises(TrainingError, match=r"other settings: learning_rate \(0\.02, now 0\.5\)"):
        pretrain(data, out, replace(SETTINGS, learning_rate=0.5), resume=True, quiet=True)
    resumed = pretrain(data, out, SETTINGS, resume=True, quiet=True)
    for name, value in load_file(out).items():
        assert torch.equal(value, load_file(result.path)[name]), name
    assert [epoch.loss for epoch in resumed.epochs] == [epoch.loss for epoch in result.epochs]
    assert not (tmp_path / "net.checkpoint.safetensors").exists()

    written = out.stat().st_mtime_ns
    assert pretrain(data, out, SETTINGS, resume=True, quiet=True).epochs == resumed.epochs
    assert out.stat().st_mtime_ns == written
    with pytest.raises(TrainingError, match="already contains net.safetensors"):
        pretrain(data, out, SETTINGS, quiet=True)
    with pytest.raises(TrainingError, match=r"another run with other settings: epochs \(2, now 3\)"):
        pretrain(data, out, SETTINGS, epochs=3, resume=True, quiet=True)


def test_a_damaged_checkpoint_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "net.safetensors"
    interrupted(data, out, monkeypatch)
    file = tmp_path / "net.checkpoint.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    for damaged in (content, content[:-20], b"", b"{"):
        file.write_bytes(damaged)
        with pytest.raises(
            TrainingError, match="cannot be read .*: delete it and start from scratch"
        ) as error:
            pretrain(data, out, SETTINGS, resume=True, quiet=True)
        assert "\n" not in str(error.value)


# --- several processes -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(data: Path, result: PretrainingResult, tmp_path: Path) -> None:
    """Both processes end with the same weights, which differ from those of one process only by rounding."""
    script = Path(__file__).with_name("two_processes.py")
    words = ("--standalone", "--nproc-per-node", "2", script, data, tmp_path / "net.safetensors", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *map(str, words)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, written, alone = (
        load_file(path)
        for path in (
            *(tmp_path / "rank-0.safetensors", tmp_path / "rank-1.safetensors"),
            *(tmp_path / "net.safetensors", result.path),
        )
    )
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        assert torch.equal(first[name], written[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "net.log.jsonl").read_text().splitlines()]
    assert losses == pytest.approx([epoch.loss for epoch in result.epochs], rel=1e-4)


# --- the weight file is a backbone -----------------------------------------------------------------------


def test_the_weight_file_is_a_backbone_for_training(
    result: PretrainingResult, tiny_training: Dataset, tmp_path: Path
) -> None:
    backbone = load_backbone("alexnet", result.path)
    assert (backbone.width, backbone.layout.window, backbone.layout.stride) == (8, 224, 32)
    assert json.loads(backbone.architecture)["layers"][1]["response_normalization"]["alpha"] == 5e-4
    run = tmp_path / "run"
    freeloc.train(
        *(tiny_training, run),
        backbone="alexnet",
        weights=result.path,
        epochs=1,
        hidden=4,
        report=False,
        quiet=True,
    )
    localizer = freeloc.Localizer.load(run, weights=result.path)
    found = localizer.predict(np.zeros((300, 400, 3), np.uint8))
    assert found.map(found.classes[0]).shape == (300, 400)


def test_the_backbone_gives_the_classifier_the_values_on_which_it_was_trained(
    data: Path, result: PretrainingResult
) -> None:
    """Without dropout, the training network is the backbone and the classifier of the file."""
    from freeloc.training.pretraining.network import PretrainingNetwork

    network = PretrainingNetwork(SETTINGS, len(CLASSES))
    state = load_file(result.path)
    network.backbone.load_published(state, result.path)
    with torch.no_grad():
        network.classifier.weight.copy_(state["fc8.weight"])
        network.classifier.bias.copy_(state["fc8.bias"])
    canvases = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    ones = torch.ones(2, SETTINGS.width)
    features = load_backbone("alexnet", result.path)(canvases)[:, :, 0, 0]
    wanted = features @ state["fc8.weight"].T + state["fc8.bias"]
    torch.testing.assert_close(network(canvases, (ones, ones)).detach(), wanted)
    assert not torch.allclose(network(canvases, (ones, 0 * ones)), wanted)
    torch.testing.assert_close(
        network(canvases, (ones, 2 * ones)).detach(), 2 * features @ state["fc8.weight"].T + state["fc8.bias"]
    )


# --- errors ----------------------------------------------------------------------------------------------


def relabel(data: Path, labels: list[list[int]]) -> Dataset:
    samples = open_dataset(data).samples
    chosen = [Sample(sample.path, np.array(row, np.int8)) for sample, row in zip(samples, labels)]
    return Dataset("mine", CLASSES, tuple(chosen))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[1, -1, -1], [1, 1, -1], [-1, -1, -1]], r"2 images of mine .*1\.png, with 2\)"),
        ([[1, -1, -1], [0, -1, -1]], r"1 image of mine .*1\.png, with 0\)"),
        ([], "mine has 0 images and 3 classes"),
    ],
)
def test_every_image_needs_one_class(
    data: Path, tmp_path: Path, labels: list[list[int]], message: str
) -> None:
    with pytest.raises(FreelocError, match=message):
        pretrain(relabel(data, labels), tmp_path / "net.safetensors", SETTINGS, quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width is 0: it must be at least 1"),
        ({"channels": (4, 4)}, "channels has 2 numbers: specify one for each of the 5"),
        ({"dropout": 1.0}, "dropout"),
        ({"backbone": "overfeat"}, "backbone"),
        ({"schedule": "linear"}, "schedule"),
        ({"wide": 4}, "wide"),
    ],
)
def test_wrong_settings_are_refused(
    data: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(FreelocError, match=message):
        pretrain(data, tmp_path / "net.safetensors", SETTINGS, quiet=True, **options)


def test_other_errors(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"must end in \.safetensors"):
        pretrain(data, tmp_path / "net.pth", SETTINGS, quiet=True)
    with pytest.raises(FreelocError, match="split applies only to the path of a dataset"):
        pretrain(open_dataset(data), tmp_path / "net.safetensors", SETTINGS, split="train")
    with pytest.raises(TrainingError, match=r"diverged in epoch 1: .* below 1e\+30"):
        pretrain(data, tmp_path / "net.safetensors", SETTINGS, learning_rate=1e30, quiet=True)


def test_the_command(
    data: Path, tmp_path: Path, result: PretrainingResult, freeloc: Callable[..., Any]
) -> None:
    out = tmp_path / "net.safetensors"
    words: tuple[object, ...] = ("--width", 8, "--channels", "4,4,4,4,4", "--epochs", 2, "--batch-size", 5)
    words += ("--learning-rate", 0.02, "--weight-decay", 1e-3, "--seed", 3)
    answer = freeloc("pretrain", data, "--out", out, *words)
    assert (answer.code, answer.out) == (0, "")
    assert "12 images, 3 classes" in answer.err
    assert "epoch 2 of 2: loss " in answer.err
    assert f"wrote {out}" in answer.err
    for name, value in load_file(out).items():
        assert torch.equal(value, load_file(result.path)[name]), name
    answer = freeloc("pretrain", data, "--out", out, *words)
    assert answer.code == 2
    assert answer.err.endswith("choose another file (--resume continues that run)\n")
    answer = freeloc("pretrain", data, "--out", out, *words, "--resume")
    assert (answer.code, "is already finished" in answer.err) == (0, True)
