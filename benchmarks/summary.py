"""The table that compares machines: ratios, which carry over to other machines better than milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.peer_comparison import ALL_SCALES, INT8, ONE_CLASS, ONE_SCALE
from benchmarks.plain_torch import BALANCED, BALANCED_INT8, FREELOC, FREELOC_INT8, SQUARE
from benchmarks.results import Section, number, table

__all__ = ["int8_speedup", "render"]

_TORCHCAM, _GRAD_CAM = "torchcam Grad-CAM, tuned", "pytorch-grad-cam, tuned"

_Quantity: TypeAlias = Callable[[Section], Any]
"""Reads a number from the section "prediction"; a KeyError means that it was not measured."""


def _speedup(implementation: str, other: str = SQUARE) -> _Quantity:
    return lambda section: section["throughput"]["speedup"][implementation][other]["median"]


def int8_speedup(throughput: Section) -> Mapping[str, float]:
    """Return the speedup of int8 over the float network.

    Args:
        throughput: the part "throughput" of the section "prediction".

    Returns:
        The median with its quartiles; without quartiles, the quotient of the medians, because earlier measurements
        did not record the ratios of the rounds.

    Raises:
        KeyError: int8 was not measured.
    """
    if "int8_over_float" in throughput:
        recorded: Mapping[str, float] = throughput["int8_over_float"]
        return recorded
    ms = throughput["ms_per_image"]
    return {"median": ms[FREELOC]["median"] / ms[FREELOC_INT8]["median"]}


def _over_peer(implementation: str, peer: str) -> _Quantity:
    return lambda section: section["peers"]["speedup"][implementation][peer]["median"]


def _all_scales(implementation: str) -> _Quantity:
    name = _GRAD_CAM + ONE_CLASS
    return lambda section: section["peers"]["all_scales_over_one_class"][implementation][name]["median"]


_QUANTITIES: dict[str, _Quantity] = {
    "speedup over eager torch": _speedup(FREELOC),
    "speedup over eager torch, int8": _speedup(FREELOC_INT8),
    "speedup over eager torch, `balanced`": _speedup(BALANCED),
    "speedup over eager torch, `balanced`, int8": _speedup(BALANCED_INT8),
    "speedup of int8 over the float network": lambda section: int8_speedup(section["throughput"])["median"],
    f"speedup over {_TORCHCAM}, one scale": _over_peer(ONE_SCALE, _TORCHCAM),
    f"speedup over {_TORCHCAM}, one scale, int8": _over_peer(ONE_SCALE + INT8, _TORCHCAM),
    f"speedup over {_GRAD_CAM}, one scale": _over_peer(ONE_SCALE, _GRAD_CAM),
    f"speedup over {_GRAD_CAM}, one scale, int8": _over_peer(ONE_SCALE + INT8, _GRAD_CAM),
    f"six scales over {_GRAD_CAM}, one class at one scale": _all_scales(ALL_SCALES),
    f"six scales over {_GRAD_CAM}, one class at one scale, int8": _all_scales(ALL_SCALES + INT8),
}


def render(machines: Mapping[str, Section]) -> Iterator[str]:
    """Yield the Markdown blocks that compare the machines.

    Args:
        machines: the sections of each machine.
    """
    measured = {
        name: sections["prediction"] for name, sections in machines.items() if "prediction" in sections
    }
    if not measured:
        return
    yield "## Machines compared"
    yield (
        "Each column is one machine; the details are below. *Eager torch* runs the network on squares at the six "
        "scales. Whatever is compared ran alternately in one process."
    )
    if any(_is_quotient(section["throughput"]) for section in measured.values()):
        yield (
            "Where the ratios of int8 to the float network in the individual rounds were not recorded, their "
            "speedup is the quotient of the two medians."
        )
    rows = [("float network", *(section["networks"]["precision"] for section in measured.values()))]
    for title, quantity in _QUANTITIES.items():
        values = [_value(quantity, section) for section in measured.values()]
        if any(value is not None for value in values):
            rows.append((title, *("" if value is None else f"{number(value)}×" for value in values)))
    peak = (100 * section["networks"]["scales"]["all"]["fraction_of_peak"] for section in measured.values())
    rows.append(("percentage of the peak, float network", *(f"{percent:.0f}%" for percent in peak)))
    yield table(("", *measured), rows)


def _is_quotient(throughput: Section) -> bool:
    return FREELOC_INT8 in throughput["ms_per_image"] and "int8_over_float" not in throughput


def _value(quantity: _Quantity, section: Section) -> float | None:
    try:
        return float(quantity(section))
    except KeyError:
        return None
