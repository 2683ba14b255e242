"""The search of one scale as one module, so that the compiled runtime does all of it.

Behind the backbone's features: projection and head, the maximum of every class over the valid cells (paper,
section 3, "Explicit search"), and the softened map brought onto the lattice on which scales are fused. What
`freeloc.inference.result` computes in NumPy from raw maps comes out of the network instead.

Nothing but cell-by-cell arithmetic follows the last convolution: there a runtime that computes in bfloat16 turns
back to float32, and the place of a point does not depend on eight bits of an interpolation weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.inference.score_map import FUSION_GAIN
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.runtime import AppendedModule

__all__ = ["CellScorer", "ScoreReadout", "ScoringGraph", "scoring_tail"]


class CellScorer(nn.Module):
    """Features → raw scores: the part of the search with weights, and all but all of its work.

    Args:
        projection: the backbone's cell-by-cell projection.
        head: the adaptation layers.
    """

    def __init__(self, projection: nn.Module, head: AdaptationHead) -> None:
        super().__init__()
        self.projection = projection
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, rows, cols) of the backbone's body → (N, K, rows, cols) raw scores, float32."""
        scores: Tensor = self.head(self.projection(features)).float()
        return scores


class ScoreReadout(nn.Module):
    """Raw scores of an image at one scale → the same, their maxima, and the softened map on the lattice.

    Several canvases of one shape may go through at once, each with a mask and a field of its own.
    """

    def forward(self, scores: Tensor, mask: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read a map.

        Args:
            scores: (N, K, rows, cols) float32 for the whole canvas.
            mask: (rows, cols) float32 of `freeloc.geometry.grid.Grid.padding_mask` where N is 1, or (N,
            rows, cols).
            field: (lattice rows, lattice cols, 2) float32 of `freeloc.geometry.grid.Grid.sampling_field`,
            or with N
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
        with torch.autocast(scores.device.type, enabled=False):
            softened = torch.sigmoid(float(FUSION_GAIN) * scores)
            aligned = functional.grid_sample(
                softened, field, mode="bilinear", padding_mode="border", align_corners=True
            )
        return scores, (scores + mask).amax(dim=(2, 3)), aligned


class ScoringGraph(nn.Module):
    """Features of an image at one scale → raw map, maxima, and softened map on the lattice.

    Several canvases of one shape may go through at once, each with a mask and a field of its own.

    Args:
        projection: the backbone's cell-by-cell projection.
        head: the adaptation layers.
    """

    def __init__(self, projection: nn.Module, head: AdaptationHead) -> None:
        super().__init__()
        self.scores = CellScorer(projection, head)
        self.reading = ScoreReadout()

    def forward(self, features: Tensor, mask: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`ScoreReadout` of the `CellScorer` of (N, channels, rows, cols) features; see there."""
        read: tuple[Tensor, Tensor, Tensor] = self.reading(self.scores(features), mask, field)
        return read


def scoring_tail(backbone: Backbone, head: AdaptationHead, name: str | None = None) -> AppendedModule:
    """Return the scoring part of the network, to be appended to a backbone.

    Beside each canvas it takes the mask of the padding and the sampling field of the lattice.

    The backbone's first layers stay float32: a point is the place of a maximum, and moves with the least noise.
    Features for training, whose steps average over it, are spared the time.

    Args:
        backbone: whose projection it begins with.
        head: the adaptation layers.
        name: the cache key, see `freeloc.runtime.AppendedModule`.
    """
    return AppendedModule(
        ScoringGraph(backbone.projection, head), extra_input_dims=(2, 3), cache_key=name, float32_stem=True
    )
