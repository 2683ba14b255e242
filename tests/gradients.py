"""Gradients of parameters after a backward pass."""

from __future__ import annotations

from torch import Tensor


def gradient_of(parameter: Tensor) -> Tensor:
    """Return the gradient of a parameter, which must have one."""
    assert parameter.grad is not None, "the parameter has no gradient"
    return parameter.grad
