"""Several canvases at once in torch: equal to one by one, and no more than fit into memory."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from freeloc._typing import Float32Array, Uint8Array
from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import fusion_lattice
from freeloc.inference.scoring_modules import ScoringModule
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import AppendedModule, Precision, compile_network
from freeloc.runtime.torch_backend import TorchNetwork

CPU = torch.device("cpu")


class Blurred(Backbone):
    """A small backbone whose cells read their neighbors, and which records the sizes of batches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.name = "blurred"
        self.layout = CellLayout(32, 16.0)
        self.channels = self.width = 6
        self.normalization = Normalization((127.5,) * 3, (60.0,) * 3)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 32, stride=32), nn.Conv2d(6, 6, 3, padding=1))
        self.projection = Conv1x1(6, 6)
        self.freeze()
        self.seen: list[int] = []

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        self.seen.append(canvas.shape[0])
        return super().forward(canvas)


class Cramped(Blurred):
    """The backbone on a machine with memory for few canvases; torch's error is raised for more."""

    room = 2

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        features = super().forward(canvas)
        if len(canvas) > self.room:
            raise torch.OutOfMemoryError("no room")
        return features


def search(backbone: Backbone) -> ScoringModule:
    torch.manual_seed(1)
    head = AdaptationHead(HeadSettings(backbone.width, classes=3, hidden=5))
    nn.init.normal_(head.fcb.weight, std=3.0)
    return ScoringModule(backbone.projection, head.eval())


# All canvases have 10×14 cells; the valid cells and the lattice differ.
IMAGES = [Size(500, 359), Size(500, 350), Size(1000, 701), Size(333, 228), Size(500, 331), Size(90, 60)]


def canvases() -> tuple[list[Grid], list[Uint8Array], list[tuple[Float32Array, ...]]]:
    rng = np.random.default_rng(0)
    grids = [Pyramid((0.89,)).grid(size, 0.89, CellLayout(32, 16.0)) for size in IMAGES]
    shapes = {(grid.canvas.height, grid.canvas.width) for grid in grids}
    assert len(shapes) == 1, "images of one canvas are meant"
    images = [rng.integers(0, 256, (*next(iter(shapes)), 3), np.uint8) for _ in grids]
    inputs: list[tuple[Float32Array, ...]] = [
        (grid.padding_mask(), grid.sampling_field(fusion_lattice(grid.image_size))) for grid in grids
    ]
    assert len({field.shape for _, field in inputs}) > 2, "lattices of several sizes are meant"
    assert len({mask.tobytes() for mask, _ in inputs}) > 1, "several masks are meant"
    return grids, images, inputs


class TestManyAtOnce:
    @pytest.mark.parametrize("batch", [1, 2, 4, 6, 50])
    def test_each_gets_what_it_gets_alone(self, batch: int) -> None:
        backbone = Blurred()
        network = TorchNetwork(backbone, search(backbone), "float32", CPU, batch)
        grids, images, inputs = canvases()
        alone = [network.run(canvas, *further) for canvas, further in zip(images, inputs, strict=True)]
        backbone.seen.clear()
        together = network.run_many(images, inputs)
        assert sum(backbone.seen) == len(images)
        assert max(backbone.seen) == min(batch, len(images))
        for grid, found, wanted in zip(grids, together, alone, strict=True):
            lattice = fusion_lattice(grid.image_size)
            parts = (*found[:2], found[2][:, : lattice.rows, : lattice.cols])
            for one, other in zip(parts, wanted, strict=True):
                assert one.dtype == np.float32
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
            best = [aligned.reshape(3, -1).argmax(axis=1).tolist() for aligned in (parts[2], wanted[2])]
            assert best[0] == best[1]

    def test_a_backbone_alone(self) -> None:
        backbone = Blurred()
        network = TorchNetwork(backbone, None, "float32", CPU, 4)
        _, images, _ = canvases()
        found = network.run_many(images)
        assert backbone.seen == [4, 2]
        for (features,), canvas in zip(found, images, strict=True):
            np.testing.assert_allclose(features, network(canvas), rtol=1e-5, atol=1e-5)

    def test_results_are_ones_own(self) -> None:
        """Keeping the result of one image must not keep the results of the other images in memory."""
        backbone = Blurred()
        network = TorchNetwork(backbone, search(backbone), "float32", CPU, 8)
        _, images, inputs = canvases()
        for outputs in network.run_many(images, inputs):
            assert all(output.base is None for output in outputs)

    def test_none_are_none(self) -> None:
        assert TorchNetwork(Blurred(), None, "float32", CPU, 8).run_many([]) == []

    def test_canvases_of_other_shapes_are_refused(self) -> None:
        network = TorchNetwork(Blurred(), None, "float32", CPU, 8)
        with pytest.raises(ValueError, match="equal shape"):
            network.run_many([np.zeros((64, 64, 3), np.uint8), np.zeros((64, 96, 3), np.uint8)])

    def test_several_threads_may_ask(self) -> None:
        backbone = Blurred()
        network = TorchNetwork(backbone, search(backbone), "float32", CPU, 3)
        _, images, inputs = canvases()
        wanted = network.run_many(images, inputs)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: network.run_many(images, inputs), range(8)):
                for one, other in zip(itertools.chain(*found), itertools.chain(*wanted), strict=True):
                    np.testing.assert_array_equal(one, other)

    def test_bfloat16_is_the_same_together_or_alone(self) -> None:
        backbone = Blurred()
        network = TorchNetwork(backbone, search(backbone), "bfloat16", CPU, 6)
        _, images, inputs = canvases()
        for found, canvas, further in zip(network.run_many(images, inputs), images, inputs, strict=True):
            np.testing.assert_allclose(found[1], network.run(canvas, *further)[1], rtol=0.02, atol=0.02)


class TestMemory:
    def test_large_canvases_go_in_smaller_batches(self) -> None:
        backbone = Blurred()
        network = TorchNetwork(backbone, None, "float32", CPU, 4)
        large = np.zeros((2048, 3072, 3), np.uint8)  # 6.3 million pixels, so a batch has at most two
        network.run_many([large] * 3)
        assert backbone.seen == [2, 1]

    def test_where_memory_ends_fewer_go_at_once_from_then_on(self) -> None:
        backbone = Cramped()
        network = TorchNetwork(backbone, search(backbone), "float32", CPU, 6)
        grids, images, inputs = canvases()
        found = network.run_many(images, inputs)
        assert backbone.seen == [6, 3, 1, 1, 1, 1, 1, 1]
        for grid, outputs, canvas, further in zip(grids, found, images, inputs, strict=True):
            lattice = fusion_lattice(grid.image_size)
            aligned = outputs[2][:, : lattice.rows, : lattice.cols]
            np.testing.assert_allclose(aligned, network.run(canvas, *further)[2], atol=1e-5)
        backbone.seen.clear()
        network.run_many(images, inputs)
        assert backbone.seen == [1] * 6

    def test_without_room_for_one_the_error_is_torchs(self) -> None:
        backbone = Cramped()
        backbone.room = 0
        network = TorchNetwork(backbone, None, "float32", CPU, 4)
        with pytest.raises(torch.OutOfMemoryError):
            network.run_many([np.zeros((64, 64, 3), np.uint8)] * 3)


def test_how_many_it_likes_at_once() -> None:
    backbone = Blurred()
    assert compile_network(backbone, runtime="torch").batch == 1 or torch.cuda.is_available()
    assert compile_network(backbone, runtime="torch", batch=5).batch == 5
    with pytest.raises(FreelocError, match="batch is 0"):
        compile_network(backbone, runtime="torch", batch=0)
    tail = AppendedModule(search(backbone), extra_input_dims=(2, 3))
    on_processor = compile_network(backbone, tail, runtime="openvino", precision="float32", batch=5)
    assert on_processor.batch == 1
    _, images, inputs = canvases()
    alone = [on_processor.run(canvas, *further) for canvas, further in zip(images, inputs, strict=True)]
    found = on_processor.run_many(images, inputs)
    for one, other in zip(itertools.chain(*found), itertools.chain(*alone), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "slack"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_a_gpu_finds_what_the_processor_finds(precision: Precision, slack: float) -> None:
    backbone = Blurred()
    processor = TorchNetwork(backbone, search(backbone), "float32", CPU)
    other = Blurred()
    gpu = TorchNetwork(other, search(other), precision, torch.device("cuda"))
    assert gpu.batch > 1
    grids, images, inputs = canvases()
    for grid, found, canvas, further in zip(grids, gpu.run_many(images, inputs), images, inputs, strict=True):
        lattice = fusion_lattice(grid.image_size)
        wanted = processor.run(canvas, *further)
        size = float(np.abs(wanted[0]).max())
        np.testing.assert_allclose(found[0], wanted[0], rtol=0, atol=slack * size)
        np.testing.assert_allclose(found[1], wanted[1], rtol=0, atol=slack * size)
        own = found[2][:, : lattice.rows, : lattice.cols]
        np.testing.assert_allclose(own, wanted[2], rtol=0, atol=slack * size)
        alone = gpu.run(canvas, *further)
        np.testing.assert_allclose(own, alone[2], rtol=0, atol=slack * size)
