"""Train the network on random crops."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc._typing import Uint8Array
from freeloc.datasets.dataset import Dataset
from freeloc.errors import TrainingError
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track
from freeloc.runtime.hardware import usable_cores
from freeloc.training.pretraining.checkpoint import EpochResult
from freeloc.training.pretraining.crops import random_crop
from freeloc.training.pretraining.network import PretrainingNetwork
from freeloc.training.pretraining.processes import Processes
from freeloc.training.pretraining.settings import PretrainingSettings

__all__ = ["PretrainingRun", "learning_rate"]


Indices: TypeAlias = npt.NDArray[np.int64]


class _Purpose(IntEnum):
    ORDER = 0
    CROP = 1
    DROPOUT = 2


def learning_rate(step: int, steps: int, settings: PretrainingSettings) -> float:
    """Return the learning rate of one step, counted from 0."""
    if settings.schedule == "step":
        return settings.learning_rate * 0.1 ** (3 * step // steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))


@dataclass(frozen=True, eq=False)
class PretrainingRun:
    """Everything that an epoch needs.

    All random numbers depend only on the seed, the epoch, and the step or the image. Each process computes
    its part of every batch, so the number of processes changes the weights only by rounding.

    Attributes:
        dataset: images with exactly one class each.
        targets: (N,) index of each image's class.
        settings: the settings.
        processes: the processes.
        network: the network, on the device of this process.
        wrapped: the network whose gradients are the means over all processes.
        optimizer: the optimizer of the network.
    """

    dataset: Dataset
    targets: Tensor
    settings: PretrainingSettings
    processes: Processes
    network: PretrainingNetwork
    wrapped: nn.Module
    optimizer: torch.optim.SGD

    @classmethod
    def create(
        cls, dataset: Dataset, targets: Tensor, settings: PretrainingSettings, processes: Processes
    ) -> PretrainingRun:
        """Create the network and its optimizer."""
        network = PretrainingNetwork(settings, len(dataset.classes)).to(processes.device)
        named = dict(network.named_parameters())
        groups = [
            {
                "params": [value for name, value in named.items() if name.endswith(kind)],
                "weight_decay": settings.weight_decay if kind == "weight" else 0.0,
            }
            for kind in ("weight", "bias")
        ]
        optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
        wrapped = processes.wrap(network)
        return cls(dataset, targets, settings, processes, network, wrapped, optimizer)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps; images that do not fill a batch are left out of an epoch."""
        return max(1, len(self.dataset) // self.settings.batch_size)

    def train_epoch(self, epoch: int, *, quiet: bool) -> EpochResult:
        """Train for one epoch.

        Args:
            epoch: number of finished epochs.
            quiet: whether to hide progress.

        Raises:
            TrainingError: the loss or a weight is no longer finite.
            ImageError: an image cannot be read.
        """
        started = time.monotonic()
        settings, count = self.settings, self.steps_per_epoch
        order = self._random(_Purpose.ORDER, epoch).permutation(len(self.dataset))
        size = min(settings.batch_size, len(self.dataset))
        batches = [order[step * size : (step + 1) * size] for step in range(count)]
        totals = torch.zeros(2, dtype=torch.float64, device=self.processes.device)
        title = f"epoch {epoch + 1} of {settings.epochs}"
        rate = settings.learning_rate
        with closing(self._crops(batches, epoch)) as crops:
            for step, canvases in enumerate(track(crops, title, count, quiet=quiet, summary=False)):
                number = epoch * count + step
                rate = learning_rate(number, settings.epochs * count, settings)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                totals += self._step(batches[step], canvases, number)
        loss, correct = (float(value) / (count * size) for value in self.processes.add(totals))
        if not (math.isfinite(loss) and all(bool(p.isfinite().all()) for p in self.network.parameters())):
            raise TrainingError(
                f"training diverged in epoch {epoch + 1}: the loss or a weight is not finite; use a learning rate "
                f"below {settings.learning_rate:g}",
                parameter="learning_rate",
            )
        return EpochResult(epoch + 1, loss, correct, rate, time.monotonic() - started)

    def _step(self, batch: Indices, canvases: Uint8Array, number: int) -> Tensor:
        """Take one step; return the sum of the losses and the number of correct classes of this process."""
        processes = self.processes
        images = torch.from_numpy(canvases).to(processes.device)
        targets = self.targets[self._own(batch).copy()].to(processes.device)
        self.optimizer.zero_grad()
        scores = self.wrapped(images, self._dropout(len(batch), number))
        losses = functional.cross_entropy(scores, targets, reduction="sum")
        # Gradients are averaged over the processes, whose parts may differ in size by one image.
        (losses * processes.count / len(batch)).backward()
        self.optimizer.step()
        correct = (scores.argmax(dim=1) == targets).sum()
        return torch.stack((losses.detach().double(), correct.double()))

    def _own(self, batch: Indices) -> Indices:
        """Return the part of a batch that this process computes."""
        return batch[self.processes.rank :: self.processes.count]

    def _crops(self, batches: Sequence[Indices], epoch: int) -> Generator[Uint8Array, None, None]:
        """Yield the crops of this process, batch by batch; threads decode images ahead."""
        window = self.network.backbone.layout.window or 0
        parts = [self._own(batch) for batch in batches]

        def crop(index: int) -> Uint8Array:
            random = self._random(_Purpose.CROP, epoch, index)
            return random_crop(self.dataset[index].image, window, random)

        threads = max(1, usable_cores() // self.processes.count)
        with closing(prefetch(crop, (int(i) for part in parts for i in part), threads=threads)) as crops:
            for part in parts:
                yield np.stack([next(crops) for _ in part])

    def _dropout(self, images: int, number: int) -> tuple[Tensor, Tensor]:
        """Return the factors of this process's values of FC6 and FC7."""
        seed = self._random(_Purpose.DROPOUT, number).integers(2**63)
        generator = torch.Generator().manual_seed(int(seed))
        kept = 1 - self.settings.dropout
        shape = (2, images, self.settings.width)
        factors = (torch.rand(shape, generator=generator) < kept).float() / kept
        fc6, fc7 = factors[:, self.processes.rank :: self.processes.count].to(self.processes.device)
        return fc6, fc7

    def _random(self, purpose: _Purpose, *numbers: int) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, int(purpose), *numbers))
