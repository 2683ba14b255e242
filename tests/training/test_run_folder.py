"""The run folder: its files, and the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeloc.errors import OutputError, TrainingError
from freeloc.training.run_folder import RunFolder
from freeloc.training.trainer import EpochRecord


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.5 / epoch, 0.01, 1.5)


def epochs(folder: RunFolder) -> list[int]:
    return [json.loads(line)["epoch"] for line in folder.log_file.read_text("utf-8").splitlines()]


def test_a_folder_without_a_run_is_unused(tmp_path: Path) -> None:
    RunFolder(tmp_path / "new").check_unused()
    (tmp_path / "notes.txt").write_text("other files may be there")
    RunFolder(tmp_path).check_unused()


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "checkpoint.safetensors", "manifest.json", "log.jsonl", "snapshots", "folds"],
)
def test_each_file_of_a_run_marks_the_folder_as_used(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(TrainingError, match=rf"already contains a run \({name}\)") as caught:
        RunFolder(tmp_path).check_unused()
    assert caught.value.parameter == "resume"


def test_the_log_has_one_line_per_epoch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open_log(0)
    for epoch in (1, 2):
        folder.log(record(epoch))
    assert epochs(folder) == [1, 2]
    assert json.loads(folder.log_file.read_text().splitlines()[1]) == {
        "epoch": 2,
        "loss": 0.25,
        "learning_rate": 0.01,
        "seconds": 1.5,
    }


def test_lines_of_epochs_that_are_trained_again_are_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.open_log(0)
    for epoch in (1, 2, 3):
        folder.log(record(epoch))
    resumed = RunFolder(tmp_path)
    resumed.open_log(1)
    assert epochs(resumed) == [1, 2, 3]
    resumed.log(record(2))
    assert epochs(resumed) == [1, 2]


def test_a_log_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(TrainingError, match=r"log\.jsonl cannot be read .*: choose another folder"):
        RunFolder(tmp_path).open_log(1)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        RunFolder(tmp_path / "run").open_log(0)
