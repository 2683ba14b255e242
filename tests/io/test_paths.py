from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.io.paths import existing_name, is_broken_link, is_file


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "nothing"])
def test_names_that_the_system_does_not_allow_are_not_files(name: str, tmp_path: Path) -> None:
    assert not is_file(tmp_path / name)
    assert not is_broken_link(tmp_path / name)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert not is_file(tmp_path)
    (tmp_path / "a.jpg").touch()
    assert is_file(tmp_path / "a.jpg")


def test_broken_links(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "gone.jpg")
    assert is_broken_link(link)
    (tmp_path / "gone.jpg").touch()
    assert not is_broken_link(link)


def test_a_backslash_becomes_a_slash_only_if_that_names_a_file(tmp_path: Path) -> None:
    name = "dog\\1.jpg"
    assert existing_name(tmp_path, name) == name
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.jpg").touch()
    assert existing_name(tmp_path, name) == "dog/1.jpg"
    (tmp_path / name).touch()
    assert existing_name(tmp_path, name) == name
