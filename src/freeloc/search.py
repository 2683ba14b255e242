"""The search of one scale as one module, so that the compiled runtime does all of it.

Behind the trunk's features: projection and head, the maximum of every class over the valid cells (paper,
section 3, "Explicit search"), and the softened map brought onto the lattice on which scales are fused. What
`freeloc.localization` computes in NumPy from raw maps comes out of the network instead.

Nothing but cell-by-cell arithmetic follows the last convolution: there a runtime that computes in bfloat16 turns
back to float32, and the place of a point does not depend on eight bits of an interpolation weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.heads import AdaptationHead
from freeloc.localization import FUSION_GAIN

__all__ = ["WindowSearch"]


class WindowSearch(nn.Module):
    """Features of a photograph at one scale → raw map, maxima, and softened map on the lattice.

    Several canvases of one shape may go through at once, each with a mask and a field of its own.

    Args:
        projection: the trunk's cell-by-cell projection.
        head: the adaptation layers.
    """

    def __init__(self, projection: nn.Module, head: AdaptationHead) -> None:
        super().__init__()
        self.projection = projection
        self.head = head

    def forward(self, features: Tensor, mask: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look for every class.

        Args:
            features: (N, channels, rows, cols) of the trunk's body for the whole canvas.
            mask: (rows, cols) float32 of `freeloc.geometry.Grid.padding_mask` where N is 1, or (N, rows, cols).
            field: (lattice rows, lattice cols, 2) float32 of `freeloc.geometry.Grid.sampling_field`, or with N
                before it, as the mask.

        Returns:
            (N, K, rows, cols) raw scores, padding included; (N, K) their maxima over valid cells; and (N, K,
            lattice rows, lattice cols) the logistic of `FUSION_GAIN` times the score, sampled on the lattice.
            All float32.
        """
        if mask.dim() == 2:
            field = field[None]
        else:
            mask = mask[:, None]
        scores = self.head(self.projection(features)).float()
        with torch.autocast(scores.device.type, enabled=False):
            softened = torch.sigmoid(float(FUSION_GAIN) * scores)
            aligned = functional.grid_sample(
                softened, field, mode="bilinear", padding_mode="border", align_corners=True
            )
        return scores, (scores + mask).amax(dim=(2, 3)), aligned
