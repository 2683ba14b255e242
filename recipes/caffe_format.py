"""The parts of Caffe's file format that describe and store an AlexNet-like network.

A ``.caffemodel`` file is a protocol buffer, a ``NetParameter`` of Caffe's ``caffe.proto``. The fields needed
here are declared below under their published numbers; all others are skipped. Layers of both current formats
are read (``layer``, and the older ``layers``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from freeloc._typing import Float32Array
from freeloc.errors import BackboneError, MissingDependencyError
from freeloc.io.paths import why_not_a_file

__all__ = ["CaffeLayer", "read_layers", "read_mean_image", "unsuitable"]

_MAX_BYTES: Final = 2**31 - 1
"""Maximum size of a protocol buffer."""

_MESSAGES: Final[Mapping[str, Mapping[int, tuple[str, str]]]] = {
    "BlobShape": {1: ("dim", "repeated int64")},
    "BlobProto": {
        1: ("num", "int64"),
        2: ("channels", "int64"),
        3: ("height", "int64"),
        4: ("width", "int64"),
        # Packed numbers are stored like bytes, from which NumPy reads them without a copy.
        5: ("data", "repeated bytes"),
        7: ("shape", "BlobShape"),
        8: ("double_data", "repeated bytes"),
    },
    "ConvolutionParameter": {
        3: ("pad", "repeated uint32"),
        4: ("kernel_size", "repeated uint32"),
        6: ("stride", "repeated uint32"),
        9: ("pad_h", "uint32"),
        10: ("pad_w", "uint32"),
        11: ("kernel_h", "uint32"),
        12: ("kernel_w", "uint32"),
        13: ("stride_h", "uint32"),
        14: ("stride_w", "uint32"),
        5: ("group", "uint32"),
        18: ("dilation", "repeated uint32"),
    },
    "PoolingParameter": {
        1: ("pool", "int32"),
        2: ("kernel_size", "uint32"),
        3: ("stride", "uint32"),
        4: ("pad", "uint32"),
        5: ("kernel_h", "uint32"),
        6: ("kernel_w", "uint32"),
        7: ("stride_h", "uint32"),
        8: ("stride_w", "uint32"),
        9: ("pad_h", "uint32"),
        10: ("pad_w", "uint32"),
        12: ("global_pooling", "bool"),
        13: ("round_mode", "int32"),
    },
    "LRNParameter": {
        1: ("local_size", "uint32"),
        2: ("alpha", "float"),
        3: ("beta", "float"),
        4: ("norm_region", "int32"),
        5: ("k", "float"),
    },
    "ReLUParameter": {1: ("negative_slope", "float")},
    "InnerProductParameter": {6: ("transpose", "bool")},
    "DataParameter": {5: ("crop_size", "uint32")},
    "InputParameter": {1: ("shape", "repeated BlobShape")},
    "TransformationParameter": {
        1: ("scale", "float"),
        3: ("crop_size", "uint32"),
        5: ("mean_value", "repeated float"),
    },
    "LayerParameter": {
        1: ("name", "string"),
        2: ("type", "string"),
        3: ("bottom", "repeated string"),
        4: ("top", "repeated string"),
        7: ("blobs", "repeated BlobProto"),
        100: ("transform_param", "TransformationParameter"),
        143: ("input_param", "InputParameter"),
        106: ("convolution_param", "ConvolutionParameter"),
        118: ("lrn_param", "LRNParameter"),
        117: ("inner_product_param", "InnerProductParameter"),
        121: ("pooling_param", "PoolingParameter"),
        123: ("relu_param", "ReLUParameter"),
    },
    "V1LayerParameter": {
        1: ("layer", "bytes"),
        4: ("name", "string"),
        5: ("type", "int32"),
        2: ("bottom", "repeated string"),
        3: ("top", "repeated string"),
        6: ("blobs", "repeated BlobProto"),
        36: ("transform_param", "TransformationParameter"),
        10: ("convolution_param", "ConvolutionParameter"),
        18: ("lrn_param", "LRNParameter"),
        11: ("data_param", "DataParameter"),
        15: ("image_data_param", "DataParameter"),
        17: ("inner_product_param", "InnerProductParameter"),
        19: ("pooling_param", "PoolingParameter"),
        30: ("relu_param", "ReLUParameter"),
    },
    "NetParameter": {
        2: ("layers", "repeated V1LayerParameter"),
        100: ("layer", "repeated LayerParameter"),
        4: ("input_dim", "repeated int32"),
        8: ("input_shape", "repeated BlobShape"),
    },
}
"""Messages by name: the name and type of each field by its number."""

_OLD_TYPES: Final = {
    4: "Convolution",
    5: "Data",
    6: "Dropout",
    12: "ImageData",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    22: "Split",
    24: "WindowData",
    29: "MemoryData",
    32: "DummyData",
}
"""Names of the numbered types of older files."""


@dataclass(frozen=True, eq=False)
class CaffeLayer:
    """A layer of a network.

    Attributes:
        name: the layer's name.
        type: its type, such as "Convolution".
        bottoms: names of its inputs.
        tops: names of its outputs.
        blobs: weights and biases, as float32.
        message: the layer's settings; see `_MESSAGES`.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[Float32Array, ...]
    message: Any


def unsuitable(path: Path, reason: str) -> BackboneError:
    """Return the error for a file that cannot be converted."""
    return BackboneError(
        f"{path} cannot be converted: {reason}; specify the .caffemodel file of an AlexNet-like network",
        path=path,
        parameter="weights",
    )


def read_layers(path: Path) -> tuple[list[CaffeLayer], int | None]:
    """Read the layers of a ``.caffemodel`` file in order, and the side of the network's input if the file says it.

    Raises:
        BackboneError: the file is missing, damaged, or too old.
        MissingDependencyError: protobuf is not installed.
    """
    net = _parse(path, "NetParameter")
    old = [*net.layers]
    if any(layer.HasField("layer") for layer in old):
        raise unsuitable(path, "it has the first format of Caffe, which upgrade_net_proto_binary converts")
    messages = [*net.layer, *old]
    layers = [
        CaffeLayer(
            message.name,
            message.type
            if isinstance(message.type, str)
            else _OLD_TYPES.get(message.type, str(message.type)),
            tuple(message.bottom),
            tuple(message.top),
            tuple(_numbers(path, message.name, blob) for blob in message.blobs),
            message,
        )
        for message in messages
    ]
    return layers, _input_side(net, layers)


def read_mean_image(path: Path) -> tuple[float, float, float]:
    """Return the mean color of a mean image (``imagenet_mean.binaryproto``), in the file's order of channels.

    Raises:
        BackboneError: the file is missing or damaged, or does not have three channels.
        MissingDependencyError: protobuf is not installed.
    """
    image = _numbers(path, "image", _parse(path, "BlobProto"))
    if image.ndim < 3 or image.shape[-3] != 3 or not np.isfinite(image).all():
        raise unsuitable(path, "it is not a mean image of three channels")
    first, second, third = image.reshape(-1, 3, *image.shape[-2:]).mean(axis=(0, 2, 3), dtype=np.float64)
    return float(first), float(second), float(third)


def _parse(path: Path, name: str) -> Any:
    try:
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingDependencyError(
            "reading Caffe's files requires the package protobuf: pip install 'freeloc[caffe]'"
        ) from error
    if (reason := why_not_a_file(path, missing="does not exist")) is not None:
        raise unsuitable(path, f"it {reason}")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise unsuitable(path, "it is larger than 2 GB")
        message = _message_class(name)()
        message.ParseFromString(path.read_bytes())
    except OSError as error:
        raise unsuitable(path, f"it cannot be read ({error.strerror})") from error
    except DecodeError as error:
        raise unsuitable(path, "it is damaged or has another format") from error
    return message


def _message_class(name: str) -> Any:
    """Return the class of a message in `_MESSAGES`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="freeloc_caffe.proto", package="caffe", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, (field, declared) in fields.items():
            repeated, _, kind = declared.rpartition(" ")
            entry = described.field.add(name=field, number=number)
            entry.label = entry.LABEL_REPEATED if repeated else entry.LABEL_OPTIONAL
            if kind in _MESSAGES:
                entry.type, entry.type_name = entry.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                entry.type = getattr(entry, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}"))


def _numbers(path: Path, layer: str, blob: Any) -> Float32Array:
    """Return the array of a blob."""
    data, number = (blob.data, "<f4") if blob.data else (blob.double_data, "<f8")
    old = (blob.num, blob.channels, blob.height, blob.width)
    shape: Sequence[int] = tuple(blob.shape.dim) if blob.HasField("shape") else old
    content = b"".join(data)
    size = np.dtype(number).itemsize
    if any(side < 1 for side in shape) or math.prod(shape) * size != len(content):
        raise unsuitable(path, f"the numbers of its layer {layer!r} are damaged")
    return np.frombuffer(content, number).reshape(shape).astype(np.float32)


def _input_side(net: Any, layers: Sequence[CaffeLayer]) -> int | None:
    """Return the side of the images that the network reads, if the file says it."""
    sides: list[int] = [*net.input_dim[3:4], *(shape.dim[-1] for shape in net.input_shape if shape.dim)]
    for layer in layers:
        message = layer.message
        sides.append(message.transform_param.crop_size)
        if hasattr(message, "input_param"):
            sides += [shape.dim[-1] for shape in message.input_param.shape if len(shape.dim) > 2]
        else:
            sides += [message.data_param.crop_size, message.image_data_param.crop_size]
    return next((side for side in sides if side > 0), None)
