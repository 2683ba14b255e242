"""timm networks as backbones: agreement with timm, correct positions of cells, and clear errors."""

import math
import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.timm_adapter import TimmBackbone, load_timm
from freeloc.nn.backbones.timm_weights import tensors_only
from tests.nn.backbones.canvases import noise

Fill = Callable[[nn.Module, int], nn.Module]

FACTS = {  # name: (stride, channels, offset); offsets from the padding of each family's layers
    "resnet18": (32, 512, 0.5),
    "vit_tiny_patch16_224": (16, 192, 8.0),
    "swin_tiny_patch4_window7_224": (32, 768, 16.0),
    "mobilenetv3_small_050": (32, 288, 0.5),
}


@pytest.fixture(scope="module")
def states(timm: ModuleType, random_weights: Fill) -> dict[str, dict[str, Tensor]]:
    """Random weights of complete networks, including the classifier."""
    return {name: random_weights(timm.create_model(name, pretrained=False), 5).state_dict() for name in FACTS}


@pytest.fixture(scope="module")
def backbones(
    states: dict[str, dict[str, Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Backbone]:
    """Each network loaded from a local file, half of them in each format."""
    loaded = {}
    for position, (name, state) in enumerate(states.items()):
        path = tmp_path_factory.mktemp("timm") / ("weights.pth" if position % 2 else "weights.safetensors")
        if position % 2:
            torch.save(state, path)
        else:
            save_file(state, path)
        loaded[name] = load_backbone(f"timm:{name}", path)
        path.unlink()
    return loaded


def prepared(canvas: Tensor, config: dict[str, tuple[float, ...]]) -> Tensor:
    """Preprocess like timm: RGB from 0 to 1, then mean and deviation."""
    mean, deviation = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    return (canvas.permute(0, 3, 1, 2).float() / 255 - mean) / deviation


# --- what is found by running the network ----------------------------------------------------------------


@pytest.mark.parametrize("name", FACTS)
def test_stride_channels_and_center_are_found(backbones: dict[str, Backbone], name: str) -> None:
    backbone = backbones[name]
    stride, channels, offset = FACTS[name]
    assert backbone.name == f"timm:{name}"
    assert (backbone.layout.stride, backbone.layout.offset, backbone.layout.window) == (stride, offset, None)
    assert backbone.channels == backbone.width == channels
    assert isinstance(backbone.projection, nn.Identity)
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize(("rows", "cols"), [(3, 5), (1, 6), (7, 2), (1, 1)])
def test_maps_have_a_cell_per_stride_on_odd_canvases(
    backbones: dict[str, Backbone], name: str, rows: int, cols: int
) -> None:
    backbone = backbones[name]
    height, width = rows * backbone.layout.stride, cols * backbone.layout.stride
    assert backbone(noise(height, width)).shape == (1, backbone.channels, rows, cols)
    assert (backbone.layout.cells(height), backbone.layout.cells(width)) == (rows, cols)


def test_register_tokens_are_dropped_and_patches_may_have_any_side(
    timm: ModuleType, random_weights: Fill
) -> None:
    network = timm.create_model(
        "vit_small_patch14_reg4_dinov2", num_classes=0, dynamic_img_size=True, depth=1
    )
    backbone = TimmBackbone("timm:small", random_weights(network, 3))
    assert (backbone.layout.stride, backbone.layout.offset, backbone.channels) == (14, 7.0, 384)
    image = torch.randn(1, 3, 28, 42, generator=torch.Generator().manual_seed(1))
    tokens = network.forward_features(image)
    assert tokens.shape == (1, 5 + 2 * 3, 384)
    assert torch.equal(backbone.body(image)[0, :, 1, 2], tokens[0, 5 + 3 + 2])


class Layers(nn.Module):
    """A stack of one-channel convolutions, each with a kernel, a stride and padding at the front.

    Optionally, each is followed by a gate that reads the whole map, as in squeeze-and-excitation.
    """

    pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # noqa: RUF012

    def __init__(self, layers: list[tuple[int, int, int]], gated: bool) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for position, (kernel, stride, before) in enumerate(layers):
            after = kernel - stride - before
            modules.append(nn.ZeroPad2d((before, after, before, after)))
            modules.append(nn.Conv2d(1 if position else 3, 1, kernel, stride))
            modules += [Gate()] if gated else []
        self.layers = nn.Sequential(*modules)

    def forward_features(self, image: Tensor) -> Tensor:
        features: Tensor = self.layers(image)
        return features


class Gate(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features * features.mean(dim=(2, 3), keepdim=True).sigmoid()


@st.composite
def stacks(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Layers with "canvas / stride" cells: padding compensates for the part of the kernel that exceeds the
    stride."""
    layers = [(2, 2, 0)]
    for _ in range(draw(st.integers(1, 5))):
        stride = draw(st.sampled_from([1, 1, 2]))
        kernel = draw(st.integers(stride, 7))
        layers.append((kernel, stride, draw(st.integers(0, kernel - stride))))
    # Six halvings would not divide the canvas with which networks are probed.
    assume(math.prod(stride for _, stride, _ in layers) <= 32)
    return draw(st.permutations(layers))


@given(layers=stacks(), gated=st.booleans())
@example(layers=[(7, 2, 3), (3, 2, 1), (3, 1, 1), (3, 2, 1)], gated=False)
@example(layers=[(3, 2, 0), (3, 2, 0), (5, 2, 1)], gated=True)
@settings(max_examples=40)
def test_the_measured_center_follows_from_kernels_strides_and_padding(
    layers: list[tuple[int, int, int]], gated: bool
) -> None:
    first = last = 0  # columns that cell 0 reads, traced back from the last layer to the canvas
    for kernel, stride, before in reversed(layers):
        first, last = first * stride - before, last * stride - before + kernel - 1
    layout = TimmBackbone("timm:layers", Layers(layers, gated)).layout
    assert layout.stride == math.prod(stride for _, stride, _ in layers)
    assert layout.offset == (first + last + 1) / 2


def test_the_measured_center_is_that_of_the_receptive_field(timm: ModuleType) -> None:
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    # Five stride-2 layers with TensorFlow's padding: index 0 → 1 → 3 → 7 → 15 → 31.
    assert TimmBackbone("timm:lite", network).layout == CellLayout(32, 31.5)


def test_the_measured_center_is_the_middle_of_the_gradient(backbones: dict[str, Backbone]) -> None:
    """An independent method to determine which pixels a cell reads."""
    body, cell = backbones["resnet18"].body, 8
    strip = torch.rand(1, 3, 32, 32 * 17, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(body(strip)[0, :, 0, cell].square().sum(), strip)
    read = gradient[0].abs().amax(dim=(0, 1)).nonzero().flatten()
    middle = float(read[0] + read[-1] + 1) / 2
    assert int(read[-1] - read[0]) > 400, "the known reach of a ResNet-18 is 435 pixels"
    assert middle == pytest.approx(backbones["resnet18"].layout.offset + 32 * cell, abs=2)


def test_measuring_leaves_the_network_as_it_was(backbones: dict[str, Backbone]) -> None:
    for backbone in backbones.values():
        assert not any(module._forward_hooks for module in backbone.modules())


# --- the numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTS)
def test_equals_forward_features_of_the_unchanged_network(
    backbones: dict[str, Backbone], states: dict[str, dict[str, Tensor]], timm: ModuleType, name: str
) -> None:
    network = timm.create_model(name, pretrained=False).eval()
    network.load_state_dict(states[name])
    canvas = noise(224, 224, seed=1)
    with torch.no_grad():
        reference = network.forward_features(prepared(canvas, network.pretrained_cfg))
    if name.startswith("vit"):
        assert reference.shape == (1, 1 + 14 * 14, 192)
        reference = torch.stack(
            [torch.stack([reference[:, 1 + 14 * i + j] for j in range(14)], -1) for i in range(14)], -2
        )
    elif name.startswith("swin"):
        reference = reference.movedim(3, 1)
    torch.testing.assert_close(backbones[name](canvas), reference, rtol=1e-4, atol=1e-4)


# Not the MobileNet: unlike trained kernels, its random depthwise kernels move a patch by a cell.
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize(("row", "col"), [(1, 3), (3, 1), (2, 5)])
def test_a_bright_patch_changes_its_own_cell_most(
    backbones: dict[str, Backbone], name: str, row: int, col: int
) -> None:
    backbone = backbones[name]
    stride, offset = backbone.layout.stride, backbone.layout.offset
    canvas = torch.full((1, 5 * stride, 7 * stride, 3), 100, dtype=torch.uint8)
    bright = canvas.clone()
    top, left = (max(0, round(offset + stride * index - stride / 2)) for index in (row, col))
    bright[:, top : top + stride, left : left + stride] = 255
    change = (backbone(bright) - backbone(canvas)).square().sum(dim=1)[0]
    assert divmod(int(change.argmax()), 7) == (row, col)


# --- weights ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_state(states: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return dict(states["mobilenetv3_small_050"])


def load_small(state: dict[str, Tensor], tmp_path: Path) -> Backbone:
    path = tmp_path / "small.pth"
    torch.save(state, path)
    return load_timm("timm:mobilenetv3_small_050", path)


def test_the_classifier_may_be_missing_and_the_fingerprint_follows_the_weights(
    small_state: dict[str, Tensor], backbones: dict[str, Backbone], tmp_path: Path
) -> None:
    whole = backbones["mobilenetv3_small_050"]
    headless = {key: value for key, value in small_state.items() if not key.startswith("classifier.")}
    assert len(headless) < len(small_state)
    assert load_small(headless, tmp_path).fingerprint == whole.fingerprint
    headless["conv_stem.weight"] = headless["conv_stem.weight"] + 1e-3
    assert load_small(headless, tmp_path).fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv_stem.weight"), r"lacks 1 tensor \(first: conv_stem\.weight\)"),
        (
            lambda state: state.update({"odd.weight": torch.zeros(1)}),
            r"has 1 unknown tensor \(first: odd\.weight\)",
        ),
        (
            lambda state: state.update({"conv_stem.weight": torch.zeros(16, 3, 5, 5)}),
            r"conv_stem\.weight .*shape \(16, 3, 5, 5\), but backbone timm:mobilenetv3_small_050 requires",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    small_state: dict[str, Tensor],
    tmp_path: Path,
    change: Callable[[dict[str, Tensor]], object],
    message: str,
) -> None:
    change(small_state)
    with pytest.raises(FreelocError, match=message):
        load_small(small_state, tmp_path)


def test_weights_of_another_network_are_refused(states: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"does not fit backbone timm:mobilenetv3_small_050"):
        load_small(states["vit_tiny_patch16_224"], tmp_path)


def test_names_of_the_networks_authors_are_translated(
    timm: ModuleType, random_weights: Fill, tmp_path: Path
) -> None:
    """ConvNeXt was published with different names than timm's, which timm can translate."""
    network = random_weights(timm.create_model("convnext_atto", pretrained=False), 9)
    original = {}
    for key, value in network.state_dict().items():
        for pattern, name in (
            (r"^stem\.", "downsample_layers.0."),
            (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"^stages\.(\d)\.blocks\.", r"stages.\1."),
            (r"conv_dw\.", "dwconv."),
            (r"mlp\.fc(\d)\.", r"pwconv\1."),
            (r"^head\.norm\.", "norm."),
            (r"^head\.fc\.", "head."),
        ):
            key = re.sub(pattern, name, key)  # noqa: PLW2901
        original[key] = value
    assert not original.keys() & network.state_dict().keys()
    by_theirs, by_ours = tmp_path / "original.pth", tmp_path / "timm.pth"
    torch.save({"model": original}, by_theirs)
    torch.save(network.state_dict(), by_ours)
    theirs, ours = (load_timm("timm:convnext_atto", path) for path in (by_theirs, by_ours))
    assert theirs.fingerprint == ours.fingerprint


def test_unreachable_weights_name_the_source_and_the_fix(timm: ModuleType) -> None:
    with pytest.raises(FreelocError) as caught:
        load_timm("timm:mobilenetv3_small_050.lamb_in1k")
    for word in (
        "timm:mobilenetv3_small_050.lamb_in1k",
        "timm/mobilenetv3_small_050.lamb_in1k",
        "local state dict",
    ):
        assert word in str(caught.value)


def test_a_network_without_published_weights_says_so(timm: ModuleType) -> None:
    with pytest.raises(
        FreelocError, match=r"backbone timm:resnet50c cannot be downloaded .*local state dict"
    ):
        load_timm("timm:resnet50c")


def test_torch_load_is_held_to_tensors_while_timm_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.bin"
    torch.save({"weight": Path("anything but a tensor")}, path)
    for before in (None, "0"):
        if before is not None:
            monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", before)
        with tensors_only(), pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=False)
        assert torch.load(path, weights_only=False), "the option is back as it was"
        assert os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD") == before


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", r"no network called 'resnet81': did you mean .*timm:resnet18\b"),
        ("resnet18.a9", r"no network called 'resnet18\.a9': did you mean .*timm:resnet18\.a1_in1k\b"),
        ("", r"no network called '': see timm\.list_models"),
        ("hf-hub:someone/something", "no network called"),
    ],
)
def test_unknown_networks_and_tags(timm: ModuleType, name: str, message: str) -> None:
    with pytest.raises(FreelocError, match=message):
        load_timm(f"timm:{name}", Path("weights.pth"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "levit_128s",
            r"timm:levit_128s does not support canvases of arbitrary size \(at \d+×\d+: .*without a fixed input size",
        ),
        ("mixer_s32_224", r"timm:mixer_s32_224 does not support canvases of arbitrary size"),
        ("test_nfnet", None),
        ("mobilevitv2_050", r"map of timm:mobilevitv2_050 does not match the canvas|not a map of"),
        ("inception_v3", r"features of timm:inception_v3 .*not a map of canvas / stride cells"),
    ],
)
def test_networks_whose_maps_do_not_follow_the_canvas(
    timm: ModuleType, name: str, message: str | None
) -> None:
    network = timm.create_model(name, pretrained=False, num_classes=0)
    if message is None:
        assert TimmBackbone(f"timm:{name}", network).layout.stride == 32
        return
    with pytest.raises(FreelocError, match=message):
        TimmBackbone(f"timm:{name}", network)


def test_networks_without_a_map_or_for_other_input_are_refused(timm: ModuleType) -> None:
    network = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    vector = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    vector.forward_features = network.forward
    with pytest.raises(FreelocError, match="timm:vector has no spatial feature map"):
        TimmBackbone("timm:vector", vector)
    several = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    several.forward_features = lambda image: [image]
    with pytest.raises(FreelocError, match="its features are a list, not one tensor"):
        TimmBackbone("timm:several", several)
    network.pretrained_cfg = network.pretrained_cfg | {"mean": (0.5,)}
    with pytest.raises(FreelocError, match="no RGB mean for timm:grey"):
        TimmBackbone("timm:grey", network)


def test_a_timm_that_does_not_start_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        FreelocError,
        match=r"cannot be imported \(operator torchvision::nms does not exist\): install the version of torchvision",
    ):
        load_timm("timm:resnet18")


def test_random_weights_are_no_constant(backbones: dict[str, Backbone]) -> None:
    """The checks above would pass on maps of zeros, so these maps must not be zero."""
    for backbone in backbones.values():
        features = backbone(noise(3 * backbone.layout.stride, 4 * backbone.layout.stride))
        assert float(features.std()) > 1e-3
        assert math.isfinite(float(features.abs().max()))


# --- detail features ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stage", "last"),
    [
        ("resnet18", "layer3", False),
        ("swin_tiny_patch4_window7_224", "layers.2", True),
        ("mobilenetv3_small_050", "blocks.3", False),
    ],
)
def test_detail_features_are_those_of_the_last_stage_at_half_the_stride(
    backbones: dict[str, Backbone], name: str, stage: str, last: bool
) -> None:
    backbone, outputs = backbones[name], []
    canvas = noise(3 * 32, 5 * 32)
    handle = backbone.body.network.get_submodule(stage).register_forward_hook(  # type: ignore[union-attr]
        lambda _module, _inputs, output: outputs.append(output)
    )
    features, detail = backbone.forward_with_detail(canvas)
    handle.remove()
    assert torch.equal(features, backbone(canvas))
    assert detail.shape == (1, backbone.detail_channels, 6, 10)
    assert torch.equal(detail, outputs[0].movedim(3, 1) if last else outputs[0])


def test_networks_that_cannot_return_earlier_stages_have_no_detail_features() -> None:
    backbone = TimmBackbone("timm:layers", Layers([(2, 2, 0), (2, 2, 0)], gated=False))
    assert backbone.detail_channels == 0
    with pytest.raises(NotImplementedError):
        backbone.forward_with_detail(noise(8, 8))
