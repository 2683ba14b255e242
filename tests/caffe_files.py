"""Write .caffemodel files field by field, in the wire format of protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

Field = tuple[int, int | float | bytes | str]


def message(*fields: Field) -> bytes:
    """Return a message of numbered fields: integers, floats, and bytes or text."""
    parts = []
    for number, value in fields:
        if isinstance(value, float):
            parts.append(varint(number << 3 | 5) + struct.pack("<f", value))
        elif isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            content = value.encode() if isinstance(value, str) else value
            parts.append(varint(number << 3 | 2) + varint(len(content)) + content)
    return b"".join(parts)


def varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def blob(values: np.ndarray, *, old: bool) -> bytes:
    """Return an array; older files give exactly four dimensions."""
    data = (5, values.astype("<f4").tobytes())
    if old:
        shape = (1,) * (4 - values.ndim) + values.shape
        return message(*enumerate(shape, start=1), data)
    return message((7, message((1, b"".join(map(varint, values.shape))))), data)


_OLD_TYPES = {"Data": 5, "Convolution": 4, "ReLU": 18, "LRN": 15, "Pooling": 17, "InnerProduct": 14}
_OLD_TYPES |= {"Dropout": 6, "SoftmaxWithLoss": 21, "Split": 22, "TanH": 23}
_PARAMETERS = {
    "Convolution": (106, 10),
    "LRN": (118, 18),
    "Pooling": (121, 19),
    "ReLU": (123, 30),
    "Data": (100, 36),
}


def layer(
    name: str,
    kind: str,
    bottoms: Sequence[str],
    tops: Sequence[str],
    *settings: Field,
    blobs: Sequence[np.ndarray] = (),
    old: bool = False,
) -> Field:
    """Return a layer of a network, in the current or the older format."""
    numbers = {"name": 4, "bottom": 2, "top": 3, "type": 5, "blobs": 6}
    if not old:
        numbers = {"name": 1, "bottom": 3, "top": 4, "type": 2, "blobs": 7}
    fields: list[Field] = [(numbers["name"], name), (numbers["type"], _OLD_TYPES[kind] if old else kind)]
    fields += [(numbers["bottom"], bottom) for bottom in bottoms]
    fields += [(numbers["top"], top) for top in tops]
    fields += [(numbers["blobs"], blob(values, old=old)) for values in blobs]
    if settings:
        fields.append((_PARAMETERS[kind][old], message(*settings)))
    return (2 if old else 100), message(*fields)


def network(
    weights: Mapping[str, np.ndarray],
    convolutions: Sequence[Mapping[str, int]],
    followers: Sequence[Sequence[tuple[str, Sequence[Field]]]],
    *,
    data: Sequence[Field] = (),
    old: bool = False,
) -> bytes:
    """Return an AlexNet-like network as Caffe's solver writes it: data, C1 to FC8, loss.

    Args:
        weights: weights and biases of conv1 to conv5 and fc6 to fc8.
        convolutions: stride, pad and group of C1 to C5.
        followers: what follows the rectifiers of C1 to C5: names of types, and settings.
        data: settings of the transformation of images.
        old: whether to write the older format of layers.
    """
    numbers = {"pad": 3, "group": 5, "stride": 6}
    layers = [layer("data", "Data", (), ("data", "label"), *data, old=old)]
    current = "data"
    for index, (settings, after) in enumerate(zip(convolutions, followers, strict=True), start=1):
        name = f"conv{index}"
        arrays = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        fields: list[Field] = [
            (4, arrays[0].shape[2]),
            *((numbers[key], value) for key, value in settings.items()),
        ]
        layers.append(layer(name, "Convolution", (current,), (name,), *fields, blobs=arrays, old=old))
        layers.append(layer(f"relu{index}", "ReLU", (name,), (name,), old=old))
        current = name
        for kind, values in after:
            layers.append(layer(f"{kind}{index}", kind, (current,), (f"{kind}{index}",), *values, old=old))
            current = f"{kind}{index}"
    for index in (6, 7, 8):
        name = f"fc{index}"
        arrays = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        layers.append(layer(name, "InnerProduct", (current,), (name,), blobs=arrays, old=old))
        if index < 8:
            layers.append(layer(f"relu{index}", "ReLU", (name,), (name,), old=old))
            layers.append(layer(f"drop{index}", "Dropout", (name,), (name,), old=old))
        current = name
    layers.append(layer("loss", "SoftmaxWithLoss", (current, "label"), ("loss",), old=old))
    return message((1, "AlexNet"), *layers)
