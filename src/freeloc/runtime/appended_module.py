"""The part of a network that follows the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AppendedModule"]


@dataclass(frozen=True, eq=False)
class AppendedModule:
    """A module that reads a backbone's features and is compiled with the backbone into one network.

    Attributes:
        module: computes one or more tensors from (N, channels, rows, cols) features and the extra inputs. In a
            batch of several canvases, each extra input has an additional first axis for the canvases.
        extra_input_dims: number of dimensions of each extra input, all of dynamic size.
        cache_key: key under which the compiled graph of backbone and module is cached. It must identify the
            weights of both, and the version of the module's definition. If None, only the backbone's graph is
            cached.
        float32_stem: whether OpenVINO computes the backbone's first layers in float32 even if the precision is
            lower (`freeloc.runtime.float32_stem`).
        detail: whether the backbone's detail features are a further output of the network, after those of the
            module.
    """

    module: nn.Module
    extra_input_dims: tuple[int, ...] = ()
    cache_key: str | None = None
    float32_stem: bool = False
    detail: bool = False
