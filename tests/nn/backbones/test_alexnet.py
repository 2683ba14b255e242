"""AlexNet as a convolutional backbone: results equal to those of the fixed-size network, window by window."""

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.nn.backbones import alexnet as module
from freeloc.nn.backbones.alexnet import AlexNet, load_alexnet
from freeloc.nn.backbones.base import Backbone, fingerprint
from tests.nn.backbones.canvases import noise

WINDOW, STRIDE = 224, 32


@pytest.fixture(scope="module")
def backbone(alexnet_file: Path) -> Backbone:
    return load_alexnet("alexnet", alexnet_file)


@pytest.fixture(scope="module")
def shapes_only() -> AlexNet:
    """The network on the meta device, on which maps have shapes but no values."""
    with torch.device("meta"):
        return AlexNet()


def test_nothing_of_it_is_trained_for_it_has_no_projection(backbone: Backbone) -> None:
    parts = backbone.split_at("projection")
    assert parts.below is backbone
    assert parts.above is None
    assert dict(parts.trained) == {}
    with pytest.raises(
        FreelocError, match="backbone alexnet has no stage '7': choose 'none' or one of projection"
    ):
        backbone.split_at("7")


def prepared(canvas: Tensor) -> Tensor:
    """Preprocess like torchvision: RGB from 0 to 1, then ImageNet's mean and deviation."""
    image = canvas.permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (image - mean) / deviation


def fixed_size_network(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """AlexNet up to FC7 with linear layers, implemented from its description: (N, 3, 224, 224) → (N, 4096)."""

    def convolve(values: Tensor, layer: int, stride: int, padding: int) -> Tensor:
        weight, bias = state[f"features.{layer}.weight"], state[f"features.{layer}.bias"]
        return functional.conv2d(values, weight, bias, stride, padding).relu()

    values = functional.max_pool2d(convolve(image, 0, 4, 2), 3, 2)
    values = functional.max_pool2d(convolve(values, 3, 1, 2), 3, 2)
    for layer in (6, 8, 10):
        values = convolve(values, layer, 1, 1)
    values = functional.max_pool2d(values, 3, 2).flatten(1)
    for layer in (1, 4):
        weight, bias = state[f"classifier.{layer}.weight"], state[f"classifier.{layer}.bias"]
        values = functional.linear(values, weight, bias).relu()
    return values


# --- the same network ------------------------------------------------------------------------------------


def test_equals_the_fixed_size_network_on_one_window(
    backbone: Backbone, alexnet_state: dict[str, Tensor]
) -> None:
    canvas = noise(WINDOW, WINDOW)
    features = backbone.projection(backbone(canvas))
    reference = fixed_size_network(alexnet_state, prepared(canvas))
    assert features.shape == (1, 4096, 1, 1)
    assert float(reference.abs().max()) > 1, "the reference says something"
    torch.testing.assert_close(features.flatten(1), reference, rtol=1e-4, atol=1e-4)


def test_equals_torchvision(
    backbone: Backbone, alexnet_state: dict[str, Tensor], torchvision: ModuleType
) -> None:
    with torch.device("meta"):
        network = torchvision.models.alexnet().eval()
    network.load_state_dict(alexnet_state, assign=True)
    canvas = noise(WINDOW, WINDOW, seed=1)
    with torch.no_grad():
        reference = network.classifier[:6](network.features(prepared(canvas)).flatten(1))
    torch.testing.assert_close(backbone(canvas).flatten(1), reference, rtol=1e-4, atol=1e-4)


# --- map sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "rows", "cols"), [(256, 256, 2, 2), (1024, 2048, 26, 58), (224, 224, 1, 1)]
)
def test_map_sizes_of_the_paper(shapes_only: AlexNet, height: int, width: int, rows: int, cols: int) -> None:
    image = torch.empty(1, 3, height, width, device="meta")
    assert shapes_only.body(image).shape == (1, 4096, rows, cols)


def test_every_side_gives_just_its_whole_windows(shapes_only: AlexNet) -> None:
    for side in [*range(WINDOW, WINDOW + 4 * STRIDE + 2), *range(1400, 1400 + STRIDE)]:
        image = torch.empty(1, 3, WINDOW, side, device="meta")
        cells = (side - WINDOW) // STRIDE + 1
        assert shapes_only.body(image).shape[2:] == (1, cells), side
        assert shapes_only.body(image.mT).shape[2:] == (cells, 1), side
        assert shapes_only.layout.cells(side) == cells


@given(
    width=st.integers(1, 900),
    height=st.integers(1, 900),
    scale=st.floats(0.1, 3.0),
    padding=st.sampled_from(["stride", "square", "paper"]),
)
@example(width=500, height=375, scale=0.51, padding="square")
@settings(max_examples=60)
def test_grids_foretell_the_map(
    shapes_only: AlexNet, width: int, height: int, scale: float, padding: str
) -> None:
    grid = Pyramid((scale,), padding).grid(Size(width, height), scale, shapes_only.layout)  # type: ignore[arg-type]
    image = torch.empty(1, 3, grid.canvas.height, grid.canvas.width, device="meta")
    assert shapes_only.body(image).shape[2:] == (grid.rows, grid.cols)


# --- where cells look ------------------------------------------------------------------------------------


def test_a_cell_reads_355_pixels_around_the_center_of_its_window(backbone: Backbone) -> None:
    """NaN columns affect exactly the cells that read them."""
    cell, first, last = 4, 62, 416  # 355 columns
    strips = torch.zeros(4, 3, WINDOW, WINDOW + 8 * STRIDE)
    for strip, column in zip(strips, (first - 1, first, last, last + 1), strict=True):
        strip[:, :, column] = torch.nan
    spoiled = backbone.body(strips)[:, :, 0, cell].isnan().any(dim=1)
    assert spoiled.tolist() == [False, True, True, False]
    window_center = backbone.layout.offset + STRIDE * cell
    assert window_center == STRIDE * cell + WINDOW / 2
    assert (first + last + 1) / 2 == window_center - 0.5


@pytest.mark.parametrize("axis", [1, 2])
def test_moving_the_image_by_one_stride_moves_the_inner_map_by_one_cell(
    backbone: Backbone, axis: int
) -> None:
    length = WINDOW + 8 * STRIDE  # 9 cells, of which 3 to 5 read no padding along this axis
    scene = noise(*((length + STRIDE, WINDOW) if axis == 1 else (WINDOW, length + STRIDE)), seed=2)
    before = backbone(scene.narrow(axis, 0, length)).flatten(2)
    after = backbone(scene.narrow(axis, STRIDE, length)).flatten(2)
    assert before.shape == (1, 4096, 9)
    torch.testing.assert_close(after[..., 3:5], before[..., 4:6], rtol=1e-4, atol=1e-4)
    # Closer to the border, a cell reads padding in one of the two, and may differ.
    for near in (2, 5):
        assert not torch.allclose(after[..., near], before[..., near + 1], rtol=1e-4, atol=1e-4)


def test_padding_colour_normalises_to_nearly_zero(backbone: Backbone) -> None:
    canvas = torch.tensor(backbone.pad_color, dtype=torch.uint8).view(1, 1, 1, 3)
    assert float(backbone.normalization(canvas).abs().max()) < 0.5 / (0.224 * 255)


# --- weights ---------------------------------------------------------------------------------------------


def test_the_classifier_may_be_missing_and_weights_may_be_halved(alexnet_state: dict[str, Tensor]) -> None:
    halved = {key: value.half() for key, value in alexnet_state.items() if not key.startswith("classifier.6")}
    network = AlexNet()
    network.load_published(halved, Path("halved.pth"))
    kernel = network.body.get_parameter("1.weight")
    assert kernel.dtype == torch.float32
    torch.testing.assert_close(kernel.detach(), alexnet_state["features.0.weight"], rtol=1e-3, atol=1e-6)


def test_the_fingerprint_is_that_of_the_weights(backbone: Backbone) -> None:
    bias = backbone.body.get_parameter("1.bias")
    bias[5] += 1
    changed = fingerprint(backbone)
    bias[5] -= 1
    assert changed != backbone.fingerprint
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("features.3.bias"), r"lacks 1 tensor \(first: features\.3\.bias\)"),
        (lambda state: state.update({"odd": torch.zeros(1)}), r"has 1 unknown tensor \(first: odd\)"),
        (
            lambda state: state.update({"classifier.1.weight": torch.zeros(4096, 256)}),
            r"classifier\.1\.weight .*shape \(4096, 256\), but backbone alexnet requires \(4096, 9216\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    alexnet_state: dict[str, Tensor], change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    state = dict(alexnet_state)
    change(state)
    with torch.device("meta"):
        network = AlexNet()
    with pytest.raises(FreelocError, match=message):
        network.load_published(state, Path("alexnet.pth"))


@pytest.mark.slow
def test_published_weights_are_downloaded_and_checked(
    backbone: Backbone, alexnet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with alexnet_file.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    published = alexnet_file.with_name(f"alexnet-owt-{digits}.pth")
    published.symlink_to(alexnet_file)
    monkeypatch.setattr(module, "_URL", published.as_uri())
    assert load_alexnet().fingerprint == backbone.fingerprint
    (tmp_path / "hub" / "checkpoints" / published.name).unlink()


def test_without_a_network_the_error_tells_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._URL == "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/alexnet-owt-7be5be79.pth"
    monkeypatch.setattr(module, "_URL", address)
    with pytest.raises(
        FreelocError, match=rf"backbone alexnet cannot be downloaded from {address}.*local copy"
    ):
        load_alexnet()
