"""Pooling in a graph, compared with the poolings in NumPy."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from freeloc.errors import ModelError
from freeloc.nn.pooling.registry import POOLINGS as ALL
from freeloc.nn.pooling.registry import get_pooling, prediction_pooling
from freeloc.posttraining.export.graph import Graph
from freeloc.posttraining.export.pooling import POOLINGS, pooling_function


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (7, 9)], ids=str)
def test_scores_are_those_of_the_pooling(name: str, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(2).normal(0, 8, (5, *shape)).astype(np.float32)
    graph = Graph("pool")
    scores = graph.add_input("scores", np.float32, [1, 5, "rows", "cols"])
    pooled = pooling_function(name)(scores, scores.length(2) * scores.length(3))
    model = graph.finish([("pooled", pooled, [5])])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"scores": values[None]})
    np.testing.assert_allclose(found, get_pooling(name).pool_maps(values), rtol=1e-5, atol=1e-5)


def test_every_own_pooling_can_be_exported() -> None:
    assert {prediction_pooling(name) for name in ALL.names()} >= set(POOLINGS)
    for name in ("max", "lse", "topk", "average", "full"):
        pooling_function(prediction_pooling(name))


def test_a_pooling_of_another_package_is_refused() -> None:
    with pytest.raises(ModelError, match="pooling median, which cannot be exported: only the poolings max"):
        pooling_function("median")
