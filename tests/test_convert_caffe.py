"""Conversion of Caffe's networks: features equal to those of Caffe's layers, and damaged files refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from freeloc.errors import FreelocError
from freeloc.nn.backbones.alexnet import load_alexnet
from recipes import convert_caffe
from tests.caffe_files import Field, blob, layer, message, network
from tests.nn.backbones.canvases import noise
from tests.nn.backbones.plain_alexnet import Plain, plain_network

pytest.importorskip("google.protobuf", reason="the extra caffe is not installed")

LRN: tuple[str, Sequence[Field]] = ("LRN", ((1, 5), (2, 0.0001), (3, 0.75)))
POOL: tuple[str, Sequence[Field]] = ("Pooling", ((2, 3), (3, 2)))
PLAIN_LRN, PLAIN_POOL = ("lrn", 5, 0.0001, 0.75, 1.0), ("pool", 3, 2)

SHAPES = {
    "conv1": (8, 3, 11, 11),
    "conv2": (8, 4, 5, 5),
    "conv3": (6, 8, 3, 3),
    "conv4": (6, 3, 3, 3),
    "conv5": (4, 3, 3, 3),
    "fc6": (10, 4 * 36),
    "fc7": (9, 10),
    "fc8": (5, 9),
}
"""Caffe's AlexNet with fewer channels; layers 2, 4 and 5 have two groups."""

CONVOLUTIONS = (
    {"stride": 4},
    {"pad": 2, "group": 2},
    {"pad": 1},
    {"pad": 1, "group": 2},
    {"pad": 1, "group": 2},
)
MEAN_BGR = (104.00698793, 116.66876762, 122.67891434)


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    values: dict[str, np.ndarray] = {}
    for name, shape in SHAPES.items():
        # Activations of hundreds, as in Caffe's networks, so that response normalization has an effect.
        factor = 4.0 if name == "conv1" else 1.5
        kernels = random.standard_normal(shape) * factor * (2 / np.prod(shape[1:])) ** 0.5
        values[f"{name}.weight"] = kernels.astype(np.float32)
        values[f"{name}.bias"] = random.standard_normal(shape[0]).astype(np.float32)
    return values


def caffe_layers(*, pools_first: bool) -> tuple[list[list[tuple[str, Sequence[Field]]]], list[Plain]]:
    """Return the layers of Caffe's AlexNet or CaffeNet, as a file stores them and as the plain network does."""
    norm = [POOL, LRN] if pools_first else [LRN, POOL]
    plain_norm = (PLAIN_POOL, PLAIN_LRN) if pools_first else (PLAIN_LRN, PLAIN_POOL)
    plain = [
        Plain(4, 0, plain_norm),
        Plain(1, 2, plain_norm),
        Plain(1, 1),
        Plain(1, 1),
        Plain(1, 1, (PLAIN_POOL,)),
    ]
    return [norm, norm, [], [], [POOL]], plain


def convert(content: bytes, folder: Path, *words: str) -> Path:
    (folder / "net.caffemodel").write_bytes(content)
    target = folder / "net.safetensors"
    convert_caffe.main([str(folder / "net.caffemodel"), str(target), *words])
    return target


def as_caffe_reads(canvas: torch.Tensor, mean: Sequence[float] = MEAN_BGR) -> np.ndarray:
    """Return (3, rows, columns) BGR, from which the mean is subtracted."""
    image = canvas[0].numpy().astype(np.float64)[:, :, ::-1] - np.array(mean)
    planes: np.ndarray = image.transpose(2, 0, 1)
    return planes


@pytest.mark.parametrize("old", [False, True], ids=["current", "older"])
@pytest.mark.parametrize("pools_first", [False, True], ids=["alexnet", "caffenet"])
def test_features_equal_those_of_caffes_layers(tmp_path: Path, pools_first: bool, old: bool) -> None:
    followers, plain = caffe_layers(pools_first=pools_first)
    content = network(weights(), CONVOLUTIONS, followers, data=((3, 227),), old=old)
    backbone = load_alexnet(weights=convert(content, tmp_path))
    layout = backbone.layout
    assert (layout.stride, layout.window, layout.offset, backbone.width) == (32, 227, 113.5, 9)
    assert backbone.pad_color == (123, 117, 104)
    canvas = noise(227, 227, seed=int(old))
    wanted = plain_network(as_caffe_reads(canvas), weights(), plain)
    assert wanted.max() > 1, "the reference says something"
    np.testing.assert_allclose(backbone(canvas)[0, :, 0, 0].numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_the_order_of_pooling_and_normalization_matters_here(tmp_path: Path) -> None:
    canvas = noise(227, 227)
    results = []
    for pools_first in (False, True):
        content = network(weights(), CONVOLUTIONS, caffe_layers(pools_first=pools_first)[0])
        results.append(load_alexnet(weights=convert(content, tmp_path))(canvas))
    assert not torch.allclose(results[0], results[1], rtol=1e-2, atol=1e-2)


def test_poolings_that_extend_beyond_the_window(tmp_path: Path) -> None:
    """With images of 241 pixels, two poolings have a partial last square, and C1 leaves out two pixels."""
    followers, plain = caffe_layers(pools_first=False)
    values = weights()
    values["fc6.weight"] = np.random.default_rng(5).standard_normal((10, 4 * 49)).astype(np.float32) * 0.1
    content = network(values, CONVOLUTIONS, followers, data=((3, 241),))
    backbone = load_alexnet(weights=convert(content, tmp_path))
    window = backbone.layout.window
    assert window == 239
    canvas = noise(241, 241)
    wanted = plain_network(as_caffe_reads(canvas), values, plain)
    np.testing.assert_allclose(
        backbone(canvas[:, :window, :window])[0, :, 0, 0], wanted, rtol=1e-4, atol=1e-3
    )


def test_colors_come_from_the_file_or_from_options(tmp_path: Path) -> None:
    followers, plain = caffe_layers(pools_first=False)
    canvas = noise(227, 227)

    def features(content: bytes, *words: str) -> np.ndarray:
        values: Tensor = load_alexnet(weights=convert(content, tmp_path, *words))(canvas)
        return values[0, :, 0, 0].numpy()

    stated = network(weights(), CONVOLUTIONS, followers, data=((1, 0.5), (5, 10.0), (5, 20.0), (5, 30.0)))
    wanted = plain_network(as_caffe_reads(canvas, (10, 20, 30)) / 2, weights(), plain)
    np.testing.assert_allclose(features(stated), wanted, rtol=1e-4, atol=1e-3)

    silent = network(weights(), CONVOLUTIONS, followers)
    wanted = plain_network(as_caffe_reads(canvas, (3, 2, 1)), weights(), plain)
    np.testing.assert_allclose(features(silent, "--mean", "1,2,3"), wanted, rtol=1e-4, atol=1e-3)
    image = np.stack([np.full((4, 5), value) for value in (2.0, 1.0, 3.0)])
    image[1, 0] = 9.0  # the mean of the channel is 3
    (tmp_path / "mean.binaryproto").write_bytes(blob(image, old=True))
    found = features(silent, "--mean-file", str(tmp_path / "mean.binaryproto"))
    wanted = plain_network(as_caffe_reads(canvas, (2, 3, 3)), weights(), plain)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)
    wanted = plain_network(as_caffe_reads(canvas, (3, 2, 1))[::-1], weights(), plain)
    np.testing.assert_allclose(
        features(silent, "--mean", "1,2,3", "--order", "rgb"), wanted, rtol=1e-4, atol=1e-3
    )


def test_layers_may_be_split_and_biases_may_be_missing(tmp_path: Path) -> None:
    """Caffe inserts layers of the type Split where an output is read twice."""
    followers, _ = caffe_layers(pools_first=False)
    values = weights() | {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in SHAPES.items()}
    content = network(values, CONVOLUTIONS, followers)
    plain = load_alexnet(weights=convert(content, tmp_path)).fingerprint
    fc7 = layer("fc7", "InnerProduct", ("fc6",), ("fc7",), blobs=(values["fc7.weight"], values["fc7.bias"]))
    bare = layer("fc7", "InnerProduct", ("fc6_split_0",), ("fc7",), blobs=(values["fc7.weight"],))
    split = layer("split", "Split", ("fc6",), ("fc6_split_0", "fc6_split_1"))
    assert message(fc7) in content
    changed = content.replace(message(fc7), message(split, bare))
    assert load_alexnet(weights=convert(changed, tmp_path)).fingerprint == plain


# --- files that are refused ------------------------------------------------------------------------------


def sound() -> bytes:
    return network(weights(), CONVOLUTIONS, caffe_layers(pools_first=False)[0])


def with_followers(index: int, *after: tuple[str, Sequence[Field]]) -> Callable[[], bytes]:
    followers, _ = caffe_layers(pools_first=False)
    followers[index] = list(after)
    return lambda: network(weights(), CONVOLUTIONS, followers)


def with_weights(**changed: np.ndarray) -> Callable[[], bytes]:
    values = {name.replace("_", "."): value for name, value in changed.items()}
    followers, _ = caffe_layers(pools_first=False)
    return lambda: network(weights() | values, CONVOLUTIONS, followers)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"", "0 convolutions"),
        (lambda: b"\x08\x96", "damaged or has another format"),
        (lambda: b"PK\x03\x04 not a network", "damaged or has another format|0 convolutions"),
        (lambda: sound()[:-400], "damaged or has another format"),
        (lambda: sound().replace(b"ReLU", b"TanH"), "followed by TanH"),
        (lambda: message((2, message((1, b"old"))), (1, "x")), "upgrade_net_proto_binary"),
        (
            lambda: network(
                weights(),
                [*CONVOLUTIONS[:4], {"pad": 0, "group": 2}],
                caffe_layers(pools_first=False)[0],
                data=((3, 227),),
            ),
            "last map of 5 instead of 6",
        ),
        (with_followers(0, ("LRN", ((4, 1),)), POOL), "does not normalize across channels"),
        (with_followers(0, ("LRN", ((1, 4),)), POOL), "must be odd"),
        (with_followers(0, LRN, ("Pooling", ((1, 1), (2, 3), (3, 2)))), "not a max-pooling"),
        (with_followers(0, LRN, ("Pooling", ((2, 3), (3, 2), (4, 1)))), "not a max-pooling without padding"),
        (with_followers(0, LRN, ("Pooling", ((5, 3), (6, 2), (3, 2)))), "different kernel_size"),
        (with_followers(0, POOL, POOL), "followed by ReLU, Pooling, Pooling"),
        (with_followers(0, ("Pooling", ((3, 2),))), "out of range"),
        (with_weights(fc6_weight=np.zeros((10, 35), np.float32)), "square map"),
        (with_weights(conv1_weight=np.zeros((8, 1, 11, 11), np.float32)), "reads 1 channels"),
        (with_weights(conv1_bias=np.zeros(3, np.float32)), "8 outputs, but 3 biases"),
        (with_weights(fc7_weight=np.full((9, 10), np.nan, np.float32)), "not finite"),
    ],
)
def test_other_files_are_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[], bytes], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.caffemodel").write_bytes(make())
    with pytest.raises(FreelocError, match=reason) as error:
        convert_caffe.convert(tmp_path / "net.caffemodel", tmp_path / "out.safetensors")
    assert "net.caffemodel cannot be converted" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_damaged_files_never_raise_anything_else(tmp_path: Path) -> None:
    content, random = sound(), np.random.default_rng(2)
    source, target = tmp_path / "net.caffemodel", tmp_path / "out.safetensors"
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), random.integers(1, 4)):
            damaged[place if random.random() < 0.5 else place % 300] = random.integers(256)
        source.write_bytes(damaged if random.random() < 0.7 else damaged[: random.integers(len(damaged))])
        try:
            convert_caffe.convert(source, target)
        except FreelocError:
            refused += 1
    assert 20 < refused < 150


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        convert_caffe.main([str(tmp_path / "none.caffemodel"), str(tmp_path / "out.safetensors")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path / 'none.caffemodel'} cannot be converted: it does not"
    )
