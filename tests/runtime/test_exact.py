"""Float32 is float32 while it is asked for, and what the user had set comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.runtime import Precision
from freeloc.runtime.exact import exact_float32
from freeloc.runtime.on_torch import TorchNetwork


def rounded() -> bool:
    """Whether torch lets convolutions on a GPU round their factors."""
    convolutions = getattr(torch.backends.cudnn, "conv", None)
    if convolutions is None:
        return bool(torch.backends.cudnn.allow_tf32)
    return str(convolutions.fp32_precision) == "tf32"


@pytest.fixture(autouse=True, params=[True, False], ids=["torch's default", "switched off"])
def chosen(request: pytest.FixtureRequest) -> Iterator[bool]:
    """What the user has chosen, by the words that every torch knows."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = request.param
    yield request.param
    torch.backends.cudnn.allow_tf32 = before


def test_it_is_off_inside_and_as_before_after(chosen: bool) -> None:
    assert rounded() == chosen
    with exact_float32():
        assert not rounded()
        with exact_float32():
            assert not rounded()
        assert not rounded()
    assert rounded() == chosen
    assert torch.backends.cudnn.allow_tf32 == chosen, "the older setting can be read again"


def test_an_error_does_not_keep_it(chosen: bool) -> None:
    with pytest.raises(RuntimeError, match="stop"), exact_float32():
        raise RuntimeError("stop")
    assert rounded() == chosen


def test_where_it_is_not_wanted_nothing_changes(chosen: bool) -> None:
    with exact_float32(enabled=False):
        assert rounded() == chosen


def test_the_last_thread_to_leave_restores(chosen: bool) -> None:
    """The first in is the first out: while the second is inside, the setting must stay."""
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with exact_float32():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with exact_float32():
        leave.set()
        thread.join(10)
        assert not rounded()
    assert rounded() == chosen


class Asking(nn.Module):
    """Notes how convolutions would compute while a network runs."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bool] = []

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        self.told.append(rounded())
        return canvas.float()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_in_float32_computes_in_it(chosen: bool, precision: Precision) -> None:
    trunk = Asking()
    network = TorchNetwork(trunk, None, precision, torch.device("cpu"), 2)
    canvas = np.zeros((32, 32, 3), np.uint8)
    network(canvas)
    network.run_many([canvas, canvas])
    assert trunk.told == [chosen and precision != "float32"] * 2
    assert rounded() == chosen
