"""Torch modules that compute scores, maxima and aligned maps from a backbone's features.

They correspond to the NumPy code in `freeloc.inference.score_map`. After the last convolution, all operations work
on single cells or take maxima, so a runtime that computes in bfloat16 returns to float32 there. The interpolation
weights that determine the position of a point are therefore not rounded to 8 bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.inference.score_map import FUSION_GAIN
from freeloc.nn.head import AdaptationHead

__all__ = ["CellScorer", "ScoreReadout", "ScoringModule"]


class CellScorer(nn.Module):
    """Projection and head, which compute the raw scores of every cell.

    They contain all weights of a `ScoringModule` and perform most of its multiplications.

    Args:
        projection: the backbone's projection.
        head: the adaptation layers.
    """

    def __init__(self, projection: nn.Module, head: AdaptationHead) -> None:
        super().__init__()
        self.projection = projection
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """Compute (N, K, rows, cols) float32 raw scores from (N, channels, rows, cols) features."""
        scores: Tensor = self.head(self.projection(features)).float()
        return scores


class ScoreReadout(nn.Module):
    """Maxima of raw scores over valid cells, and sigmoid maps aligned on the lattice."""

    def forward(self, scores: Tensor, mask: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the maxima and aligned maps of N canvases of equal shape.

        Args:
            scores: (N, K, rows, cols) float32 raw scores of the whole canvases.
            mask: (N, rows, cols) float32 from `freeloc.geometry.grid.Grid.padding_mask`; for one canvas, the first
                axis may be omitted.
            field: (N, lattice rows, lattice cols, 2) float32 from `freeloc.geometry.grid.Grid.sampling_field`; its
                first axis is omitted if that of ``mask`` is.

        Returns:
            Three float32 tensors: ``scores``, unchanged; the (N, K) maxima over valid cells (paper, section 3,
            "Explicit search"); and the (N, K, lattice rows, lattice cols) values of the logistic function of
            `FUSION_GAIN` times the scores, sampled on the lattice.
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


class ScoringModule(nn.Module):
    """A `CellScorer` followed by a `ScoreReadout`.

    Args:
        projection: the backbone's projection.
        head: the adaptation layers.
    """

    def __init__(self, projection: nn.Module, head: AdaptationHead) -> None:
        super().__init__()
        self.scores = CellScorer(projection, head)
        self.readout = ScoreReadout()

    def forward(self, features: Tensor, mask: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the outputs of `ScoreReadout` from (N, channels, rows, cols) features."""
        outputs: tuple[Tensor, Tensor, Tensor] = self.readout(self.scores(features), mask, field)
        return outputs
