"""Device settings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from freeloc.training.device import autocast, deterministic, share_cores, to_device

CPU = torch.device("cpu")


@pytest.fixture
def _eight_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_eight_threads")
class TestSharingCores:
    @pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (64, 8)])
    def test_a_quarter_of_the_cores_but_no_more_than_before(self, cores: int, threads: int) -> None:
        with share_cores(cores):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 8

    def test_an_error_does_not_keep_them(self) -> None:
        with pytest.raises(RuntimeError, match="stop"), share_cores(4):
            raise RuntimeError("stop")
        assert torch.get_num_threads() == 8


class TestToDevice:
    def test_memory_that_may_be_written_is_shared(self) -> None:
        values = np.zeros((2, 3), np.float16)
        to_device(values, CPU)[0, 0] = 1
        assert values[0, 0] == 1

    def test_memory_that_may_not_is_copied(self, recwarn: pytest.WarningsRecorder) -> None:
        values = np.zeros((2, 3), np.float32)
        values.flags.writeable = False
        to_device(values, CPU)[0, 0] = 1
        assert values[0, 0] == 0
        assert not recwarn


@pytest.mark.parametrize(("enabled", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_taken_in_bfloat16_where_wanted(enabled: bool, kind: torch.dtype) -> None:
    layer = torch.nn.Linear(3, 2)
    with autocast(CPU, enabled=enabled):
        made = layer(torch.ones(1, 3))
    made.float().sum().backward()
    assert made.dtype == kind
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("before", [(False, True), (True, False)])
def test_repeatable_restores_what_was_set(before: tuple[bool, bool]) -> None:
    settings = torch.backends.cudnn
    own = settings.deterministic, settings.benchmark
    try:
        settings.deterministic, settings.benchmark = before
        with pytest.raises(RuntimeError, match="stop"), deterministic():
            assert (settings.deterministic, settings.benchmark) == (True, False)
            raise RuntimeError("stop")
        assert (settings.deterministic, settings.benchmark) == before
    finally:
        settings.deterministic, settings.benchmark = own
