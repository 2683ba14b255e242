"""Vision transformers of true width with some of their blocks: positions, register tokens, depths, and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from freeloc.errors import ModelError
from freeloc.features.compute import feature_canvases
from freeloc.geometry.pyramid import Pyramid
from freeloc.nn.backbones.timm_adapter import TimmBackbone
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.runtime.openvino_conversion import convert_backbone
from tests.nn.backbones.canvases import noise

Fill = Callable[[nn.Module, int], nn.Module]

NETWORKS = {"vit_small_patch14_reg4_dinov2": 14, "vit_small_patch16_dinov3": 16}
"""Stride of each network: learned positions with patches of 14 pixels, and rotary positions with 16."""

PREFIX = 5
"""A class token and four registers, in both networks."""

DEPTH = 4


@pytest.fixture(scope="module")
def create(timm: ModuleType, random_weights: Fill) -> Callable[[str], TimmBackbone]:
    def build(name: str) -> TimmBackbone:
        network = timm.create_model(name, num_classes=0, dynamic_img_size=True, depth=DEPTH)
        backbone = TimmBackbone(f"timm:{name}", random_weights(network, 3))
        backbone.freeze()
        return backbone

    return build


@pytest.fixture(scope="module")
def backbones(create: Callable[[str], TimmBackbone]) -> dict[str, TimmBackbone]:
    return {name: create(name) for name in NETWORKS}


def change(backbone: TimmBackbone, before: Tensor, after: Tensor) -> Tensor:
    """Return the (rows, cols) length of the change of the features."""
    difference: Tensor = (backbone(after) - backbone(before)).norm(dim=1)
    return difference[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pattern_that_moves_by_a_patch_moves_by_a_cell(
    backbones: dict[str, TimmBackbone], name: str
) -> None:
    backbone, stride = backbones[name], NETWORKS[name]
    pattern = noise(stride, stride, seed=4)
    canvas = torch.full((1, 5 * stride, 9 * stride, 3), 100, dtype=torch.uint8)
    for row, col in [(0, 0), (0, 1), (1, 1), (2, 7), (4, 8)]:
        moved = canvas.clone()
        moved[:, row * stride : (row + 1) * stride, col * stride : (col + 1) * stride] = pattern
        found = change(backbone, canvas, moved)
        assert found.shape == (5, 9)
        assert divmod(int(found.argmax()), 9) == (row, col)


def test_without_positions_the_map_moves_with_the_canvas(create: Callable[[str], TimmBackbone]) -> None:
    """Attention does not depend on the order of the patches; only the positions do."""
    backbone, stride = create("vit_small_patch14_reg4_dinov2"), 14
    backbone.body.network.pos_embed.zero_()  # type: ignore[operator]
    canvas = noise(4 * stride, 7 * stride)
    moved = canvas.roll((stride, 2 * stride), dims=(1, 2))
    for before, after in zip(
        backbone.forward_with_detail(canvas), backbone.forward_with_detail(moved), strict=True
    ):
        torch.testing.assert_close(after, before.roll((1, 2), dims=(2, 3)), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(backbone(moved), backbone(canvas), atol=1e-2)


@pytest.mark.parametrize("name", NETWORKS)
def test_positions_in_the_image_are_found_on_a_padded_canvas(
    backbones: dict[str, TimmBackbone], name: str, tmp_path: Path
) -> None:
    backbone, stride = backbones[name], NETWORKS[name]
    pixels = np.full((94, 150, 3), 100, np.uint8)  # not a multiple of the stride
    left, top = 4 * stride, 2 * stride
    changed = pixels.copy()
    changed[top : top + stride, left : left + stride] = noise(stride, stride, seed=1)[0].numpy()
    results = []
    for index, values in enumerate((pixels, changed)):
        path = tmp_path / f"{index}.png"
        Image.fromarray(values).save(path)
        results.append(next(feature_canvases(path, backbone, Pyramid((0.3,)))))  # not resized
    grid = results[0][0]
    assert grid.canvas.width % stride == grid.canvas.height % stride == 0
    assert (grid.content.width, grid.content.height) == (150, 94)
    found = change(backbone, *(torch.from_numpy(canvas)[None] for _grid, canvas in results))
    row, col = divmod(int(found.argmax()), found.shape[1])
    assert found.shape == (grid.rows, grid.cols)
    np.testing.assert_allclose(grid.to_image((row, col)), (left + stride / 2, top + stride / 2))
    assert grid.to_cells((left + stride / 2, top + stride / 2)).tolist() == [row, col]


@pytest.mark.parametrize("name", NETWORKS)
def test_detail_features_are_the_tokens_of_two_depths(backbones: dict[str, TimmBackbone], name: str) -> None:
    backbone, stride = backbones[name], NETWORKS[name]
    canvas = noise(3 * stride, 5 * stride)
    tokens: list[Tensor] = []
    blocks = [backbone.body.network.get_submodule(f"blocks.{index}") for index in (1, 2)]
    handles = [
        block.register_forward_hook(lambda _block, _inputs, output: tokens.append(output)) for block in blocks
    ]
    features, detail = backbone.forward_with_detail(canvas)
    for handle in handles:
        handle.remove()
    assert torch.equal(features, backbone(canvas))
    assert detail.shape == (1, backbone.detail_channels, 3, 5) == (1, 2 * 384, 3, 5)
    for row, col in ((0, 0), (1, 3), (2, 4)):
        parts = [values[0, PREFIX + 5 * row + col] for values in tokens]
        wanted = torch.cat([values / values.norm() for values in parts])
        torch.testing.assert_close(detail[0, :, row, col], wanted)


# --- OpenVINO ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_agrees_on_canvases_of_any_shape(backbones: dict[str, TimmBackbone], name: str) -> None:
    backbone, stride = backbones[name], NETWORKS[name]
    network = OpenVinoNetwork(convert_backbone(backbone), "float32", streams=1)
    for rows, cols in ((1, 1), (2, 7), (11, 4)):
        canvas = noise(rows * stride, cols * stride)
        for values, wanted in zip(
            network.run(canvas[0].numpy()), backbone.forward_with_detail(canvas), strict=True
        ):
            np.testing.assert_allclose(values, wanted[0].numpy(), rtol=1e-3, atol=1e-4)


def test_a_graph_with_the_positions_of_one_canvas_is_refused(
    create: Callable[[str], TimmBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloc.nn.backbones.timm_adapter.make_positions_traceable", lambda _network: None)
    backbone = create("vit_small_patch16_dinov3")
    with pytest.raises(
        ModelError, match=r"other features of backbone timm:vit_small_patch16_dinov3 than torch"
    ):
        convert_backbone(backbone)
