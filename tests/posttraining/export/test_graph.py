"""Graphs in the making: what is computed at once, what becomes a node, and what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from freeloc.posttraining.export.graph import Graph, Value
from tests.posttraining.export.runtimes import RUNTIMES, runner


def run(graph: Graph, value: Value, **inputs: Any) -> Any:
    model = graph.finish([("result", value, ["n"])])
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)[0]


def test_constants_leave_no_nodes() -> None:
    graph = Graph("g")
    three = graph.constant(np.int64(3))
    assert (graph.arange(three) * 2 + three).constant.tolist() == [3, 5, 7]  # type: ignore[union-attr]
    source = graph.add_input("x", np.float32, ["n"])
    model = graph.finish([("result", source + 1 + 0, ["n"])])
    assert [node.op_type for node in model.graph.node] == ["Add", "Add", "Identity"]


def test_operators_are_those_of_numpy() -> None:
    x = np.array([5, 2, 9], np.int64)
    graph = Graph("g")
    value = graph.add_input("x", np.int64, ["n"])
    result = (20 - value) * 3 // 2 + (value % 4).or_larger(2).or_smaller(value)
    assert (
        run(graph, result, x=x).tolist() == ((20 - x) * 3 // 2 + np.minimum(np.maximum(x % 4, 2), x)).tolist()
    )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_quotients_are_those_of_python(runtime: str) -> None:
    """OpenVINO multiplies by the inverse of the divisor in float32."""
    rng = np.random.default_rng(0)
    divisors = rng.integers(1, 3000, 20_000)
    dividends = divisors * rng.integers(-6, 500_000, 20_000) + rng.integers(-1, 2, 20_000)
    graph = Graph("g")
    dividend, divisor = (graph.add_input(name, np.int64, ["n"]) for name in "xy")
    model = graph.finish(
        [(f"out{index}", value, ["n"]) for index, value in enumerate(divmod(dividend, divisor))]
    )
    found = runner(model, runtime)({"x": dividends, "y": divisors})
    np.testing.assert_array_equal(found, divmod(dividends, divisors))


def test_equal_constants_are_stored_once() -> None:
    graph = Graph("g")
    value = graph.add_input("x", np.float32, ["n"])
    model = graph.finish([("result", value * 2 + 2 + np.float32(2).item(), ["n"])])
    assert len(model.graph.initializer) == 1


@pytest.mark.parametrize("first", [1, -1])
def test_a_branch_is_chosen_when_the_graph_runs(first: int) -> None:
    graph = Graph("g")
    value = graph.add_input("x", np.float32, ["n"])
    is_negative = value.take(graph.constant(np.int64(0)), 0).is_less(0)
    (result,) = graph.choose(is_negative, lambda: (value * 10,), lambda: (value,))
    x = np.array([first, 2], np.float32)
    assert run(graph, result, x=x).tolist() == ([-10, 20] if first < 0 else [1, 2])


def test_a_constant_condition_leaves_one_branch() -> None:
    graph = Graph("g")
    value = graph.add_input("x", np.float32, ["n"])
    (result,) = graph.choose(graph.constant(np.bool_(True)), lambda: (value + 1,), lambda: (value * 10,))
    assert run(graph, result, x=np.zeros(2, np.float32)).tolist() == [1, 1]
    assert {node.op_type for node in graph.finish([("again", result, ["n"])]).graph.node} == {
        "Add",
        "Identity",
    }


def test_calls_of_a_network_share_its_weights() -> None:
    inner = Graph("inner")
    doubled = inner.add_input("x", np.float32, ["n"]) * 2
    network = inner.finish([("y", doubled, ["n"])])
    graph = Graph("g")
    once = graph.call(network, graph.add_input("x", np.float32, ["n"]))
    twice = graph.call(network, once)
    assert run(graph, twice, x=np.ones(1, np.float32)).tolist() == [4]
    assert len(graph.finish([("again", twice, ["n"])]).graph.initializer) == 1
