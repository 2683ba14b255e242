"""The scoring graph: the layers appended to a backbone for prediction, and their cache key.

The graph is defined here and in `freeloc.inference.scoring_modules`. Only the latter loads torch, so a cached
graph can be found and run without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeloc.runtime import AppendedModule

if TYPE_CHECKING:
    from freeloc.inference.scoring_modules import CellScorer
    from freeloc.models.header import ModelHeader
    from freeloc.nn.backbones.base import Backbone
    from freeloc.nn.head import AdaptationHead

__all__ = ["graph_key", "int8_parts", "scoring_layers"]

_VERSION = 4
"""Version of the graph. It is part of the cache key, so cached graphs of other versions are ignored."""

_EXTRA_INPUT_DIMS = (2, 3)
"""Number of axes of the inputs besides the canvas: the padding mask and the sampling field of the lattice."""


def graph_key(header: ModelHeader, content_hash: str) -> str:
    """Return the key under which a model's compiled scoring graph is cached.

    Args:
        header: the model's header.
        content_hash: hash of the model file.
    """
    return f"scoring{_VERSION}-{header.backbone_fingerprint[:16]}-{content_hash[:32]}"


def scoring_layers(backbone: Backbone, head: AdaptationHead, cache_key: str | None = None) -> AppendedModule:
    """Return the layers that are appended to a backbone for prediction.

    The backbone's first layers always compute in float32: a point is the position of a maximum, and the slightest
    rounding error can move it. Training averages over these errors, so it avoids the cost of float32.

    Args:
        backbone: the backbone whose projection is the first layer.
        head: the adaptation layers.
        cache_key: key under which the compiled graph is cached; None disables caching.
    """
    from freeloc.inference.scoring_modules import ScoringModule

    module = ScoringModule(backbone.projection, head)
    return AppendedModule(
        module,
        extra_input_dims=_EXTRA_INPUT_DIMS,
        cache_key=cache_key,
        float32_stem=True,
        detail=backbone.detail_channels > 0,
    )


def int8_parts(backbone: Backbone, head: AdaptationHead) -> tuple[CellScorer, AppendedModule]:
    """Return the two parts of the scoring graph of an int8 network.

    Args:
        backbone: the backbone whose projection is the first layer.
        head: the adaptation layers.

    Returns:
        The layers to quantize, and the layers that follow them and remain in floating point.
    """
    from freeloc.inference.scoring_modules import CellScorer, ScoreReadout

    readout = AppendedModule(ScoreReadout(), extra_input_dims=_EXTRA_INPUT_DIMS)
    return CellScorer(backbone.projection, head), readout
