"""A backbone that returns its detail features as well."""

from __future__ import annotations

from torch import Tensor, nn

from freeloc.nn.backbones.base import Backbone

__all__ = ["WithDetail"]


class WithDetail(nn.Module):
    """A backbone as a module with two outputs.

    Args:
        backbone: a backbone with detail features.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and detail features; see `Backbone.forward_with_detail`."""
        return self.backbone.forward_with_detail(canvas)
