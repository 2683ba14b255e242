"""Recognize torch tensors, and convert them to arrays, without importing torch."""

from __future__ import annotations

import sys
from typing import Any, Final, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from freeloc.errors import ImageValueError
from freeloc.images.decode_errors import SEVERAL, image_error

__all__ = ["Tensor", "is_tensor", "tensor_to_array"]

_CHANNELS: Final = (1, 3, 4)
_NAME: Final = "the given tensor"


class Tensor(Protocol):
    """What type checkers accept as a tensor; this package must not import torch."""

    @property
    def shape(self) -> Any:
        """The length of each axis."""
        raise NotImplementedError

    def detach(self) -> Any:
        """Return the tensor without its history of computation."""
        raise NotImplementedError


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Return whether a value is a torch tensor; there are none before torch has been imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def tensor_to_array(tensor: Any) -> npt.NDArray[Any]:
    """Convert one image from torch's order of axes to that of `freeloc.images.decode.load_image`.

    Args:
        tensor: (H, W), (1, H, W) gray, (3, H, W) RGB or (4, H, W) RGBA, on any device, of any data type that
            `load_image` reads, or a floating-point type that NumPy lacks, such as bfloat16. Floating-point values
            are between 0 and 1, as `torchvision` uses them.

    Returns:
        (H, W) or (H, W, C); it shares the tensor's memory where possible.

    Raises:
        ImageValueError: the tensor has another shape, its channels could be the first axis as well as the last, or
            it contains floating-point values below 0 or above 1, such as those of a normalized image.
    """
    shape = tuple(tensor.shape)
    if len(shape) == 4:
        raise _refused(f"its shape is {shape}, so it holds several images", SEVERAL)
    if len(shape) == 3 and shape[0] in _CHANNELS and shape[2] in _CHANNELS:
        raise _refused(
            f"its shape is {shape}, so its channels could be the first axis or the last",
            "pass a NumPy array of shape (H, W, 3)",
        )
    if len(shape) != 2 and not (len(shape) == 3 and shape[0] in _CHANNELS):
        last = len(shape) == 3 and shape[2] in _CHANNELS
        fix = "call permute(2, 0, 1) on it" if last else "pass a tensor of shape (3, H, W)"
        raise _refused(f"its shape is {shape}, but channels come first in a tensor", fix)
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
    if array.dtype.kind == "f" and array.size:
        finite = array[np.isfinite(array)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)
        if not (low >= 0 and high <= 1):
            raise _refused(
                f"its values are between {low:.3g} and {high:.3g}",
                "pass values between 0 and 1 as they are before normalization, or uint8 values",
            )
    return array if array.ndim == 2 else np.moveaxis(array, 0, -1)


def _refused(reason: str, fix: str) -> Exception:
    return image_error(_NAME, reason, fix, kind=ImageValueError)
