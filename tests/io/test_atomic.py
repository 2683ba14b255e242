"""Atomic file writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freeloc.errors import MissingImageError, OutputError
from freeloc.io.atomic import atomic_path, check_output_folder, check_writable, write_bytes, write_text
from freeloc.io.terminal import standard_output


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWriting:
    def test_folders_are_created_and_nothing_else_remains(self, tmp_path: Path) -> None:
        write_bytes(tmp_path / "a" / "b" / "file.bin", b"\x00\xff")
        assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"\x00\xff"
        assert names(tmp_path / "a" / "b") == ["file.bin"]

    def test_text_is_utf8_with_its_own_line_ends(self, tmp_path: Path) -> None:
        write_text(tmp_path / "file.txt", "Köln\n東京\r\n")
        assert (tmp_path / "file.txt").read_bytes() == "Köln\n東京\r\n".encode()

    def test_a_file_is_replaced_whatever_its_length(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        write_bytes(path, b"long" * 1000)
        write_bytes(path, b"")
        assert path.read_bytes() == b""

    def test_a_path_relative_to_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_text(Path("file"), "x")
        assert (tmp_path / "file").read_text() == "x"

    def test_permissions_are_those_of_any_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_bytes(b"x")
        write_bytes(tmp_path / "file", b"x")
        assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


class TestInterruption:
    @pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, GeneratorExit])
    def test_the_old_file_stays(self, tmp_path: Path, interruption: type[BaseException]) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        with pytest.raises(interruption), atomic_path(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise interruption
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file"]

    def test_no_file_appears(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), atomic_path(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise RuntimeError
        assert names(tmp_path) == []

    def test_the_new_file_appears_only_at_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert not path.exists()
            assert temporary.parent == path.parent
            # A listing of files with the suffix of `path` does not contain it.
            assert temporary.suffix == ".part"
            assert temporary.name.startswith(".")
        assert path.read_text() == "new"

    def test_a_temporary_file_left_by_a_crash_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / ".file.0badcafe.part").write_text("half")
        write_text(tmp_path / "file", "whole")
        assert (tmp_path / "file").read_text() == "whole"


class TestErrors:
    def test_the_parent_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("x")
        with pytest.raises(OutputError, match=r"cannot write .*taken/file: .*; choose another output path"):
            write_text(tmp_path / "taken" / "file", "y")
        with pytest.raises(OutputError, match="cannot write"):
            write_text(tmp_path / "taken" / "deeper" / "file", "y")
        assert (tmp_path / "taken").read_text() == "x"

    @pytest.mark.parametrize("place", ["folder", ".", "/", ".."])
    def test_the_path_is_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "kept").touch()
        with pytest.raises(OutputError, match="cannot write"):
            write_text(Path(place), "x")
        assert names(tmp_path) == ["folder"]

    def test_a_name_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="name too long"):
            write_text(tmp_path / ("x" * 300), "y")

    @pytest.mark.parametrize("place", ["/dev/null", "pipe"])
    def test_a_device_or_a_pipe_stays_what_it_is(self, tmp_path: Path, place: str) -> None:
        path = tmp_path / place
        if place == "pipe":
            os.mkfifo(path)
        before = path.stat()
        refusal = "it is a device or a pipe; choose another output path"
        with pytest.raises(OutputError, match=refusal):
            write_text(path, "x")
        with pytest.raises(OutputError, match=refusal):
            check_writable(path)
        assert (path.stat().st_mode, path.stat().st_ino) == (before.st_mode, before.st_ino)

    def test_a_path_can_be_checked_before_writing(self, tmp_path: Path) -> None:
        check_writable(tmp_path / "new" / "file")
        assert names(tmp_path) == []
        (tmp_path / "file").touch()
        check_writable(tmp_path / "file")
        with pytest.raises(OutputError, match="it is a folder"):
            check_writable(tmp_path)
        with pytest.raises(OutputError, match="Not a directory"):
            check_writable(tmp_path / "file" / "deeper")

    @pytest.mark.parametrize("check", [check_writable, check_output_folder])
    def test_a_place_that_cannot_be_written_to_is_refused_before(
        self, tmp_path: Path, check: Callable[[Path], None]
    ) -> None:
        read_only = tmp_path / "read only"
        read_only.mkdir()
        (read_only / "file").touch()
        if os.geteuid() == 0:  # permissions do not apply to this user
            if not Path("/proc/self").exists():
                pytest.skip("this system has no /proc")
            read_only = Path("/proc/self")
        else:
            read_only.chmod(0o555)
        for path in (read_only / "out", read_only / "new" / "out"):
            with pytest.raises(OutputError, match=f"cannot write {path}: .*; choose another output path"):
                check(path)
        (tmp_path / "read only").chmod(0o755)

    def test_nothing_remains_of_a_check(self, tmp_path: Path) -> None:
        check_output_folder(tmp_path)
        check_output_folder(tmp_path / "new" / "folder")
        check_writable(tmp_path / "new" / "file")
        assert names(tmp_path) == []

    def test_nothing_was_written_to_the_temporary_name(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        with pytest.raises(OutputError, match="cannot write"), atomic_path(path):
            pass
        assert path.read_text() == "old"

    def test_a_full_disk(self, tmp_path: Path) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        path = tmp_path / "file"
        path.write_text("old")
        with pytest.raises(OutputError, match="No space left"), atomic_path(path) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"new")
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file"]


def test_a_missing_file_that_the_block_reads_is_not_the_output(tmp_path: Path) -> None:
    with pytest.raises(MissingImageError, match="gone"), atomic_path(tmp_path / "out.txt"):
        raise MissingImageError("cannot read image gone.jpg: the file does not exist")
    with pytest.raises(MissingImageError, match="gone"), standard_output():
        raise MissingImageError("cannot read image gone.jpg: the file does not exist")
    assert names(tmp_path) == []


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "file"
    target.write_text("old")
    (tmp_path / "link").symlink_to(target)
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["link", "there"]


def test_concurrent_writers_leave_one_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = [letter * 50_000 for letter in "abcdefgh"]
    write_text(path, texts[0])
    finished = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not finished.is_set():
            seen.append(path.read_text())

    def write(text: str) -> None:
        for _ in range(5):
            write_text(path, text)

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, texts))
    finished.set()
    reader.join()
    assert path.read_text() in texts
    assert set(seen) <= set(texts)
    assert names(tmp_path) == ["file"]
