"""Temporary files of killed processes are deleted, those of running processes are not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freeloc.io.atomic import atomic_path, write_text
from freeloc.io.temporary_files import delete_abandoned_files, temporary_name

WRITER = """
import sys
from pathlib import Path
from freeloc.io.atomic import atomic_path

with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
"""


def grow_old(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_of_a_killed_process_is_deleted_after_a_day(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "result")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        left = Path(writer.stdout.readline().strip())
        grow_old(left, days=100)
        delete_abandoned_files(tmp_path)
        assert names(tmp_path) == [left.name], "its process still runs"
        writer.kill()
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == []


def test_a_young_file_stays_even_if_its_process_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    name = temporary_name().replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    left = tmp_path / name
    left.write_text("half")
    grow_old(left, days=0.9)
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == [name]
    grow_old(left, days=1.1)
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "min_days"),
    [
        (".0123456789abcdef.part", 1),
        (".0123456789abcdef.xml", 1),
        (".0123456789abcdef.bin", 1),
        (".00000000-7-0123456789abcdef.part", 7),
        (".00000000-7-0123456789abcdef.part.xml", 7),
    ],
)
def test_files_of_earlier_versions_and_of_other_computers(tmp_path: Path, name: str, min_days: int) -> None:
    (tmp_path / name).write_text("half")
    grow_old(tmp_path / name, days=min_days - 0.1)
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == [name]
    grow_old(tmp_path / name, days=min_days + 0.1)
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["0123456789abcdef.part", ".film.part", ".0123456789abcdef.npy", ".0123456789ABCDEF.part", "a.xml"],
)
def test_files_with_other_names_are_never_deleted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    grow_old(tmp_path / name, days=1000)
    delete_abandoned_files(tmp_path)
    assert names(tmp_path) == [name]


def test_writing_to_a_folder_deletes_what_was_left_in_it(tmp_path: Path) -> None:
    left = tmp_path / ".0123456789abcdef.part"
    left.write_text("half")
    grow_old(left, days=30)
    write_text(tmp_path / "result", "whole")
    assert names(tmp_path) == ["result"]


def test_a_name_tells_its_process(tmp_path: Path) -> None:
    with atomic_path(tmp_path / ("x" * 255)) as temporary:
        assert f"-{os.getpid()}-" in temporary.name
        temporary.write_text("whole")
    assert temporary_name() != temporary_name()


def test_a_missing_folder_and_a_folder_with_such_a_name(tmp_path: Path) -> None:
    delete_abandoned_files(tmp_path / "absent")
    folder = tmp_path / ".0123456789abcdef.part"
    folder.mkdir()
    grow_old(folder, days=30)
    delete_abandoned_files(tmp_path)
    assert folder.is_dir()
