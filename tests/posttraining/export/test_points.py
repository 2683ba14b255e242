"""Points in a graph, compared with those of freeloc.inference.fusion."""

from __future__ import annotations

import numpy as np
import onnxruntime

from freeloc.geometry.size import Size
from freeloc.inference import fusion
from freeloc.inference.score_map import fusion_lattice
from freeloc.posttraining.export.axis import ImageAxis
from freeloc.posttraining.export.graph import Graph
from freeloc.posttraining.export.points import highest_on_lattice


def test_of_equal_maxima_the_one_nearest_the_center_is_the_point() -> None:
    size = Size(301, 200)
    lattice = fusion_lattice(size)
    maps = np.random.default_rng(3).integers(0, 4, (6, lattice.rows, lattice.cols)).astype(np.float32)
    maps[0] = 0.5  # equal everywhere
    maps[1, :3, 5:20] = 9  # a plateau at the border
    graph = Graph("points")
    height, width = (graph.constant(np.int64(side)) for side in (size.height, size.width))
    axes = (ImageAxis.of(height, width), ImageAxis.of(width, width))
    points = highest_on_lattice(graph.add_input("maps", np.float32, maps.shape), axes)
    session = onnxruntime.InferenceSession(graph.finish([("points", points, [6, 2])]).SerializeToString())
    (found,) = session.run(None, {"maps": maps})
    expected = fusion._highest_points(maps, lattice).points
    center = np.array([size.width / 2, size.height / 2])
    distances, others = (np.hypot(*(values - center).T) for values in (found, expected))
    np.testing.assert_allclose(distances, others, rtol=1e-5)  # two of them may be equally far from the center
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)
