"""The processes that pretrain together, started by torchrun; otherwise, a single one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from freeloc.errors import ConfigurationError, FreelocError
from freeloc.runtime.hardware import cuda_usable

__all__ = ["Processes", "connect"]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """All processes, as seen by one of them.

    Attributes:
        device: the device on which this process computes.
        rank: number of this process, from 0.
        count: number of processes.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def first(self, action: Callable[[], Value]) -> Value:
        """Run an action in the first process alone, and return its result, or raise its error, in all of them.

        Raises:
            FreelocError: the action has raised it.
        """
        if self.count == 1:
            return action()
        outcome: list[Any] = [None, None]
        if self.is_first:
            try:
                outcome[0] = action()
            except FreelocError as error:
                outcome[1] = error.without_traceback()
        dist.broadcast_object_list(outcome, src=0)
        value, raised = outcome
        if raised is not None:
            raise raised
        result: Value = value
        return result

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are the means over all processes."""
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    def add(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values


@contextmanager
def connect() -> Iterator[Processes]:
    """Connect the processes that torchrun has started, until the end of the block.

    GPUs communicate with NCCL, one per process, and processors with Gloo. A process group that exists already
    is used.

    Raises:
        ConfigurationError: the processes cannot be connected.
    """
    is_cuda = cuda_usable()
    device = torch.device("cuda" if is_cuda else "cpu")
    starts = not dist.is_initialized() and dist.is_torchelastic_launched()
    if not starts and not dist.is_initialized():
        yield Processes(device)
        return
    if is_cuda:
        device = torch.device("cuda", dist.get_node_local_rank(0))
        torch.cuda.set_device(device)
    if starts:
        try:
            dist.init_process_group("nccl" if is_cuda else "gloo")
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(
                f"the processes that torchrun has started cannot be connected ({reason}): start them again"
            ) from error
    try:
        yield Processes(device, dist.get_rank(), dist.get_world_size())
    finally:
        if starts:
            dist.destroy_process_group()
