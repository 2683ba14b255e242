"""Files that grow, and that a later process continues."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freeloc.errors import OutputError
from freeloc.io.appended_file import AppendedFile


def test_each_piece_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "list"
    file = AppendedFile(path)
    assert path.read_bytes() == b""
    file.append(b"one\n")
    assert path.read_bytes() == b"one\n"
    file.append(b"two\n")
    assert (path.read_bytes(), file.length) == (b"one\ntwo\n", 8)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="is closed"):
        file.append(b"three\n")


def test_a_new_file_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("other\n")
    AppendedFile(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("after", [b"", b"tw", b"two\n", b"two\nthr"])
def test_what_follows_the_last_complete_piece_is_cut_off(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"one\n" + after)
    file = AppendedFile(path, keep=4)
    assert path.read_bytes() == b"one\n"
    file.append(b"2\n")
    file.close()
    assert path.read_bytes() == b"one\n2\n"


@pytest.mark.parametrize("content", [None, b"", b"one", b"one,two\n"])
def test_another_file_than_the_one_to_continue_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OutputError, match=r"cannot write .*list: (it is not as|No such file)"):
        AppendedFile(path, keep=4)
    assert not path.exists() if content is None else path.read_bytes() == content


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        AppendedFile(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    file = AppendedFile(tmp_path / "list")
    assert file._descriptor is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._descriptor)
    os.close(full)
    with pytest.raises(OutputError, match=r"cannot write .*list: No space left"):
        file.append(b"one\n")
    assert file.length == 0
