"""Locks: one process writes to an output at a time, and a process that has ended holds no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freeloc.errors import OutputError
from freeloc.io.lock import check_free_file, check_free_folder, lock_file, lock_folder

_SIGNED = r"another freeloc process is writing to it \(process {}, since \d{{4}}-\d\d-\d\d \d\d:\d\d\)"
"""How a message names a process."""

HOLD = """
import sys
from pathlib import Path
from freeloc.io.lock import lock_file, lock_folder
with {function}(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(path: Path, function: str = "lock_folder") -> subprocess.Popen[str]:
    """Start another process that holds a lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(function=function), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("function", ["lock_file", "lock_folder"])
def test_another_process_is_refused_until_the_first_has_ended(tmp_path: Path, function: str) -> None:
    path = tmp_path / "new" / "out"
    first = hold(path, function)
    lock = lock_file if function == "lock_file" else lock_folder
    with (
        pytest.raises(OutputError, match=f"{_SIGNED.format(first.pid)}; wait") as caught,
        lock(path),
    ):
        pass
    assert caught.value.path == path
    end(first)
    with lock(path):
        pass
    assert list(tmp_path.iterdir()) == []  # neither lock files nor empty folders are left


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    first = hold(tmp_path)
    os.kill(first.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    first.communicate()
    assert len(list(tmp_path.iterdir())) == 1  # the lock file of the killed process means nothing
    with lock_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_holds_within_one_process_too(tmp_path: Path) -> None:
    with lock_file(tmp_path / "a"):
        with lock_file(tmp_path / "b"), lock_folder(tmp_path):
            pass
        with pytest.raises(OutputError, match="another freeloc process"), lock_file(tmp_path / "a"):
            pass
    with lock_file(tmp_path / "a"):
        pass


def test_a_folder_is_checked_without_leaving_anything(tmp_path: Path) -> None:
    check_free_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path), pytest.raises(OutputError, match=_SIGNED.format(os.getpid())):
        check_free_folder(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is not a folder"):
        check_free_folder(tmp_path / "file")


def test_a_file_is_checked_without_leaving_anything(tmp_path: Path) -> None:
    check_free_file(tmp_path / "new" / "file")
    assert list(tmp_path.iterdir()) == []
    with lock_file(tmp_path / "file"), pytest.raises(OutputError, match=_SIGNED.format(os.getpid())):
        check_free_file(tmp_path / "file")


def test_it_ends_with_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), lock_folder(tmp_path / "out"):
            (tmp_path / "out" / "file").write_text("kept")
            raise KeyError
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["file"]


def test_two_names_of_one_output_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model").write_text("model")
    (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
    (tmp_path / "model").symlink_to(tmp_path / "folder" / "model")
    with lock_folder(tmp_path / "folder"), lock_file(tmp_path / "folder" / "model"):
        with pytest.raises(OutputError, match="another freeloc process"), lock_folder(tmp_path / "link"):
            pass
        for name in (
            tmp_path / "model",
            tmp_path / "link" / "model",
            tmp_path / "link" / ".." / "folder" / "model",
        ):
            with pytest.raises(OutputError, match="another freeloc process"), lock_file(name):
                pass


def test_a_name_of_the_maximum_length(tmp_path: Path) -> None:
    with lock_file(tmp_path / ("x" * 255)):
        pass


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run", tmp_path):
        with pytest.raises(OutputError, match="cannot write"), lock_file(path):
            pass
    for path in (tmp_path / "file", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="cannot write"), lock_folder(path):
            pass


def test_many_processes_in_turn(tmp_path: Path) -> None:
    """Every process either enters alone or is refused; the folder is created and removed by all of them."""
    code = """
import sys
from pathlib import Path
from freeloc.errors import OutputError
from freeloc.io.lock import lock_folder
out = Path(sys.argv[1])
for _ in range(200):
    try:
        with lock_folder(out / "new"):
            (out / "inside").mkdir()  # fails if another process is inside
            (out / "inside").rmdir()
    except OutputError as error:
        assert "another freeloc process" in str(error), error
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
