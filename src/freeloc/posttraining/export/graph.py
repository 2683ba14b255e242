"""Write ONNX graphs like NumPy: operators on values add nodes to a graph.

What depends only on constants is computed at once, so it leaves no nodes. If the size of the input is constant,
all sizes and positions are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

__all__ = ["IR_VERSION", "OPSET", "Graph", "Number", "Value"]

OPSET: Final = 18
"""Version of ONNX's operators: the first one whose reductions all take their axes as an input."""

IR_VERSION: Final = 10
"""Version of the file format that corresponds to ONNX Runtime 1.18 and later."""

Number: TypeAlias = int | float


class Value:
    """A tensor of a graph; arithmetic on it adds nodes to the graph.

    Numbers in an expression take the data type of the value with which they are combined. ``//`` and ``%`` are
    those of Python, for integers.

    Attributes:
        graph: the graph.
        name: name of the tensor in the graph; empty for a constant that no node has used yet.
        dtype: data type.
        constant: the value, if it does not depend on the input of the graph.
    """

    def __init__(
        self, graph: Graph, name: str, dtype: npt.DTypeLike, constant: npt.NDArray[Any] | None = None
    ) -> None:
        self.graph = graph
        self.name = name
        self.dtype = np.dtype(dtype)
        self.constant = constant

    def cast(self, dtype: npt.DTypeLike) -> Value:
        """Convert to another data type."""
        if self.dtype == dtype:
            return self
        return self.graph.op("Cast", self, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshape(self, *shape: Value | int) -> Value:
        """Change the shape; a length may be computed in the graph."""
        return self.graph.op("Reshape", self, self.graph.vector(*shape))

    def with_axes(self, *axes: int) -> Value:
        """Insert axes of length 1 at some positions of the result's shape."""
        return self.graph.op("Unsqueeze", self, self.graph.constant(np.array(axes, np.int64)))

    def without_axis(self, axis: int) -> Value:
        """Remove an axis of length 1."""
        return self.graph.op("Squeeze", self, self.graph.constant(np.array([axis], np.int64)))

    def flat(self, axis: int) -> Value:
        """Merge all axes from ``axis``, which is 1, on."""
        return self.graph.op("Flatten", self, axis=axis)

    def transpose(self, *axes: int) -> Value:
        """Permute the axes."""
        return self.graph.op("Transpose", self, perm=list(axes))

    def length(self, axis: int) -> Value:
        """Return the length of an axis, an int64 scalar."""
        return self.graph.op("Shape", self, dtype=np.int64, start=axis, end=axis + 1).reshape()

    def take(self, indices: Value, axis: int) -> Value:
        """Return the slices at some indices, like ``numpy.take``."""
        return self.graph.op("Gather", self, indices, axis=axis)

    def first(self, lengths: Sequence[Value], axes: Sequence[int]) -> Value:
        """Return the first elements along some axes."""
        graph = self.graph
        starts = graph.constant(np.zeros(len(axes), np.int64))
        return graph.op(
            "Slice", self, starts, graph.vector(*lengths), graph.constant(np.array(axes, np.int64))
        )

    def extreme(self, count: Value, *, largest: bool) -> Value:
        """Return the ``count`` largest or smallest elements along the last axis."""
        count = self.graph.vector(count)
        return self.graph.op("TopK", self, count, unused_outputs=1, axis=-1, largest=int(largest))

    def reduce(self, operation: str, *axes: int, keepdims: bool = False) -> Value:
        """Reduce some axes by an operation such as "Sum" or "Max"."""
        axes_value = self.graph.constant(np.array(axes, np.int64))
        return self.graph.op(f"Reduce{operation}", self, axes_value, keepdims=int(keepdims))

    def equals(self, other: Value) -> Value:
        """Compare elements; the result is boolean."""
        return self.graph.op("Equal", self, other, dtype=np.bool_)

    def is_less(self, other: Value | Number) -> Value:
        """Compare elements; the result is boolean."""
        return self.graph.op("Less", self, self._operand(other), dtype=np.bool_)

    def where(self, chosen: Value, otherwise: Value) -> Value:
        """Choose between the elements of two values by this boolean value."""
        return self.graph.op("Where", self, chosen, otherwise, dtype=chosen.dtype)

    def or_larger(self, other: Value | Number) -> Value:
        """Return the larger one of the elements of two values."""
        return self._combine("Max", other)

    def or_smaller(self, other: Value | Number) -> Value:
        """Return the smaller one of the elements of two values."""
        return self._combine("Min", other)

    def map(self, operation: str) -> Value:
        """Apply an operation to each element, such as "Sigmoid"."""
        return self.graph.op(operation, self)

    def _operand(self, other: Value | Number) -> Value:
        return other if isinstance(other, Value) else self.graph.constant(np.array(other, self.dtype))

    def _combine(self, operation: str, other: Value | Number, *, swapped: bool = False) -> Value:
        operands = (self, self._operand(other))
        return self.graph.op(operation, *(operands[::-1] if swapped else operands))

    def __add__(self, other: Value | Number) -> Value:
        return self._combine("Add", other)

    def __radd__(self, other: Number) -> Value:
        return self._combine("Add", other, swapped=True)

    def __sub__(self, other: Value | Number) -> Value:
        return self._combine("Sub", other)

    def __rsub__(self, other: Number) -> Value:
        return self._combine("Sub", other, swapped=True)

    def __mul__(self, other: Value | Number) -> Value:
        return self._combine("Mul", other)

    def __rmul__(self, other: Number) -> Value:
        return self._combine("Mul", other, swapped=True)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._combine("Div", other)

    def __rtruediv__(self, other: Number) -> Value:
        return self._combine("Div", other, swapped=True)

    def __divmod__(self, other: Value | Number) -> tuple[Value, Value]:
        divisor = self._operand(other)
        estimate = self / divisor
        # ONNX rounds toward zero, and OpenVINO multiplies by the inverse in float32, so it may be wrong by one.
        rest = self - estimate * divisor
        is_negative, is_small = (rest.is_less(limit).cast(self.dtype) for limit in (0, divisor))
        missing = 1 - is_negative - is_small
        return estimate + missing, rest - missing * divisor

    def __floordiv__(self, other: Value | Number) -> Value:
        return divmod(self, other)[0]

    def __mod__(self, other: Value | Number) -> Value:
        return divmod(self, other)[1]

    def __matmul__(self, other: Value) -> Value:
        return self._combine("MatMul", other)


class Graph:
    """An ONNX graph in the making.

    Args:
        name: name of the graph.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._inputs: list[onnx.ValueInfoProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._scopes: list[list[onnx.NodeProto]] = [[]]
        self._numbers = count(1)

    def add_input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> Value:
        """Add an input; axes of dynamic length are strings."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return Value(self, name, dtype)

    def constant(self, value: npt.ArrayLike) -> Value:
        """Return a constant; it is stored in the file if a node uses it."""
        array = np.asarray(value)
        return Value(self, "", array.dtype, array)

    def vector(self, *parts: Value | int) -> Value:
        """Return an int64 vector of scalars."""
        values = [part if isinstance(part, Value) else self.constant(np.int64(part)) for part in parts]
        known = [value.constant for value in values if value.constant is not None]
        if len(known) == len(values):
            return self.constant(np.array(known, np.int64).reshape(-1))
        one = self.constant(np.array([1], np.int64))
        return self.op("Concat", *(self.op("Reshape", value, one) for value in values), axis=0)

    def arange(self, length: Value) -> Value:
        """Return the int64 numbers 0, 1, …, ``length`` − 1."""
        return self.op("Range", self.constant(np.int64(0)), length, self.constant(np.int64(1)))

    def op(
        self,
        operation: str,
        *inputs: Value,
        dtype: npt.DTypeLike | None = None,
        unused_outputs: int = 0,
        **attributes: Any,
    ) -> Value:
        """Add a node, and return its first output.

        Args:
            operation: name of the operator.
            inputs: its inputs.
            dtype: data type of the output; default: that of the first input.
            unused_outputs: number of further outputs.
            attributes: its attributes.
        """
        kind = inputs[0].dtype if dtype is None else np.dtype(dtype)
        if all(value.constant is not None for value in inputs):
            return self.constant(_compute(operation, inputs, attributes).astype(kind, copy=False))
        name = self._new_name(operation)
        names = [self._name_of(value) for value in inputs]
        outputs = [name, *(f"{name}_{index}" for index in range(1, 1 + unused_outputs))]
        self._scopes[-1].append(helper.make_node(operation, names, outputs, name=name, **attributes))
        return Value(self, name, kind)

    def choose(
        self,
        condition: Value,
        chosen: Callable[[], tuple[Value, ...]],
        otherwise: Callable[[], tuple[Value, ...]],
    ) -> tuple[Value, ...]:
        """Compute one of two branches, depending on a boolean scalar.

        Args:
            condition: which one.
            chosen: function that adds the first branch and returns its results.
            otherwise: function that adds the other branch, with results of the same number and types.
        """
        if condition.constant is not None:
            return chosen() if bool(condition.constant) else otherwise()
        bodies: list[onnx.GraphProto] = []
        results: tuple[Value, ...] = ()
        for branch in (chosen, otherwise):
            self._scopes.append([])
            # A branch may return values from outside, which must be copied to become its own.
            results = tuple(self.op("Identity", self._stored(value)) for value in branch())
            outputs = [
                helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.dtype), None)
                for value in results
            ]
            bodies.append(helper.make_graph(self._scopes.pop(), self._new_name("branch"), [], outputs))
        names = [self._new_name("If") for _ in results]
        node = helper.make_node(
            "If", [condition.name], names, name=names[0], then_branch=bodies[0], else_branch=bodies[1]
        )
        self._scopes[-1].append(node)
        return tuple(Value(self, name, value.dtype) for name, value in zip(names, results, strict=True))

    def call(self, network: onnx.ModelProto, argument: Value) -> Value:
        """Add the nodes of a network with one input and one output; all calls share its weights.

        Args:
            network: the network, whose names of weights must be unique in this graph.
            argument: the input.
        """
        (source,), (target,) = network.graph.input, network.graph.output
        prefix = self._new_name("network")
        names = {source.name: self._name_of(argument), "": ""}
        for weight in network.graph.initializer:
            self._weights[weight.name] = weight
            names[weight.name] = weight.name
        for node in network.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            names |= {output: f"{prefix}/{output}" for output in node.output if output}
            copy.name = f"{prefix}/{node.name}"
            copy.input[:] = [names[name] for name in node.input]
            copy.output[:] = [names[name] for name in node.output]
            del copy.metadata_props[:]  # the lines of Python that created the node
            self._scopes[-1].append(copy)
        kind = helper.tensor_dtype_to_np_dtype(target.type.tensor_type.elem_type)
        return Value(self, names[target.name], kind)

    def finish(self, outputs: Sequence[tuple[str, Value, Sequence[int | str]]]) -> onnx.ModelProto:
        """Return the model.

        Args:
            outputs: name, value and shape of each output.
        """
        described = []
        for name, value, shape in outputs:
            self._scopes[-1].append(helper.make_node("Identity", [self._name_of(value)], [name], name=name))
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            described.append(helper.make_tensor_value_info(name, kind, list(shape)))
        graph = helper.make_graph(
            self._scopes[-1], self._name, self._inputs, described, list(self._weights.values())
        )
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="freeloc",
        )

    def _new_name(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}"

    def _stored(self, value: Value) -> Value:
        """Return a value that has a name, so that it is not computed at once."""
        return Value(self, self._name_of(value), value.dtype)

    def _name_of(self, value: Value) -> str:
        """Return the name of a value; constants are stored now, equal ones only once."""
        if value.name or value.constant is None:
            return value.name
        key = (value.dtype.str, value.constant.shape, value.constant.tobytes())
        if key not in self._constants:
            name = self._new_name("constant")
            self._constants[key] = Value(self, name, value.dtype)
            self._weights[name] = numpy_helper.from_array(
                np.ascontiguousarray(value.constant).reshape(value.constant.shape), name
            )
        value.name = self._constants[key].name
        return value.name


def _compute(operation: str, inputs: Sequence[Value], attributes: dict[str, Any]) -> npt.NDArray[Any]:
    """Return the output of a node whose inputs are constants."""
    names = [f"input_{index}" for index in range(len(inputs))]
    node = helper.make_node(operation, names, ["output"], **attributes)
    evaluator = ReferenceEvaluator(node, opsets={"": OPSET})
    arrays = {name: value.constant for name, value in zip(names, inputs, strict=True)}
    outputs: Sequence[Any] = evaluator.run(None, arrays)  # type: ignore[assignment] # a dictionary only on request
    return np.asarray(outputs[0])
