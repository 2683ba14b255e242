"""Convert an AlexNet-like network of Caffe to a weight file for the backbone ``alexnet``.

`python -m recipes.convert_caffe bvlc_alexnet.caffemodel bvlc_alexnet.safetensors` reads the layers up to FC7
with their widths, groups, strides, padding, pooling and response normalization. Dropout and the classifier
are left out. The network must consist of five convolutions, each followed by a rectifier and, in either
order, by max-pooling and local response normalization across channels; then two fully connected layers with
rectifiers. Among such networks are Caffe's own AlexNet and CaffeNet. Nothing in the file is executed.

Caffe reads images as BGR. The kernels of the first convolution are reordered, so that the backbone reads RGB.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from freeloc.errors import FreelocError
from freeloc.io.atomic import write_bytes
from freeloc.io.progress import print_status
from freeloc.nn.backbones.alexnet import LAYERS, load_alexnet
from freeloc.nn.backbones.alexnet_layers import (
    CONVOLUTIONS,
    METADATA_KEY,
    Architecture,
    LayerSettings,
    MaxPooling,
    ResponseNormalization,
)
from recipes.caffe_format import CaffeLayer, read_layers, read_mean_image, unsuitable

__all__ = ["IMAGENET_MEAN", "convert"]

IMAGENET_MEAN: Final = (122.67891434, 116.66876762, 104.00698793)
"""Mean RGB color of ImageNet's images, which Caffe's networks subtract."""

_ACROSS_CHANNELS: Final = 0
_MAX: Final = 0


@dataclass(frozen=True)
class _Block:
    """A layer with weights, and the layers that follow it."""

    weighted: CaffeLayer
    followers: tuple[CaffeLayer, ...]


def convert(
    source: Path,
    target: Path,
    *,
    mean: tuple[float, float, float] | None = None,
    window: int | None = None,
    order: str = "bgr",
) -> None:
    """Convert a ``.caffemodel`` file to a .safetensors file.

    Args:
        source: the ``.caffemodel`` file.
        target: the .safetensors file to write.
        mean: mean color that is subtracted from the image, as RGB from 0 to 255; None uses that in the file, or
            `IMAGENET_MEAN`.
        window: side of the images that the network reads, in pixels; None uses that in the file, or the side
            that gives the layers no partial windows.
        order: order of the channels that the network reads, ``bgr`` or ``rgb``.

    Raises:
        BackboneError: the file is missing or damaged, or its network has other layers than an AlexNet.
        MissingDependencyError: protobuf is not installed.
        OutputError: the target cannot be written.
    """
    layers, stated = read_layers(source)
    blocks = _blocks(source, layers)
    tensors = dict(_tensors(source, blocks))
    weight = tensors["conv1.weight"]
    if weight.shape[1] != 3:
        raise unsuitable(source, f"its first layer reads {weight.shape[1]} channels instead of 3")
    if order == "bgr":
        tensors["conv1.weight"] = weight.flip(1).contiguous()
    try:
        stated_mean, deviation = _color_range(layers, order)
        geometry = _geometry(source, blocks, tensors, window or stated)
        architecture = Architecture(
            mean=mean or stated_mean or IMAGENET_MEAN, deviation=(deviation,) * 3, **geometry
        )
        # Values are checked as when the file is read.
        metadata = {METADATA_KEY: Architecture.from_json(architecture.to_json()).to_json()}
    except ValueError as error:
        raise unsuitable(source, str(error)) from error
    write_bytes(target, save(tensors, metadata=metadata))


def _color_range(layers: Sequence[CaffeLayer], order: str) -> tuple[tuple[float, float, float] | None, float]:
    """Return the mean RGB color that the file states, if any, and the divisor of the differences from it."""
    for layer in layers:
        if layer.message.HasField("transform_param"):
            transform = layer.message.transform_param
            scale = transform.scale if transform.HasField("scale") else 1.0
            if not 1e-3 <= scale <= 1e3:
                raise ValueError(f"it multiplies images by {scale:g}")
            mean = tuple(float(value) for value in transform.mean_value)
            mean = mean * 3 if len(mean) == 1 else mean
            if len(mean) not in {0, 3}:
                raise ValueError(f"it subtracts {len(mean)} values instead of 3")
            first, second, third = mean or IMAGENET_MEAN[::-1]
            color = (third, second, first) if order == "bgr" else (first, second, third)
            return (color if mean else None), _short(1 / scale)
    return None, 1.0


def _blocks(path: Path, layers: Sequence[CaffeLayer]) -> list[_Block]:
    """Return C1 to FC7, each with the layers after it, after checking that they form a chain."""
    blocks: list[_Block] = []
    aliases: dict[str, str] = {}
    current: str | None = None
    for layer in layers:
        inputs = [aliases.get(name, name) for name in layer.bottoms]
        if layer.type == "Split":
            aliases |= dict.fromkeys(layer.tops, *inputs[:1])
            continue
        if current is None and layer.type != "Convolution":
            continue
        if len(inputs) != 1 or len(layer.tops) != 1 or current not in {None, inputs[0]}:
            raise unsuitable(
                path, f"its layer {layer.name!r} does not read the output of the layer before it"
            )
        current = layer.tops[0]
        if layer.type in {"Convolution", "InnerProduct"}:
            if len(blocks) == len(LAYERS):
                break  # the classifier
            blocks.append(_Block(layer, ()))
        else:
            blocks[-1] = _Block(blocks[-1].weighted, (*blocks[-1].followers, layer))
    wanted = ["Convolution"] * CONVOLUTIONS + ["InnerProduct"] * (len(LAYERS) - CONVOLUTIONS)
    found = [block.weighted.type for block in blocks]
    if found != wanted:
        count = found.count("Convolution")
        raise unsuitable(
            path,
            f"it has {count} convolutions and {len(found) - count} other layers with weights before the "
            f"classifier instead of {CONVOLUTIONS} and {len(LAYERS) - CONVOLUTIONS}",
        )
    for index, block in enumerate(blocks):
        _check_followers(path, block, convolution=index < CONVOLUTIONS)
    return blocks


def _check_followers(path: Path, block: _Block, *, convolution: bool) -> None:
    kinds = [layer.type for layer in block.followers if layer.type != "Dropout"]
    allowed = {"LRN", "Pooling"} if convolution else set()
    rest = kinds[1:]
    if kinds[:1] != ["ReLU"] or not set(rest) <= allowed or len(set(rest)) != len(rest):
        raise unsuitable(
            path, f"its layer {block.weighted.name!r} is followed by {', '.join(kinds) or 'no rectifier'}"
        )
    if block.followers and block.followers[0].message.relu_param.negative_slope:
        raise unsuitable(path, f"the rectifier after {block.weighted.name!r} has a slope below zero")


def _tensors(path: Path, blocks: Sequence[_Block]) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights and biases by their names in the weight file."""
    for name, block in zip(LAYERS, blocks, strict=True):
        layer = block.weighted
        if not layer.blobs or not all(np.isfinite(blob).all() for blob in layer.blobs):
            raise unsuitable(path, f"its layer {layer.name!r} has no weights, or some that are not finite")
        weight = layer.blobs[0]
        if name.startswith("fc"):
            # Older files store a matrix as (1, 1, rows, columns).
            weight = weight.reshape(weight.shape[-2:] if weight.ndim > 1 else (1, -1))
            if layer.message.inner_product_param.transpose:
                weight = np.ascontiguousarray(weight.T)
        elif weight.ndim != 4:
            raise unsuitable(path, f"the weights of its layer {layer.name!r} have {weight.ndim} dimensions")
        bias = layer.blobs[1].ravel() if len(layer.blobs) > 1 else np.zeros(len(weight), np.float32)
        if len(bias) != len(weight):
            raise unsuitable(
                path, f"its layer {layer.name!r} has {len(weight)} outputs, but {len(bias)} biases"
            )
        yield f"{name}.weight", torch.from_numpy(weight)
        yield f"{name}.bias", torch.from_numpy(bias)


def _geometry(
    path: Path, blocks: Sequence[_Block], tensors: dict[str, Tensor], side: int | None
) -> dict[str, Any]:
    """Return the window and the layers of the architecture."""
    convolutions = blocks[:CONVOLUTIONS]
    steps = [_steps(path, block) for block in convolutions]
    inputs = tensors["fc6.weight"].shape[1] / len(tensors["conv5.weight"])
    last = math.isqrt(int(inputs))
    if last**2 != inputs:
        raise ValueError("its first fully connected layer does not read a square map")
    if side is None:
        side = last
        for size, stride, padding, _ in reversed([step for block in steps for step in block]):
            side = (side - 1) * stride + size - 2 * padding
    full = side
    settings: list[LayerSettings] = []
    for block, ((size, stride, padding, _), *pools) in zip(convolutions, steps, strict=True):
        # The last rows and columns of the padding may not be read; those that are determine the window.
        outputs = (full + 2 * padding - size) // stride + 1
        after = max(0, (outputs - 1) * stride + size - padding - full)
        full, pooling = outputs, None
        for kernel, step, _, _ in pools:
            outputs = math.ceil((full - kernel) / step) + 1  # Caffe rounds the size of pooled maps up
            pooling = MaxPooling(
                kernel=kernel, stride=step, padding=max(0, (outputs - 1) * step + kernel - full)
            )
            full = outputs
        settings.append(_settings(block, stride, (padding, after), pooling))
    if full != last:
        raise ValueError(f"images of {side}×{side} pixels give a last map of {full} instead of {last} cells")
    window = last
    for layer, ((size, *_), *_pools) in zip(reversed(settings), reversed(steps), strict=True):
        if layer.pooling is not None:
            window = (window - 1) * layer.pooling.stride + layer.pooling.kernel - layer.pooling.padding
        window = (window - 1) * layer.stride + size - sum(layer.padding)
    return {"window": window, "layers": tuple(settings)}


def _steps(path: Path, block: _Block) -> list[tuple[int, int, int, str]]:
    """Return kernel, stride and padding of a convolution and, if any, of the pooling after it."""
    layers = [block.weighted, *(layer for layer in block.followers if layer.type == "Pooling")]
    steps = [(*_spatial(path, layer), layer.name) for layer in layers]
    message = block.weighted.message.convolution_param
    if any(value != 1 for value in message.dilation):
        raise unsuitable(path, f"its layer {block.weighted.name!r} is dilated")
    for layer in layers[1:]:
        pooling = layer.message.pooling_param
        if pooling.pool != _MAX or pooling.global_pooling or steps[1][2]:
            raise unsuitable(path, f"its layer {layer.name!r} is not a max-pooling without padding")
        if pooling.round_mode:
            raise unsuitable(path, f"its layer {layer.name!r} does not round the size of its map up")
    return steps


def _spatial(path: Path, layer: CaffeLayer) -> tuple[int, int, int]:
    """Return kernel, stride and padding of a convolution or pooling, which are equal along both axes."""
    convolution = layer.type == "Convolution"
    message = layer.message.convolution_param if convolution else layer.message.pooling_param
    values = []
    for name, short, default in (("kernel_size", "kernel", 0), ("stride", "stride", 1), ("pad", "pad", 0)):
        stated = getattr(message, name)
        found = {*stated} if convolution else ({stated} if message.HasField(name) else set())
        found |= {getattr(message, f"{short}_{axis}") for axis in "hw" if message.HasField(f"{short}_{axis}")}
        if len(found) > 1:
            raise unsuitable(path, f"its layer {layer.name!r} has different {name} along the two axes")
        values.append(next(iter(found), default))
    kernel, stride, padding = values
    if not (1 <= kernel <= 64 and 1 <= stride <= 64 and padding <= 64):
        raise unsuitable(path, f"the kernel, stride or padding of its layer {layer.name!r} is out of range")
    return kernel, stride, padding


def _settings(
    block: _Block, stride: int, padding: tuple[int, int], pooling: MaxPooling | None
) -> LayerSettings:
    kinds = [layer.type for layer in block.followers]
    normalization = None
    for layer in block.followers:
        if layer.type == "LRN":
            message = layer.message.lrn_param
            if message.norm_region != _ACROSS_CHANNELS:
                raise ValueError(f"its layer {layer.name!r} does not normalize across channels")
            normalization = ResponseNormalization(
                size=message.local_size if message.HasField("local_size") else 5,
                alpha=_short(message.alpha if message.HasField("alpha") else 1.0),
                beta=_short(message.beta if message.HasField("beta") else 0.75),
                k=_short(message.k if message.HasField("k") else 1.0),
            )
    pools_first = {"Pooling", "LRN"} <= set(kinds) and kinds.index("Pooling") < kinds.index("LRN")
    return LayerSettings(
        stride=stride,
        padding=padding,
        pooling=pooling,
        response_normalization=normalization,
        pools_first=pools_first,
    )


def _short(value: float) -> float:
    """Return the shortest decimal number that is stored as this float32: 0.0001 instead of 0.000099999997."""
    return float(str(np.float32(value)))


def _color(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("specify three numbers, such as 123,117,104") from None
    return red, green, blue


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert a file, and check that the backbone loads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help=".caffemodel file")
    parser.add_argument("target", type=Path, help=".safetensors file to write")
    parser.add_argument(
        "--mean", type=_color, metavar="R,G,B", help="mean color (default: the file's, or ImageNet's)"
    )
    parser.add_argument("--mean-file", type=Path, help="mean image, whose mean color is used (.binaryproto)")
    parser.add_argument("--window", type=int, help="side of the images that the network reads, in pixels")
    parser.add_argument("--order", choices=("bgr", "rgb"), default="bgr", help="order of channels it reads")
    options = parser.parse_args(arguments)
    if options.target.suffix != ".safetensors":
        parser.error("the target must be a .safetensors file")
    try:
        mean = options.mean
        if options.mean_file is not None:
            mean = read_mean_image(options.mean_file)
            mean = mean[::-1] if options.order == "bgr" else mean
        convert(options.source, options.target, mean=mean, window=options.window, order=options.order)
        backbone = load_alexnet(weights=options.target)
    except FreelocError as error:
        parser.exit(2, f"error: {error}\n")
    layout = backbone.layout
    print_status(
        f"wrote {options.target}: windows of {layout.window} pixels, {layout.stride} pixels apart, "
        f"{backbone.width} features per cell; use it with --backbone alexnet --weights {options.target}"
    )


if __name__ == "__main__":
    main()
