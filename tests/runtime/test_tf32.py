"""Float32 is full float32 within the context, and the user's setting is restored."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from freeloc.runtime.tf32 import disable_tf32

GPU = torch.device("cuda")  # a name; the setting is there without one


def rounded() -> bool:
    """Return whether torch's convolutions on a GPU round their inputs."""
    convolutions = getattr(torch.backends.cudnn, "conv", None)
    if convolutions is None:
        return bool(torch.backends.cudnn.allow_tf32)
    return str(convolutions.fp32_precision) == "tf32"


@pytest.fixture(autouse=True, params=[True, False], ids=["torch's default", "switched off"])
def chosen(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Return the user's setting, in the form that every version of torch supports."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = request.param
    yield request.param
    torch.backends.cudnn.allow_tf32 = before


def test_it_is_off_inside_and_as_before_after(chosen: bool) -> None:
    assert rounded() == chosen
    with disable_tf32(GPU):
        assert not rounded()
        with disable_tf32(GPU):
            assert not rounded()
        assert not rounded()
    assert rounded() == chosen
    assert torch.backends.cudnn.allow_tf32 == chosen, "the older setting can be read again"


def test_an_error_does_not_keep_it(chosen: bool) -> None:
    with pytest.raises(RuntimeError, match="stop"), disable_tf32(GPU):
        raise RuntimeError("stop")
    assert rounded() == chosen


def test_where_it_is_not_wanted_nothing_changes(chosen: bool) -> None:
    with disable_tf32(GPU, enabled=False):
        assert rounded() == chosen


def test_the_last_thread_to_leave_restores(chosen: bool) -> None:
    """The first to enter is the first to leave; the setting must remain while the second is inside."""
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with disable_tf32(GPU):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with disable_tf32(GPU):
        leave.set()
        thread.join(10)
        assert not rounded()
    assert rounded() == chosen


def test_a_processor_needs_none_of_it(chosen: bool) -> None:
    with disable_tf32(torch.device("cpu")):
        assert rounded() == chosen
