"""Round quotients in a graph as Python does in floating point.

The graph computes them in integers, because OpenVINO would compute them in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.posttraining.export.graph import Value

__all__ = ["rounded_share"]

_MAX_SIDE: Final = 2**14
"""Length of the longest side of an image, in pixels, up to which quotients are rounded exactly as in Python."""

_Formula: TypeAlias = Callable[[Float64Array, Float64Array, Fraction], Float64Array]


def rounded_share(length: Value, longest: Value, parts: Fraction, formula: _Formula) -> Value:
    """Return the number of parts along a side of an image, rounded.

    Args:
        length: length of the side, an int64 scalar.
        longest: length of the longest side of the image, an int64 scalar.
        parts: number of parts along the longest side.
        formula: function that computes the number in Python from the lengths of sides, those of the longest ones,
            and ``parts``. Its rounding errors decide how halves are rounded.
    """
    divisor = longest * parts.denominator
    whole, rest = divmod(length * parts.numerator, divisor)
    # Halves are rounded to the even number, apart from exceptions.
    rounded = whole + 1 - (rest * 2).is_less(divisor + 1 - whole % 2).cast(np.int64)
    sides, lengths, differences = map(length.graph.constant, _exceptions(parts, formula))
    is_exception = sides.equals(longest).cast(np.int64) * lengths.equals(length).cast(np.int64)
    return rounded + (is_exception * differences).reduce("Sum", 0)


@cache
def _exceptions(parts: Fraction, formula: _Formula) -> npt.NDArray[np.int64]:
    """Return the halves that a formula does not round to the even number.

    Returns:
        (3, N) int64: the lengths of the longest sides and of the other sides, and by how much the numbers are
        larger than the even ones.
    """
    found = [np.empty((3, 0), np.int64)]
    for below in range(int(parts)):
        share = (below + Fraction(1, 2)) / parts
        longest = np.arange(share.denominator, _MAX_SIDE + 1, share.denominator)
        lengths = longest // share.denominator * share.numerator
        numbers = np.rint(formula(lengths.astype(np.float64), longest.astype(np.float64), parts)).astype(
            np.int64
        )
        exceptions = np.stack([longest, lengths, numbers - below - below % 2])
        found.append(exceptions[:, exceptions[2] != 0])
    return np.concatenate(found, axis=1)
