"""Facts about a model on which its int8 network depends, and the check that they still hold.

The int8 network runs without the backbone and the head, so nothing else would notice that it was created for
another layout of cells or another number of classes than its header states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from freeloc.errors import ConfigurationError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.head_settings import HeadSettings

__all__ = ["check_graph_outputs", "check_int8_facts", "int8_facts"]

_CLASS_OUTPUTS = 3
"""Number of outputs of a scoring graph with one channel per class: raw scores, maxima and aligned maps. The
backbone's detail features may follow."""


def int8_facts(
    layout: CellLayout | None, pad_color: tuple[int, int, int] | None, head: HeadSettings
) -> dict[str, Any]:
    """Return the facts on which an int8 network depends, as JSON values."""
    return {
        "layout": None if layout is None else [layout.stride, layout.offset, layout.window],
        "pad_color": None if pad_color is None else list(pad_color),
        "head": [head.width, head.hidden, head.classes],
    }


def check_int8_facts(stored: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Check that the facts on which an int8 network depends have not changed since it was created.

    Args:
        stored: the description of the int8 network; files of earlier versions do not contain these facts.
        current: the result of `int8_facts` for the header.

    Raises:
        ConfigurationError: a fact has changed.
    """
    for name, value in current.items():
        if name in stored and stored[name] != value:
            raise ConfigurationError(
                f"the int8 network was created for another {name.replace('_', ' ')} ({str(stored[name])[:100]} "
                f"instead of {value})"
            )


def check_graph_outputs(structure: bytes, classes: int) -> None:
    """Check that the first outputs of an int8 network have one channel per class, without OpenVINO.

    Args:
        structure: description of the graph (XML).
        classes: number of classes, K.

    Raises:
        ValueError: the description cannot be parsed, or the network has other outputs.
    """
    try:
        layers = fromstring(structure).iterfind("layers/layer[@type='Result']")
        shapes = [[dim.text for dim in layer.iterfind("input/port/dim")] for layer in layers]
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ValueError(f"its int8 network cannot be parsed ({error})") from error
    channels = {str(classes), "-1"}  # -1 if the number is known only when the network runs
    by_class = shapes[:_CLASS_OUTPUTS]
    complete = _CLASS_OUTPUTS <= len(shapes) <= _CLASS_OUTPUTS + 1
    if not complete or any(len(shape) < 2 or shape[1] not in channels for shape in by_class):
        raise ValueError(f"the outputs of its int8 network do not fit {classes} classes")
