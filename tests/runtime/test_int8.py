"""Int8 networks stored as bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import ModelError
from freeloc.runtime import QuantizedGraph, compile_quantized
from freeloc.runtime.graph_cache import graph_path
from freeloc.runtime.openvino_import import load_openvino
from tests.runtime.networks import Patches, smooth_image


def test_a_graph_runs_from_its_bytes(cache: Path) -> None:
    backbone = Patches()
    path = graph_path(f"{backbone.name}-{backbone.fingerprint[:16]}")
    graph = QuantizedGraph(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    network = compile_quantized(graph)
    assert (network.runtime, network.precision) == ("openvino", "int8")
    canvas = smooth_image(64, 96)
    np.testing.assert_allclose(network(canvas), backbone.by_hand(canvas), atol=0.1)


def test_a_graph_that_openvino_cannot_read() -> None:
    version = load_openvino().__version__
    with pytest.raises(
        ModelError, match=r"cannot read the model's int8 network: quantize the model again"
    ) as caught:
        compile_quantized(QuantizedGraph(b"<net/>", b""))
    assert version in str(caught.value)
    assert caught.value.parameter == "precision"


def test_the_digest_depends_on_both_parts() -> None:
    digests = {QuantizedGraph(*parts).digest() for parts in ((b"a", b"b"), (b"a", b"c"), (b"c", b"b"))}
    assert len(digests) == 3
