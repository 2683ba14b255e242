"""Only regular files are opened, and nothing blocks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freeloc.io import regular_file
from freeloc.io.regular_file import (
    BrokenLinkError,
    SpecialFileError,
    broken_link,
    check_regular,
    open_regular,
    read_regular,
    special_kind,
)
from tests.io.special_files import KINDS, needs_posix, special_file


def test_regular_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\n")
    assert read_regular(path) == b"one\r\ntwo\n"
    with open_regular(path) as file:
        assert file.readline() == b"one\r\n"
        assert file.seekable()
    assert special_kind(path) is None
    check_regular(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_regular(link) == b"one\r\ntwo\n"


@needs_posix
@pytest.mark.parametrize("kind", KINDS)
def test_special_files_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    with special_file(tmp_path / "x", kind) as path:
        assert special_kind(path) == KINDS[kind]
        for use in (open_regular, read_regular, check_regular):
            with pytest.raises(SpecialFileError) as caught:
                use(path)
            assert str(caught.value) == caught.value.strerror == f"it is {KINDS[kind]}, not a file"


def test_folders_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(SpecialFileError, match="^it is a folder$"):
        open_regular(tmp_path)
    assert special_kind(tmp_path) is None
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "gone")
    for name in ("gone", "x" * 5000, "a\0b"):
        assert special_kind(tmp_path / name) is None


@needs_posix
def test_broken_links_are_named_with_their_target(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to("gone.jpg")
    assert special_kind(path) is None
    for use in (open_regular, read_regular, check_regular):
        with pytest.raises(BrokenLinkError, match=r"^it is a link to gone\.jpg, which does not exist$"):
            use(path)
    assert broken_link(path) == "it is a link to gone.jpg, which does not exist"
    (tmp_path / "gone.jpg").touch()
    assert read_regular(path) == b""
    for name in ("link", "gone.jpg", "missing", "x" * 5000, "a\0b"):
        assert broken_link(tmp_path / name) is None


@needs_posix
def test_a_pipe_that_replaces_a_checked_file_is_refused_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.touch()
    before = len(list(Path("/dev/fd").iterdir()))

    def replaced(checked: Path) -> None:
        checked.unlink()
        os.mkfifo(checked)

    monkeypatch.setattr(regular_file, "check_regular", replaced)
    with pytest.raises(SpecialFileError, match="it is a pipe"):
        open_regular(path)
    assert len(list(Path("/dev/fd").iterdir())) == before


@needs_posix
def test_open_pipes_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(SpecialFileError, match="it is a pipe"):
            open_regular(Path(f"/dev/fd/{reader}"))
    finally:
        os.close(reader)
        os.close(writer)
    monkeypatch.chdir(tmp_path)
    assert special_kind(Path("-")) == "a pipe (standard input)"
    with pytest.raises(SpecialFileError, match="standard input"):
        open_regular(Path("-"))
    Path("-").write_bytes(b"a file of this name")
    assert read_regular(Path("-")) == b"a file of this name"
