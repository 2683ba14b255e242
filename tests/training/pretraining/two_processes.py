"""Pretrain in a process started by torchrun: DATA, OUT, and the folder for the weights of each process."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from freeloc.training.pretraining import trainer
from freeloc.training.pretraining.pretrain import pretrain
from tests.training.pretraining.small_data import SETTINGS


def main() -> None:
    data, out, folder = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    create = trainer.PretrainingRun.create
    runs: list[tuple[int, trainer.PretrainingRun]] = []

    def remember(*arguments: object) -> trainer.PretrainingRun:
        run = create(*arguments)  # type: ignore[arg-type]
        runs.append((dist.get_rank(), run))
        return run

    trainer.PretrainingRun.create = remember  # type: ignore[method-assign, assignment]
    pretrain(data, out, SETTINGS, quiet=True)
    ((rank, run),) = runs
    save_file(run.network.weight_file(), folder / f"rank-{rank}.safetensors")


if __name__ == "__main__":
    main()
