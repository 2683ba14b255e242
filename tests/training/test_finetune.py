"""Training of a backbone's last stages: the gradient against a reference, and runs from images to a model file."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from freeloc.datasets.dataset import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import ConfigurationError, TrainingError
from freeloc.features.arrays import FeatureMap
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.inference.localizer import Localizer
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.finetune import StageInput, StageTrainStep, stage_features, stage_inputs
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.step import HeadTrainStep
from freeloc.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
CHANNELS, MIDDLE, WIDTH, CLASSES = 3, 4, 5, 4
SHAPES = [((6, 8), (3, 4)), ((4, 4), (2, 1)), ((6, 8), (2, 3)), ((2, 10), (1, 5)), ((6, 8), (1, 1))]
"""Rows and columns of each map, and of its valid cells; a cell is two positions wide."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Upper:
    """A small trained part with its projection and head, and maps of some images."""

    def __init__(self, **dropout: float) -> None:
        rng = np.random.default_rng(2)
        self.maps = [
            StageInput(rng.normal(0, 1, (*size, CHANNELS)).astype(np.float16), valid)
            for size, valid in SHAPES
        ]
        self.labels = torch.from_numpy(rng.integers(-1, 2, (len(SHAPES), CLASSES)).astype(np.int8))
        torch.manual_seed(4)
        self.above = nn.Sequential(
            nn.Conv2d(CHANNELS, MIDDLE, 3, stride=2, padding=1), nn.BatchNorm2d(MIDDLE), nn.ReLU6()
        ).eval()
        self.above[1].requires_grad_(False)
        self.projection = Conv1x1(MIDDLE, WIDTH, ceiling=6.0)
        self.head = AdaptationHead(HeadSettings(WIDTH, CLASSES, 6, **({"hidden_dropout": 0.0} | dropout)))
        for parameter in (*self.projection.parameters(), *self.head.parameters()):
            nn.init.normal_(parameter, std=0.5)

    @property
    def modules(self) -> nn.ModuleList:
        return nn.ModuleList([self.above, self.projection, self.head])

    def step(self, *, together: int | None, seed: int = 0, **recipe: Any) -> tuple[float, dict[str, Tensor]]:
        """Compute loss and gradients with freeloc's step."""
        self.modules.zero_grad()
        recipe = {"cell_fraction": 1.0} | recipe
        head_step = HeadTrainStep(
            self.projection, self.head, Recipe(**recipe), use_bfloat16=False, device=CPU
        )
        step = StageTrainStep(self.above, head_step, use_bfloat16=False, device=CPU, max_values=together)
        loss = step.backward(self.maps, self.labels, generator(seed))
        return float(loss), self.gradients(self.modules)

    @staticmethod
    def gradients(modules: nn.ModuleList) -> dict[str, Tensor]:
        return {
            key: value.grad.double() for key, value in modules.named_parameters() if value.grad is not None
        }

    def by_hand(self, *, mean: bool = False) -> tuple[float, dict[str, Tensor]]:
        """A reference in float64: scores of all cells with gradients, then the maximum or mean over valid
        cells."""
        modules = copy.deepcopy(self.modules).double()
        modules.zero_grad()
        above, projection, head = modules
        total = torch.zeros((), dtype=torch.float64)
        for item, signs in zip(self.maps, self.labels.tolist(), strict=True):
            values = torch.from_numpy(item.values.astype(float)).permute(2, 0, 1)[None]
            rows, cols = item.valid
            scores = head(projection(above(values)))[0, :, :rows, :cols].flatten(1)
            for score, sign in zip(scores.mean(1) if mean else scores.max(1).values, signs, strict=True):
                if sign:
                    total = total + torch.log1p(torch.exp(-sign * score))
        loss = total / len(self.maps)
        loss.backward()
        return float(loss.detach()), self.gradients(modules)


def assert_same(found: tuple[float, dict[str, Tensor]], wanted: tuple[float, dict[str, Tensor]]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=1e-5)
    assert found[1].keys() == wanted[1].keys()
    for key, gradient in wanted[1].items():
        torch.testing.assert_close(found[1][key], gradient, rtol=1e-4, atol=1e-6, msg=key)


class TestGradient:
    @pytest.mark.parametrize("together", [1, 2 * 6 * 8 * CHANNELS, None])
    @pytest.mark.parametrize("gradient", ["sparse", "dense"])
    def test_equals_the_textbook(self, together: int | None, gradient: str) -> None:
        upper = Upper()
        found = upper.step(together=together, gradient=gradient)
        assert_same(found, upper.by_hand())
        # The convolution, projection and head are trained; the normalization is not.
        assert {key.split(".")[0] for key in found[1]} == {"0", "1", "2"}
        assert not any(key.startswith("0.1") for key in found[1])

    @pytest.mark.parametrize("together", [1, 2 * 6 * 8 * CHANNELS, None])
    def test_average_pooling_too(self, together: int | None) -> None:
        upper = Upper()
        assert_same(upper.step(together=together, pooling="average"), upper.by_hand(mean=True))

    def test_statistics_do_not_move(self) -> None:
        upper = Upper()
        before = {key: value.clone() for key, value in upper.above[1].state_dict().items()}
        upper.step(together=None)
        assert all(torch.equal(upper.above[1].state_dict()[key], value) for key, value in before.items())

    def test_dropout_and_the_share_of_cells_come_from_the_generator(self) -> None:
        upper = Upper(feature_dropout=0.3, hidden_dropout=0.3)
        losses = [upper.step(together=1, seed=seed, cell_fraction=0.5)[0] for seed in (1, 1, 2)]
        assert losses[0] == losses[1] != losses[2]

    def test_maps_are_not_changed(self) -> None:
        upper = Upper()
        before = [item.values.copy() for item in upper.maps]
        upper.step(together=None)
        for item, kept in zip(upper.maps, before, strict=True):
            np.testing.assert_array_equal(item.values, kept)


# --- from images to a model file ----------------------------------------------------------------------

SCALES = (0.25, 0.4)
RECIPE = Recipe(
    name="tiny",
    epochs=3,
    batch_size=4,
    scales=SCALES,
    test_scales=(0.3, 0.5),
    warm_start_epochs=2,
    warmup_fraction=0.0,
    hidden=16,
    projection_learning_rate=1e-3,
    backbone_learning_rate=1e-3,
)
STAGES = ["projection", "7", "6"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return generate_scenes(tmp_path_factory.mktemp("scenes"), 8, SceneSettings(seed=5), boxes=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def quick(scenes: Dataset, cache: Path) -> Callable[..., Model]:
    def call(out: Path, stage: str, recipe: Recipe = RECIPE, **options: Any) -> Model:
        run = {"resume": options.pop("resume", False), "quiet": options.pop("quiet", True)}
        recipe = dataclasses.replace(recipe, trainable_backbone=stage)
        given: dict[str, Any] = {
            "seed": 3,
            "cache_folder": cache,
            "runtime": "openvino",
            "precision": "float32",
            "report": False,
        }
        settings = TrainingSettings(backbone="efficientnet_lite0", recipe=recipe, **(given | options))
        return train(scenes, out, settings, **run)

    return call


@pytest.fixture(scope="module")
def runs(quick: Callable[..., Model], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run folder of one uninterrupted run for each stage."""
    folder = tmp_path_factory.mktemp("runs")
    for stage in STAGES:
        quick(folder / stage, stage)
    return {stage: folder / stage for stage in STAGES}


def tensors(model: Model) -> dict[str, Tensor]:
    return {**model.head.state_dict(), **{f"backbone.{key}": v for key, v in model.backbone_changes.items()}}


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].contiguous().numpy().tobytes() == value.contiguous().numpy().tobytes(), key


class TestRun:
    @pytest.mark.parametrize("stage", STAGES)
    def test_the_trained_part_changes_and_the_rest_does_not(self, runs: dict[str, Path], stage: str) -> None:
        backbone, model = load_backbone("efficientnet_lite0"), Model.load(runs[stage])
        adapted = model.adapt_backbone(backbone)
        before, after = backbone.state_dict(), adapted.state_dict()
        first = {"projection": 8, "7": 7, "6": 6}[stage]
        for key, value in before.items():
            room, _, rest = key.partition(".")
            trained = room == "projection" or (int(rest.split(".")[0]) >= first and "norm" not in key)
            assert torch.equal(value, after[key]) is not trained, key
            assert (key in model.backbone_changes) is trained, key
        assert (
            adapted.fingerprint
            == model.header.backbone_fingerprint
            != backbone.fingerprint
            == model.header.backbone_base
        )

    @pytest.mark.parametrize("stage", ["projection", "6"])
    def test_the_saved_model_predicts_what_the_trained_modules_do(
        self, runs: dict[str, Path], scenes: Dataset, stage: str
    ) -> None:
        backbone, model = load_backbone("efficientnet_lite0"), Model.load(runs[stage])
        for _ in range(2):  # traced, then cached
            localizer = Localizer.load(runs[stage], scales=(0.5,), runtime="openvino", precision="float32")
            localizer.score_maps(scenes.samples[0].path)
        # The modules after the last step, on the map of the frozen part.
        state = Checkpoint.load(runs[stage] / "checkpoint.safetensors")
        parts = backbone.split_at(stage)
        head = AdaptationHead(model.head.settings, standardized=True)
        head.load_state_dict(state.weights)
        with torch.no_grad():
            for key, parameter in parts.trained.items():
                parameter.copy_(state.backbone[key])
            for sample in scenes.samples[:2]:
                (found,) = localizer.score_maps(sample.path)
                canvas = localizer_canvas(sample.path, backbone)
                lower = parts.below(canvas)
                upper = lower if parts.above is None else parts.above(lower)
                scores = head(parts.projection(upper))[0, :, : found.grid.valid_rows, : found.grid.valid_cols]
                scale = float(scores.abs().max())
                np.testing.assert_allclose(found.values, scores.numpy(), rtol=1e-3, atol=1e-4 * scale)
                plain = head(backbone.projection(backbone(canvas)))[
                    0, :, : scores.shape[1], : scores.shape[2]
                ]
                assert not np.allclose(found.values, plain.numpy(), rtol=1e-2, atol=1e-3 * scale)

    @pytest.mark.parametrize("stage", STAGES)
    def test_going_on_equals_never_having_stopped(
        self,
        quick: Callable[..., Model],
        runs: dict[str, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        stage: str,
    ) -> None:
        class Interrupted(Exception):
            pass

        own_save = Checkpoint.save

        def save(self: Checkpoint, path: Path) -> None:
            own_save(self, path)
            if self.epochs_done == 2:
                raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "save", save)
            with pytest.raises(Interrupted):
                quick(tmp_path / "run", stage)
        quick(tmp_path / "run", stage, resume=True)
        assert_equal(tensors(Model.load(tmp_path / "run")), tensors(Model.load(runs[stage])))

    def test_the_projections_training_lowers_the_loss(
        self, quick: Callable[..., Model], tmp_path: Path
    ) -> None:
        recipe = dataclasses.replace(
            RECIPE,
            epochs=12,
            scales=SCALES[:1],
            warm_start_epochs=0,
            learning_rate=0.01,
            projection_learning_rate=0.01,
            hidden_dropout=0.0,
            feature_dropout=0.0,
            cell_fraction=1.0,
        )
        losses = {}
        for stage in ("none", "projection"):
            quick(tmp_path / stage, stage, recipe)
            lines = (tmp_path / stage / "log.jsonl").read_text().splitlines()
            losses[stage] = [json.loads(line)["loss"] for line in lines]
        assert losses["projection"][-1] < 0.95 * losses["none"][-1]
        assert losses["projection"][-1] < losses["projection"][0]

    def test_the_manifest_says_so(self, runs: dict[str, Path]) -> None:
        manifest = json.loads((runs["7"] / "manifest.json").read_text())
        model = Model.load(runs["7"])
        assert manifest["recipe"]["trainable_backbone"] == "7"
        assert manifest["recipe"]["backbone_learning_rate"] == 1e-3
        assert manifest["backbone"] == model.header.backbone_base
        assert manifest["trained_backbone"] == model.header.backbone_fingerprint

    def test_the_projection_reads_the_whole_backbones_cache(
        self, runs: dict[str, Path], quick: Callable[..., Model], cache: Path, tmp_path: Path
    ) -> None:
        assert runs
        before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
        quick(tmp_path / "head", "none")
        assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")} == before
        # One folder for the complete backbone, and one for each frozen part: below stages 7 and 6.
        assert len(list(cache.iterdir())) == 3

    def test_without_a_cache_too(
        self, quick: Callable[..., Model], scenes: Dataset, cache: Path, tmp_path: Path
    ) -> None:
        recipe = dataclasses.replace(RECIPE, epochs=1, warm_start_epochs=0)
        found = [
            tensors(quick(tmp_path / name, "7", recipe, cache_folder=tmp_path / "none", cache_features=False))
            for name in ("first", "second")
        ]
        assert_equal(*found)
        assert not (tmp_path / "none").exists()

    def test_another_stage_is_another_run(self, quick: Callable[..., Model], runs: dict[str, Path]) -> None:
        with pytest.raises(TrainingError, match=r"other settings: trainable_backbone \(7, now 6\); use"):
            quick(runs["7"], "6", resume=True)

    def test_a_head_alone_has_no_backbone_weights(
        self, quick: Callable[..., Model], runs: dict[str, Path], tmp_path: Path
    ) -> None:
        model = quick(tmp_path / "head", "none", dataclasses.replace(RECIPE, epochs=1))
        assert (model.header.backbone_base, dict(model.backbone_changes)) == (None, {})
        for folder, changed in ((tmp_path / "head", False), (runs["7"], True)):
            assert (b"backbone_base" in (folder / "model.safetensors").read_bytes()[:100_000]) == changed

    @pytest.mark.parametrize("stage", ["0", "8", "body", ""])
    def test_an_unknown_stage(self, quick: Callable[..., Model], tmp_path: Path, stage: str) -> None:
        with pytest.raises(
            ConfigurationError, match=f"has no stage '{stage}': choose 'none' or one of 1, 2, .* projection"
        ) as caught:
            quick(tmp_path / "run", stage)
        assert caught.value.parameter == "trainable_backbone"
        assert not (tmp_path / "run").exists()


def localizer_canvas(path: Path, backbone: Any) -> Tensor:
    """(1, H, W, 3) canvas of an image at scale 0.5."""
    from freeloc.features.compute import feature_canvases

    ((_grid, canvas),) = feature_canvases(path, backbone, Pyramid((0.5,)))
    return torch.from_numpy(canvas)[None]


class TestFinishedCells:
    @pytest.mark.parametrize("stage", ["7", "5"])
    def test_are_the_whole_backbones(self, scenes: Dataset, stage: str) -> None:
        backbone = load_backbone("efficientnet_lite0")
        parts = backbone.split_at(stage)
        assert parts.above is not None
        paths = [sample.path for sample in scenes][:2]

        class Lower:
            scales = None
            threads = 1
            batch = 1

            def __len__(self) -> int:
                return len(paths)

            def get(self, index: int, scale: float) -> FeatureMap:
                (canvas,) = (localizer_canvas(paths[index], backbone),)
                with torch.no_grad():
                    values: FeatureMap = parts.below(canvas)[0].permute(1, 2, 0).contiguous().half().numpy()
                return values

            def get_many(self, indices: Sequence[int], scale: float) -> Sequence[FeatureMap]:
                return [self.get(index, scale) for index in indices]

        sizes = [read_image_size(path) for path in paths]
        maps = stage_inputs(Lower(), sizes, backbone.layout, Pyramid())
        cells = stage_features(maps, parts.above, use_bfloat16=False, device=CPU)
        assert (len(maps), len(cells), cells.scales, cells.threads) == (2, 2, None, 1)
        for index, path in enumerate(paths):
            grid = Pyramid((0.5,)).grid(read_image_size(path), 0.5, backbone.layout)
            with torch.no_grad():
                whole = backbone(localizer_canvas(path, backbone))[0, :, : grid.valid_rows, : grid.valid_cols]
            found = cells.get(index, 0.5)
            assert found.shape == (grid.valid_rows * grid.valid_cols, backbone.channels)
            scale = float(whole.abs().max())
            # Eleven bits of every value between the two parts, over a handful of layers.
            np.testing.assert_allclose(
                found.astype(float), whole.flatten(1).T.numpy(), rtol=0, atol=5e-3 * scale
            )
            assert math.isfinite(scale)
