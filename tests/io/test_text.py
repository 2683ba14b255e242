from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.errors import DatasetError, MissingDatasetError
from freeloc.io.text import open_file, read_bytes, read_text


def test_a_file_is_read_whole_or_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    assert read_text(file) == "one\r\ntwo"
    with open_file(file) as content:
        assert content.read(6) + content.read() == read_bytes(file)
    assert content.closed


@pytest.mark.parametrize("name", ["gone", "folder", "a\0b"])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    kind = MissingDatasetError if name == "gone" else DatasetError
    with (
        pytest.raises(kind, match="cannot read .*; check the path and its permissions"),
        open_file(tmp_path / name),
    ):
        pass


def test_errors_of_the_caller_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("x")
    with pytest.raises(ValueError, match="mine"), open_file(file):
        raise ValueError("mine")
