"""Compiled networks compared with torch in float32, and the choice of runtime and precision."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.errors import ConfigurationError, MissingDependencyError
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import AppendedModule, Network, Precision, Runtime, bfloat16_is_faster, compile_network
from freeloc.runtime.hardware import cpu_supports_bfloat16
from tests.runtime.networks import Patches, Scaled, smooth_image


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def reference(lite0: Backbone) -> Network:
    return compile_network(lite0, runtime="torch", precision="float32")


@pytest.fixture(scope="module")
def scorer(lite0: Backbone) -> nn.Module:
    torch.manual_seed(1)
    head = AdaptationHead(HeadSettings(lite0.width, 4, hidden=32))
    nn.init.normal_(head.fcb.weight, std=0.5)
    return nn.Sequential(lite0.projection, head)


def relative_error(values: np.ndarray, wanted: np.ndarray) -> float:
    """Return the Frobenius norm of the difference, relative to that of the expected values."""
    return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))


SIDES = [(64, 64), (96, 320), (256, 192)]


class TestAgreement:
    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_a_backbone_computed_by_hand(self, cache: Path, who: Runtime) -> None:
        backbone = Patches()
        network = compile_network(backbone, runtime=who, precision="float32")
        for height, width in SIDES:
            canvas = smooth_image(height, width)
            values = network(canvas)
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, backbone.by_hand(canvas), atol=1e-4)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_an_appended_module_may_have_more_inputs_and_outputs(self, cache: Path, who: Runtime) -> None:
        backbone = Patches()
        network = compile_network(
            backbone, AppendedModule(Scaled(), extra_input_dims=(2, 3)), runtime=who, precision="float32"
        )
        rng = np.random.default_rng(0)
        for height, width in SIDES:
            canvas = smooth_image(height, width)
            factor = rng.random((height // 32, width // 32), np.float32)
            cube = rng.random((2, 3, 4), np.float32)
            scaled, highest, total = network.run(canvas, factor, cube)
            features = backbone.by_hand(canvas)
            np.testing.assert_allclose(scaled, features * factor, atol=1e-4)
            np.testing.assert_allclose(highest, features.max(axis=(1, 2)), atol=1e-4)
            np.testing.assert_allclose(total, cube[0], atol=1e-6)

    @pytest.mark.slow
    def test_openvino_in_float32_equals_torch(self, lite0: Backbone, reference: Network) -> None:
        network = compile_network(lite0, runtime="openvino", precision="float32")
        assert (network.runtime, network.precision) == ("openvino", "float32")
        for height, width in SIDES:
            canvas = smooth_image(height, width)
            wanted, values = reference(canvas), network(canvas)
            assert values.shape == (lite0.channels, lite0.layout.cells(height), lite0.layout.cells(width))
            # The magnitude of the features is about one.
            assert 0.1 < float(np.abs(wanted).mean()) < 10
            np.testing.assert_allclose(values, wanted, atol=1e-3)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_an_appended_module_follows_in_the_same_network(
        self, lite0: Backbone, reference: Network, scorer: nn.Module, who: Runtime
    ) -> None:
        network = compile_network(lite0, AppendedModule(scorer), runtime=who, precision="float32")
        canvas = smooth_image(96, 160)
        with torch.no_grad():
            wanted = scorer(torch.from_numpy(reference(canvas))[None])[0].numpy()
        values = network(canvas)
        assert values.shape == (4, 3, 5)
        assert float(np.abs(wanted).max()) > 0.1
        np.testing.assert_allclose(values, wanted, atol=1e-3)

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_detail_features_are_the_last_output_if_requested(
        self, cache: Path, lite0: Backbone, scorer: nn.Module, who: Runtime
    ) -> None:
        canvas = smooth_image(96, 160)
        with torch.no_grad():
            features, detail = lite0.forward_with_detail(torch.from_numpy(canvas)[None])
            scores = scorer(features)
        network = compile_network(
            lite0, AppendedModule(scorer, detail=True), runtime=who, precision="float32"
        )
        for found in (network.run(canvas), *network.run_many([canvas, canvas])):
            assert len(found) == 2
            assert relative_error(found[0], scores[0].numpy()) < 1e-4
            assert relative_error(found[1], detail[0].numpy()) < 1e-4
        plain = compile_network(lite0, AppendedModule(scorer), runtime=who, precision="float32")
        assert len(plain.run(canvas)) == 1
        alone = compile_network(lite0, runtime=who, precision="float32")
        assert relative_error(alone(canvas), features[0].numpy()) < 1e-4
        assert len(alone.run(canvas)) == 1

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_bfloat16_stays_close(self, lite0: Backbone, reference: Network, who: Runtime) -> None:
        network = compile_network(lite0, runtime=who, precision="bfloat16")
        assert network.precision == "bfloat16"
        canvas = smooth_image(256, 256)
        wanted, values = reference(canvas), network(canvas)
        assert values.dtype == np.float32
        assert relative_error(values, wanted) < 6e-2
        if cpu_supports_bfloat16():
            # Eight bits of mantissa cause a measurable difference from float32.
            assert relative_error(values, wanted) > 1e-4

    @pytest.mark.parametrize("who", ["torch", "openvino"])
    def test_calls_repeat_bit_for_bit_and_results_are_ones_own(self, cache: Path, who: Runtime) -> None:
        network = compile_network(Patches(), runtime=who)
        first = network(smooth_image(64, 64, seed=1))
        kept = first.copy()
        other = network(smooth_image(64, 64, seed=2))
        assert not np.array_equal(other, kept)
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(network(smooth_image(64, 64, seed=1)), kept)


class TestChoices:
    def test_auto_precision_follows_the_hardware(self, cache: Path) -> None:
        network = compile_network(Patches(), runtime="openvino")
        faster = bfloat16_is_faster("cpu")
        assert network.precision == ("bfloat16" if faster else "float32")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
    def test_without_a_gpu_openvino_runs_and_torch_computes_in_float32(self, cache: Path) -> None:
        assert compile_network(Patches()).runtime == "openvino"
        network = compile_network(Patches(), runtime="torch")
        assert (network.runtime, network.precision) == ("torch", "float32")

    def test_unknown_words_are_named_with_the_known_ones(self) -> None:
        unknown_runtime: Runtime = "tensorrt"  # type: ignore[assignment]
        unknown_precision: Precision = "int8"  # type: ignore[assignment]
        with pytest.raises(
            ConfigurationError, match="runtime is 'tensorrt': choose one of auto, torch, openvino"
        ):
            compile_network(Patches(), runtime=unknown_runtime)
        with pytest.raises(
            ConfigurationError, match="precision is 'int8': choose one of auto, float32, bfloat16"
        ):
            compile_network(Patches(), precision=unknown_precision)

    def test_openvino_that_cannot_be_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(MissingDependencyError, match="OpenVINO cannot be imported .*the runtime 'torch'"):
            compile_network(Patches(), runtime="openvino")
        canvas = smooth_image(64, 64)
        values = compile_network(Patches(), runtime="torch")(canvas)
        np.testing.assert_allclose(values, Patches().by_hand(canvas), atol=1e-4)
