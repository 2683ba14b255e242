"""Snapshots: complete models of an unfinished run, identical whether or not it was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from freeloc.datasets.dataset import Dataset
from freeloc.errors import FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import compile_network
from freeloc.training import preparation
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.snapshots import Snapshots, snapshot_files
from freeloc.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

# Sixteen images: two iterations per epoch, six in total.
RECIPE = Recipe(
    name="tiny",
    epochs=3,
    batch_size=8,
    scales=(0.25,),
    test_scales=(0.25,),
    warm_start_epochs=1,
    hidden=16,
    schedule="constant",
    warmup_fraction=0.0,
)
WANTED = (6, 0, 2, 3)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def quick(
    tiny_training: Dataset, backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Model]]:
    """`train` on a backbone that is already loaded and compiled."""
    cache = tmp_path_factory.mktemp("features")
    network = compile_network(backbone, runtime="openvino")

    def call(out: Path, **options: Any) -> Model:
        run = {"resume": options.pop("resume", False), "quiet": options.pop("quiet", True)}
        given: dict[str, Any] = {
            "recipe": RECIPE,
            "cache_folder": cache,
            "runtime": "openvino",
            "report": False,
        }
        settings = TrainingSettings(backbone="efficientnet_lite0", **(given | options))
        return train(tiny_training, out, settings, **run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "load_backbone", lambda *_arguments: backbone)
        patch.setattr(preparation, "compile_network", lambda *_arguments, **_options: network)
        yield call


@pytest.fixture(scope="module")
def reference(quick: Callable[..., Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "run"
    quick(folder, snapshots=WANTED)
    return folder


def step(folder: Path, iteration: int) -> Path:
    return folder / "snapshots" / f"step-{iteration:06d}.safetensors"


def weights(path: Path) -> dict[str, torch.Tensor]:
    model = Model.load(path)
    return {**model.head.state_dict(), **model.backbone_changes}


def assert_equal(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """Bit for bit."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].numpy().tobytes() == value.numpy().tobytes(), key


def test_one_file_for_each_iteration_asked_for(reference: Path) -> None:
    names = sorted(path.name for path in (reference / "snapshots").iterdir())
    assert names == [f"step-00000{iteration}.safetensors" for iteration in (0, 2, 3, 6)]


def test_the_last_is_the_model(reference: Path) -> None:
    assert_equal(weights(step(reference, 6)), weights(reference))
    assert (
        Model.load(step(reference, 6)).header.backbone_fingerprint
        == Model.load(reference).header.backbone_fingerprint
    )


def test_snapshots_do_not_change_the_run(
    quick: Callable[..., Model], reference: Path, tmp_path: Path
) -> None:
    quick(tmp_path / "plain")
    assert_equal(weights(tmp_path / "plain"), weights(reference))
    assert not (tmp_path / "plain" / "snapshots").exists()


def test_one_after_an_epoch_is_the_model_of_a_run_of_that_length(
    quick: Callable[..., Model], reference: Path, tmp_path: Path
) -> None:
    # At a constant learning rate, a run of one epoch takes the first steps of one of three.
    quick(tmp_path / "short", recipe=dataclasses.replace(RECIPE, epochs=1))
    assert_equal(weights(step(reference, 2)), weights(tmp_path / "short"))


def test_the_first_is_the_warm_start_on_the_backbone_as_it_was(reference: Path, backbone: Backbone) -> None:
    first = Model.load(step(reference, 0))
    assert first.header.backbone_fingerprint == backbone.fingerprint
    # The biases of a head without a warm start are zero.
    assert (first.head.fcb.bias != 0).all()
    assert first.header.manifest is not None
    assert first.header.manifest["iteration"] == 0
    last = Model.load(reference)
    assert last.header.manifest is not None
    assert "iteration" not in last.header.manifest
    assert last.header.backbone_fingerprint != backbone.fingerprint


def test_a_cold_start_is_kept_as_well(quick: Callable[..., Model], tmp_path: Path) -> None:
    cold = dataclasses.replace(RECIPE, warm_start_epochs=0, epochs=1, trainable_backbone="none")
    quick(tmp_path / "cold", recipe=cold, snapshots=(0,))
    assert (Model.load(step(tmp_path / "cold", 0)).head.fcb.bias == 0).all()


def test_prediction_opens_them(reference: Path, tiny_training: Dataset) -> None:
    image = tiny_training.samples[0].path
    found = [
        Localizer.load(path, runtime="torch", precision="float32").predict(image).scores
        for path in (step(reference, 3), step(reference, 6), reference)
    ]
    assert (found[0] != found[2]).all()
    assert (found[1] == found[2]).all()


class Interrupted(Exception):
    """An exception that simulates a power failure."""


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_run_that_was_stopped_leaves_the_same(
    quick: Callable[..., Model], reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    folder, save = tmp_path / "run", Checkpoint.save

    def stop(self: Checkpoint, path: Path) -> None:
        save(self, path)
        if self.epochs_done == epoch:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", stop)
        with pytest.raises(Interrupted):
            quick(folder, snapshots=WANTED)
    assert step(folder, 3).exists() is (epoch == 2)
    with pytest.raises(
        FreelocError, match=rf"cannot write a snapshot of step 1: .* has already completed {2 * epoch} steps"
    ):
        quick(folder, snapshots=(1,), resume=True)
    quick(folder, snapshots=WANTED, resume=True)
    for iteration in WANTED:
        assert_equal(weights(step(folder, iteration)), weights(step(reference, iteration)))


def test_a_finished_run_has_them_or_says_so(quick: Callable[..., Model], reference: Path) -> None:
    before = step(reference, 3).stat().st_mtime_ns
    quick(reference, snapshots=(3,), resume=True)
    assert step(reference, 3).stat().st_mtime_ns == before
    with pytest.raises(
        FreelocError, match="a snapshot of step 5: .* has already completed 6 steps; omit this snapshot"
    ):
        quick(reference, snapshots=(3, 5), resume=True)


@pytest.mark.parametrize(
    ("iteration", "message"),
    [
        (-1, "snapshots contains -1: it must be at least 0"),
        (7, r"snapshots includes step 7: specify steps from 0 to 6 \(3 epochs of 2 steps\)"),
    ],
)
def test_iterations_the_run_does_not_come_to(
    quick: Callable[..., Model], tmp_path: Path, iteration: int, message: str
) -> None:
    with pytest.raises(FreelocError, match=message):
        quick(tmp_path / "run", snapshots=(2, iteration))
    assert not (tmp_path / "run").exists()


def test_snapshots_alone_make_a_run(quick: Callable[..., Model], tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    with pytest.raises(FreelocError, match=r"already contains a run \(snapshots\)"):
        quick(tmp_path)


def test_each_is_kept_once_and_in_order(tmp_path: Path) -> None:
    assert Snapshots.of(tmp_path, (3, 1, 3), epochs=2, steps_per_epoch=2).steps == (1, 3)


def test_snapshots_are_found_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for name in ("step-1000000", "step-999999", "step-000210", "step-x", "other-000001"):
        (tmp_path / f"{name}.safetensors").touch()
    assert [(step, file.stem) for step, file in snapshot_files(tmp_path).items()] == [
        (210, "step-000210"),
        (999_999, "step-999999"),
        (1_000_000, "step-1000000"),
    ]
    assert snapshot_files(tmp_path / "missing") == {}
