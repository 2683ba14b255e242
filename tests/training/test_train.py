"""Training runs end to end: generated scenes, the smallest backbone, a small head."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freeloc.datasets import open_dataset
from freeloc.datasets.dataset import AnnotatedBox, Dataset, Sample
from freeloc.demo.scenes import SCENE_CLASSES
from freeloc.errors import DatasetError, FreelocError, OutputError, TrainingError
from freeloc.io.lock import lock_file
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.pooling.registry import prediction_pooling
from freeloc.runtime import Network, compile_network
from freeloc.training import preparation
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from freeloc.training.training_run import TrainingRun
from tests.training.small_run import COUNT, RECIPE, SCALES, Interrupted, assert_equal, log, weights

pytestmark = pytest.mark.usefixtures("one_thread")


class TestRun:
    def test_holds_these_files_and_no_others(self, reference: Path) -> None:
        assert sorted(path.name for path in reference.iterdir()) == [
            "checkpoint.safetensors",
            "log.jsonl",
            "manifest.json",
            "model.safetensors",
        ]

    def test_one_log_line_an_epoch(self, reference: Path) -> None:
        lines = log(reference)
        assert [line["epoch"] for line in lines] == [1, 2, 3]
        for line in lines:
            assert line.keys() == {"epoch", "loss", "learning_rate", "seconds"}
            assert 0 < line["loss"] < 8 * math.log(1 + math.e**3)
        # Three steps per epoch: the last steps of the epochs are 2, 5 and 8 of 9.
        rates = [RECIPE.learning_rate * math.cos(math.pi * step / 9 / 2) ** 2 for step in (2, 5, 8)]
        assert [line["learning_rate"] for line in lines] == pytest.approx(rates)

    def test_manifest_says_what_is_needed_to_run_it_again(
        self, reference: Path, scenes: Dataset, backbone: Backbone
    ) -> None:
        manifest = json.loads((reference / "manifest.json").read_text())
        assert manifest["seed"] == 3
        assert manifest["cache"] == "float16"
        assert manifest["training_precision"] in {"float32", "bfloat16"}
        assert manifest["resumed"] is False
        assert manifest["backbone"] == backbone.fingerprint
        assert manifest["precision"].startswith("openvino ")
        given = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(RECIPE).items()}
        assert manifest["recipe"] == given
        assert manifest["data"]["images"] == COUNT
        # Classes, names and labels, and then the bytes of every image.
        digest = hashlib.sha256(scenes.fingerprint.encode())
        hashes = [hashlib.sha256(sample.path.read_bytes()).hexdigest()[:32] for sample in scenes]
        digest.update("\n".join(hashes).encode())
        assert manifest["data"]["fingerprint"] == digest.hexdigest()
        counts = {
            name: sum(sample.labels[k] == 1 for sample in scenes) for k, name in enumerate(SCENE_CLASSES)
        }
        assert manifest["data"]["positives"] == counts
        # Build suffixes, as in 2.13.0+cu130, are not part of every wheel's version.
        assert torch.__version__.startswith(manifest["versions"]["torch"])
        assert manifest["versions"]["numpy"] == np.__version__
        assert set(manifest["versions"]) == {"python", "freeloc", "torch", "openvino", "numpy"}
        assert set(manifest["timings"]) == {"features_seconds", "training_seconds"}
        assert set(manifest["machine"]) == {"system", "processor", "threads"}

    def test_the_model_carries_the_same_and_knows_its_backbone(
        self, reference: Path, scenes: Dataset, backbone: Backbone
    ) -> None:
        model = Model.load(reference)
        assert dict(model.header.manifest) == json.loads((reference / "manifest.json").read_text())
        assert (model.header.backbone, model.header.backbone_base) == (
            "efficientnet_lite0",
            backbone.fingerprint,
        )
        assert set(model.backbone_changes) == {"projection.weight", "projection.bias"}
        assert model.adapt_backbone(backbone).fingerprint == model.header.backbone_fingerprint
        assert model.header.classes == scenes.classes
        assert (model.header.scales, model.header.padding, model.header.pooling) == (
            (0.5, 0.8),
            "stride",
            "max",
        )
        assert (model.head.settings.width, model.head.settings.hidden) == (1280, 16)
        assert not model.head.standardized

    def test_the_checkpoint_is_the_last_epochs(self, reference: Path) -> None:
        assert Checkpoint.load(reference / "checkpoint.safetensors").epochs_done == 3

    def test_training_lowers_the_loss(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        recipe = dataclasses.replace(
            RECIPE,
            epochs=25,
            scales=SCALES[:1],
            learning_rate=0.02,
            hidden_dropout=0.0,
            warm_start_epochs=0,
            cell_fraction=1.0,
        )
        quick(scenes, tmp_path / "run", recipe=recipe)
        losses = [line["loss"] for line in log(tmp_path / "run")]
        assert np.mean(losses[-5:]) < 0.7 * losses[0]

    def test_what_is_told(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        quick(scenes, tmp_path / "quiet")
        assert capsys.readouterr() == ("", "")
        quick(scenes, tmp_path / "told", quiet=False)
        told = capsys.readouterr()
        assert told.out == ""
        first = log(tmp_path / "told")[0]["loss"]
        assert f"epoch 1: loss {first:.4f}" in told.err
        assert f"wrote {tmp_path / 'told' / 'model.safetensors'}" in told.err
        assert f"{COUNT} images, 8 classes: about " in told.err
        assert len([line for line in told.err.splitlines() if "epoch" in line]) == RECIPE.epochs
        # The forecast changes nothing.
        assert_equal(weights(tmp_path / "told"), weights(tmp_path / "quiet"))


class TestDeterminism:
    def test_same_seed_same_weights(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        torch.manual_seed(12345)  # training does not depend on torch's global generator
        model = quick(scenes, tmp_path / "again")
        assert_equal(weights(tmp_path / "again"), weights(reference))
        assert_equal(dict(model.head.state_dict()), weights(reference))

    def test_another_seed_other_weights(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        quick(scenes, tmp_path / "other", seed=20240229123456)
        assert not torch.equal(weights(tmp_path / "other")["fca.weight"], weights(reference)["fca.weight"])


class Counted:
    """A network that counts its calls, and can be stopped."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.runtime, self.precision, self.threads = network.runtime, network.precision, network.threads
        self.batch = 1
        self.sides: list[int] = []
        self.stop_at: int | None = None
        self._lock = threading.Lock()

    def __call__(self, canvas: np.ndarray) -> np.ndarray:
        with self._lock:
            if len(self.sides) == self.stop_at:
                raise Interrupted
            self.sides.append(max(canvas.shape[:2]))
        return self._network(canvas)


class TestFeatures:
    @pytest.fixture
    def count_of(
        self, network: Network, quick: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
    ) -> Counted:
        wrapped = Counted(network)
        monkeypatch.setattr(preparation, "compile_network", lambda *_arguments, **_options: wrapped)
        return wrapped

    def test_made_once(
        self, scenes: Dataset, quick: Callable[..., Model], count_of: Counted, reference: Path, tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        quick(scenes, tmp_path / "first", cache_folder=cache)
        assert len(count_of.sides) == COUNT * len(SCALES)
        quick(scenes, tmp_path / "second", cache_folder=cache, seed=9)
        assert len(count_of.sides) == COUNT * len(SCALES)
        assert_equal(weights(tmp_path / "first"), weights(reference))

    @pytest.mark.parametrize("opened", [True, False])
    def test_every_image_is_opened_twice(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        reference: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        opened: bool,
    ) -> None:
        """Each image is read once to check and hash it, and once to extract its features at all scales."""
        opens: Counter[str] = Counter()
        own_open = os.open

        def count_open(path: Any, *arguments: Any, **options: Any) -> int:
            opens[Path(path).name] += 1
            return own_open(path, *arguments, **options)

        folder = scenes.samples[0].path.parent
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", count_open)
            # A dataset that is created in code stores no sizes and hashes.
            dataset = open_dataset(folder, classes=scenes.classes) if opened else scenes
            quick(dataset, tmp_path / "run", cache_folder=tmp_path / "cache")
        assert {sample.path.name: opens[sample.path.name] for sample in scenes} == {
            sample.path.name: 2 for sample in scenes
        }
        assert_equal(weights(tmp_path / "run"), weights(reference))

    def test_an_interrupted_extraction_goes_on(
        self, scenes: Dataset, quick: Callable[..., Model], count_of: Counted, reference: Path, tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        count_of.stop_at = 9
        with pytest.raises(Interrupted):
            quick(scenes, tmp_path / "run", cache_folder=cache)
        entries = sorted(cache.rglob("*.npy"))
        assert len(entries) == 9
        # A partially written file, and a deleted one.
        entries[0].with_name(f".{entries[0].name}.0badcafe.part").write_bytes(entries[0].read_bytes()[:99])
        entries[0].unlink()
        count_of.stop_at = None
        quick(scenes, tmp_path / "run", cache_folder=cache)
        assert len(count_of.sides) == COUNT * len(SCALES) + 1
        assert_equal(weights(tmp_path / "run"), weights(reference))

    def test_ctrl_c_says_what_is_stored(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(TrainingRun, "train", stop)
        with pytest.raises(KeyboardInterrupt) as stopped:
            quick(scenes, tmp_path / "run")
        told = f"the features of {COUNT} of {COUNT} images are stored, but no epoch is finished"
        assert str(stopped.value) == told
        monkeypatch.setattr("freeloc.training.train.load_features", stop)
        with pytest.raises(KeyboardInterrupt) as stopped:
            quick(scenes, tmp_path / "run", cache_folder=tmp_path / "cache")
        assert str(stopped.value) == "nothing was stored"
        assert not (tmp_path / "run").exists()

    def test_damaged_entries_are_computed_again(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        filled_cache: Path,
        reference: Path,
        tmp_path: Path,
    ) -> None:
        cache = tmp_path / "cache"
        shutil.copytree(filled_cache, cache)
        for entry in cache.rglob("*.npy"):
            entry.write_bytes(entry.read_bytes()[:-50])
        quick(scenes, tmp_path / "run", cache_folder=cache)
        assert_equal(weights(tmp_path / "run"), weights(reference))

    def test_as_int8(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        quick(scenes, tmp_path / "run", cache_folder=cache, cache_format="int8")
        assert [folder.name.endswith("-int8") for folder in cache.iterdir()] == [True]
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["cache"] == "int8"
        losses, wanted = ([line["loss"] for line in log(run)] for run in (tmp_path / "run", reference))
        assert losses != wanted
        assert losses == pytest.approx(wanted, rel=0.05)
        with pytest.raises(FreelocError, match=r"other settings: cache_format \(int8, now float16\); use"):
            quick(scenes, tmp_path / "run", cache_folder=cache, resume=True)
        with pytest.raises(FreelocError, match="cache_format is 'int4': choose one of float16, int8"):
            quick(scenes, tmp_path / "other", cache_format="int4")

    def test_without_a_cache(
        self, scenes: Dataset, quick: Callable[..., Model], count_of: Counted, tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        recipe = dataclasses.replace(RECIPE, epochs=2, warm_start_epochs=0)
        quick(scenes, tmp_path / "run", recipe=recipe, cache_folder=cache, cache_features=False)
        assert not cache.exists()
        # Computed again in every epoch, at scales from the range: 125 to 200 pixels, padded to multiples of
        # 32. At the end, once more at every scale, to fit the box threshold, and for eight images to check the model.
        assert len(count_of.sides) == (2 + len(SCALES)) * COUNT + len(SCALES) * 8
        assert set(count_of.sides) <= {128, 160, 192, 224}
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["cache"] is None
        first = weights(tmp_path / "run")
        quick(scenes, tmp_path / "again", recipe=recipe, cache_features=False)
        assert_equal(weights(tmp_path / "again"), first)

    def test_drawn_scales_with_a_cache_are_computed_once(
        self, scenes: Dataset, quick: Callable[..., Model], count_of: Counted, tmp_path: Path
    ) -> None:
        options: dict[str, Any] = {
            "recipe": dataclasses.replace(RECIPE, epochs=2, warm_start_epochs=0),
            "cache_folder": tmp_path / "cache",
            "draw_scales": True,
        }
        quick(scenes, tmp_path / "run", **options)
        assert set(count_of.sides) <= {128, 160, 192, 224}
        manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
        assert (manifest["cache"], manifest["draw_scales"]) == ("float16", True)
        stored = len(list((tmp_path / "cache").rglob("*.npy")))
        assert stored == (2 + len(SCALES)) * COUNT, "two epochs, and all scales for the box threshold"
        computed = len(count_of.sides)
        quick(scenes, tmp_path / "again", **options)
        assert len(count_of.sides) == computed, "nothing is computed a second time"
        assert_equal(weights(tmp_path / "again"), weights(tmp_path / "run"))
        # Without a cache, the same model is trained, so either run is that of the other.
        live = options | {"draw_scales": False, "cache_features": False}
        quick(scenes, tmp_path / "live", **live)
        assert_equal(weights(tmp_path / "live"), weights(tmp_path / "run"))
        computed = len(count_of.sides)
        quick(scenes, tmp_path / "live", **options, resume=True)
        quick(scenes, tmp_path / "run", **live, resume=True)
        assert len(count_of.sides) == computed, "both runs are finished"
        with pytest.raises(FreelocError, match=r"draw_scales \(True, now False\)"):
            quick(scenes, tmp_path / "run", **(options | {"draw_scales": False}), resume=True)


@pytest.mark.parametrize("stage", ["projection", "7"])
def test_running_mini_batches_through_the_backbone_at_once_changes_little(
    scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """As on a GPU; two equal runs are identical bit for bit, regardless of thread timing."""
    recipe = dataclasses.replace(RECIPE, epochs=1, warm_start_epochs=1, trainable_backbone=stage)

    def learned(name: str, batch: int) -> dict[str, torch.Tensor]:
        monkeypatch.setattr(preparation, "compile_network", functools.partial(compile_network, batch=batch))
        train(
            scenes,
            tmp_path / name,
            TrainingSettings(
                backbone="efficientnet_lite0",
                recipe=recipe,
                seed=3,
                runtime="torch",
                cache_features=False,
                report=False,
            ),
            quiet=True,
        )
        return weights(tmp_path / name)

    several, again, alone = learned("several", 4), learned("again", 4), learned("alone", 1)
    assert_equal(several, again)
    assert several.keys() == alone.keys()
    for key, wanted in alone.items():
        torch.testing.assert_close(several[key], wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().max()))


class Sealed(Sample):
    """A sample whose boxes must not be read once it exists."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.__dict__["sealed"] = True

    def __getattribute__(self, name: str) -> Any:
        if name == "boxes" and "sealed" in super().__getattribute__("__dict__"):
            raise AssertionError("the boxes were looked at")
        return super().__getattribute__(name)


class TestOnlyTags:
    def test_boxes_are_never_read(
        self, scenes: Dataset, quick: Callable[..., Model], reference: Path, tmp_path: Path
    ) -> None:
        box = AnnotatedBox(0, 1.0, 2.0, 3.0, 4.0)
        samples = tuple(Sealed(sample.path, sample.labels, (box,)) for sample in scenes)
        with pytest.raises(AssertionError, match="looked at"):
            _ = samples[0].boxes
        sealed = Dataset(scenes.name, scenes.classes, samples)
        quick(sealed, tmp_path / "sealed")
        assert_equal(weights(tmp_path / "sealed"), weights(reference))

    def test_ignored_labels_alone_train_no_class(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        # All tags of one class are unknown, which must not affect the other classes.
        samples = []
        for sample in scenes:
            labels = sample.labels.copy()
            labels[2] = 0
            samples.append(Sample(sample.path, labels))
        recipe = dataclasses.replace(RECIPE, warm_start_epochs=0, weight_decay=0.0)
        quick(Dataset("x", scenes.classes, tuple(samples)), tmp_path / "run", recipe=recipe)
        # The class kept its initial bias; the others changed.
        bias = weights(tmp_path / "run")["fcb.bias"]
        assert bias[2] == 0
        assert (bias[[0, 1, 3, 4, 5, 6, 7]] != 0).all()


class TestMistakes:
    def test_no_images(self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path) -> None:
        with pytest.raises(FreelocError, match="empty set has no images"):
            quick(Dataset("empty set", scenes.classes, ()), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_a_step_too_long(self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path) -> None:
        # One step: the loss before it is finite, but the weights after it are not.
        recipe = dataclasses.replace(
            RECIPE, epochs=1, batch_size=COUNT, warm_start_epochs=0, learning_rate=1e39
        )
        with pytest.raises(FreelocError, match=r"diverged in epoch 1: .* use a learning rate below 1e\+39"):
            quick(scenes, tmp_path / "run", recipe=recipe)
        assert not (tmp_path / "run" / "model.safetensors").exists()

    @pytest.mark.parametrize(
        ("rate", "epochs"),
        [(1e25, 1), (1e18, 1), (1e12, 1), (1e6, 1), (1e3, 1), (1e25, 3), (1e18, 3), (1e3, 3)],
    )
    @pytest.mark.parametrize("warm_start_epochs", [0, 2])
    def test_rates_that_are_far_too_high(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        tmp_path: Path,
        rate: float,
        epochs: int,
        warm_start_epochs: int,
    ) -> None:
        recipe = dataclasses.replace(
            RECIPE, epochs=epochs, warm_start_epochs=warm_start_epochs, learning_rate=rate
        )
        with pytest.raises(TrainingError, match="^training diverged.* use a learning rate below") as caught:
            quick(scenes, tmp_path / "run", recipe=recipe, snapshots=(epochs * 3,))
        assert caught.value.parameter == "learning_rate"
        assert not (tmp_path / "run" / "model.safetensors").exists()
        assert not (tmp_path / "run" / "manifest.json").exists()

    def test_the_rate_of_the_warm_start_is_far_too_high(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        recipe = dataclasses.replace(RECIPE, warm_start_learning_rate=1e18)
        with pytest.raises(TrainingError, match="use a warm start learning rate below"):
            quick(scenes, tmp_path / "warm", recipe=recipe)
        assert not (tmp_path / "warm" / "model.safetensors").exists()

    def test_labels_that_say_nothing(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        unknown = tuple(Sample(sample.path, np.zeros(8, np.int8)) for sample in scenes)
        with pytest.raises(
            DatasetError, match="no class of unknown is present in any image: training requires"
        ):
            quick(Dataset("unknown", scenes.classes, unknown), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_another_process_trains_into_the_folder(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        with lock_file(tmp_path / "run" / "model.safetensors"):
            with pytest.raises(OutputError, match="another freeloc process is writing to it"):
                quick(scenes, tmp_path / "run")
            assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
        quick(scenes, tmp_path / "run")

    def test_the_folder_is_locked_while_the_data_are_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def second(*_: object, **__: object) -> None:
            with pytest.raises(OutputError, match="another freeloc process"), lock_file(run.model):
                pass
            with run.lock(resume=False):  # it holds on for the run itself
                pass
            raise ZeroDivisionError

        run = RunFolder(tmp_path / "run")
        monkeypatch.setattr("freeloc.training.train.open_inputs", second)
        with pytest.raises(ZeroDivisionError):
            train(tmp_path, run.path)
        assert not run.path.exists()

    def test_the_run_folder_is_a_file(
        self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        (tmp_path / "run").write_text("x")
        with pytest.raises(FreelocError, match="cannot write"):
            quick(scenes, tmp_path / "run")
        assert (tmp_path / "run").read_text() == "x"

    def test_a_disk_that_is_full_at_the_end(
        self,
        scenes: Dataset,
        quick: Callable[..., Model],
        reference: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(_model: Model, path: Path) -> None:
            raise OutputError(f"cannot write {path}: No space left on device", path=path)

        with monkeypatch.context() as patch:
            patch.setattr(Model, "save", full)
            with pytest.raises(
                OutputError, match="No space left .* all epochs are stored .* resume"
            ) as caught:
                quick(scenes, tmp_path / "run")
        assert caught.value.parameter == "resume"
        quick(scenes, tmp_path / "run", resume=True)
        assert_equal(weights(tmp_path / "run"), weights(reference))

    def test_a_missing_image(self, scenes: Dataset, quick: Callable[..., Model], tmp_path: Path) -> None:
        absent = Sample(tmp_path / "absent.jpg", scenes.samples[0].labels.copy())
        with pytest.raises(FreelocError, match=r"absent\.jpg"):
            quick(Dataset("x", scenes.classes, (*scenes.samples, absent)), tmp_path / "run")

    def test_unknown_runtime(self, scenes: Dataset, tmp_path: Path) -> None:
        with pytest.raises(FreelocError, match="runtime is 'x'"):
            settings = TrainingSettings(backbone="efficientnet_lite0", runtime="x")  # type: ignore[arg-type]
            train(scenes, tmp_path / "run", settings)


def test_average_pooling_trains_a_model_that_says_so(
    scenes: Dataset, quick: Callable[..., Model], tmp_path: Path
) -> None:
    recipe = dataclasses.replace(RECIPE, pooling="average", hidden=0, feature_dropout=0.0, hidden_dropout=0.0)
    quick(scenes, tmp_path / "cam", recipe=recipe)
    model = Model.load(tmp_path / "cam")
    assert model.header.pooling == "average"
    assert model.head.fca is None


@pytest.mark.parametrize("pooling", ["lse", "topk", "full"])
def test_other_poolings_too(
    scenes: Dataset, quick: Callable[..., Model], tmp_path: Path, pooling: str
) -> None:
    if pooling == "full":
        recipe = dataclasses.replace(RECIPE, pooling=pooling, scales=(1.0,), test_scales=(1.0,))
    else:
        recipe = dataclasses.replace(RECIPE, pooling=pooling)
    quick(scenes, tmp_path / "run", recipe=recipe)
    model = Model.load(tmp_path / "run")
    assert model.header.pooling == prediction_pooling(pooling)
    assert model.header.manifest["recipe"]["pooling"] == pooling
    losses = [line["loss"] for line in log(tmp_path / "run")]
    # Eight classes that the warm start has begun to distinguish.
    assert max(losses) < 8 * math.log(2)
