"""Full-image training: the head reads the mean of an image's features."""

from __future__ import annotations

import numpy as np
import torch

from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.full_image import full_image_scores
from freeloc.nn.pooling.registry import get_pooling, prediction_pooling


def test_full_images_are_scored_by_the_mean_of_their_features() -> None:
    torch.manual_seed(0)
    projection, head = (
        torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU()),
        AdaptationHead(HeadSettings(7, 3, 4)),
    )
    cells = torch.randn(9, 5)
    with torch.no_grad():
        scores = full_image_scores(head, projection, cells, [2, 7])
        for row, part in zip(scores, (cells[:2], cells[2:]), strict=True):
            total = sum(projection(cell[None]) for cell in part)
            torch.testing.assert_close(row, head(total / len(part))[0])
        # A head of one layer is linear: the mean of its maps is the same.
        linear = AdaptationHead(HeadSettings(7, 3, hidden=0))
        scores = full_image_scores(linear, projection, cells, [9])[0]
        values = linear(projection(cells)).T.reshape(3, 3, 3).numpy()
    pooling = get_pooling(prediction_pooling("full"))
    np.testing.assert_allclose(pooling.pool_maps(values), scores, rtol=1e-5, atol=1e-6)
