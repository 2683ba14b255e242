"""Exported graphs in ONNX Runtime, compared with a localizer in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from freeloc._typing import Uint8Array
from freeloc.geometry.size import Size
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import ScalePlan
from freeloc.models.model import Model
from freeloc.posttraining.export.localization import Computation, build_graph
from freeloc.posttraining.export.network import convert_network
from tests.posttraining.export.small_model import SmallBackbone, small_model

SIZES = [
    *((500, 375), (375, 500), (333, 500), (97, 61), (641, 480), (50, 700), (1, 300), (17, 17), (501, 499)),
    *((1511, 1011), (640, 2), (1024, 768)),
]
BACKBONE = SmallBackbone()
MODEL = small_model(BACKBONE)


@pytest.fixture(scope="module")
def computation() -> Computation:
    header = MODEL.header
    localizer = Localizer.from_model(MODEL, BACKBONE)
    return Computation(
        convert_network(BACKBONE, MODEL.head),
        ScalePlan(header.scales),
        header.pyramid,
        BACKBONE.layout,
        BACKBONE.pad_color,
        header.pooling,
        localizer.decision,
    )


def a_photo(width: int, height: int) -> Uint8Array:
    """Blotches of color, which differ from place to place like those of a photo."""
    random = np.random.default_rng(width * 10_000 + height)
    coarse = random.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3))
    rows = np.arange(height)[:, None] // 40
    cols = np.arange(width)[None] // 40
    noise = random.integers(-20, 21, (height, width, 3))
    photo: Uint8Array = np.clip(coarse[rows, cols] + noise, 0, 255).astype(np.uint8)
    return photo


def session_of(computation: Computation) -> Any:
    model = build_graph(computation)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString())


def reference(model: Model, **options: Any) -> Localizer:
    chosen = LocalizerOptions(runtime="torch", precision="float32", **options)
    return Localizer.from_model(model, BACKBONE, chosen)


def check(session: Any, localizer: Localizer, image: Uint8Array) -> None:
    scores, probabilities, points, maps = session.run(None, {"image": image})
    expected = localizer(image)
    np.testing.assert_allclose(scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(maps, expected.maps, atol=1e-4)
    moved = np.flatnonzero(np.abs(points - expected.points).max(axis=1) > 0.5)
    assert len(moved) <= 1
    for label in moved:  # another processor may round two equal maxima differently
        (x, y), (rows, cols) = points[label], expected.maps.shape[1:]
        value = expected.maps[label, int(y * rows / len(image)), int(x * cols / image.shape[1])]
        assert value == pytest.approx(expected.maps[label].max(), abs=1e-5)


def test_images_of_odd_sizes(computation: Computation) -> None:
    session, localizer = session_of(computation), reference(MODEL)
    found: set[tuple[float, ...]] = set()
    for width, height in SIZES:
        image = a_photo(width, height)
        check(session, localizer, image)
        found.update(map(tuple, localizer(image).points.round().tolist()))
    assert len(found) > 2 * len(SIZES)  # the points are not all in one place


@pytest.mark.parametrize("preset", [None, "balanced"])
def test_points_of_the_paper(computation: Computation, preset: Any) -> None:
    """They are the highest cells of all scales, and the maps are raw scores."""
    plan = (
        ScalePlan(MODEL.header.scales) if preset is None else ScalePlan((0.7, 1.4, 2.0), early_exit_after=2)
    )
    session = session_of(replace(computation, plan=plan, location="paper"))
    localizer = reference(MODEL, location="paper", preset=preset)
    for width, height in ((333, 500), (97, 61), (90, 60), (500, 30)):
        image = a_photo(width, height)
        scores, _, points, maps = session.run(None, {"image": image})
        expected = localizer(image)
        assert expected.maps.max() > 1
        np.testing.assert_allclose(scores, expected.scores, atol=1e-3)
        np.testing.assert_allclose(maps, expected.maps, atol=1e-3)
        np.testing.assert_allclose(points, expected.points, atol=0.01)


def test_one_scale(computation: Computation) -> None:
    session = session_of(replace(computation, plan=ScalePlan((1.4,))))
    localizer = reference(MODEL, scales=(1.4,))
    for width, height in SIZES[:4]:
        check(session, localizer, a_photo(width, height))


def test_the_third_scale_only_if_a_class_is_undecided(computation: Computation) -> None:
    session = session_of(replace(computation, plan=ScalePlan((0.7, 1.4, 2.0), early_exit_after=2)))
    localizer = reference(MODEL, preset="balanced")
    decided = set()
    for width, height in ((300, 200), (90, 60), (61, 97), (320, 240), (40, 30), (500, 30)):
        image = a_photo(width, height)
        check(session, localizer, image)
        decided.add(len(localizer.score_maps(image)))
    assert decided == {2, 3}


@pytest.mark.parametrize(
    "changes",
    [
        {"padding": "square"},
        {"padding": "paper", "resize": "paper"},
        {"pooling": "topk"},
        {"calibration": None},
    ],
    ids=str,
)
def test_other_models(computation: Computation, changes: dict[str, Any]) -> None:
    model = MODEL.with_header(**changes)
    localizer = reference(model)
    header = model.header
    session = session_of(
        replace(computation, pyramid=header.pyramid, pooling=header.pooling, decision=localizer.decision)
    )
    for width, height in SIZES[2:5]:
        check(session, localizer, a_photo(width, height))


def test_a_static_size_leaves_only_operations_of_fixed_shapes(computation: Computation) -> None:
    static = replace(computation, plan=ScalePlan((1.0,)), size=Size(250, 187))
    model = build_graph(static)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    described = [*inferred.graph.value_info, *model.graph.input, *model.graph.output]
    assert len(described) >= len(model.graph.node)
    for value in described:
        assert all(side.HasField("dim_value") for side in value.type.tensor_type.shape.dim), value.name
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Shape", "Range", "If", "Loop", "Resize", "NonZero"}
    constants = {weight.name for weight in model.graph.initializer}
    assert {node.input[1] for node in model.graph.node if node.op_type == "Reshape"} <= constants
    check(session_of(static), reference(MODEL, scales=(1.0,)), a_photo(250, 187))
