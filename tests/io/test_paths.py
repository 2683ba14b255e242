from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.io.paths import existing_name, is_broken_link, is_file, why_not_a_file
from tests.io.special_files import KINDS, needs_posix, special_file


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


@pytest.mark.parametrize(
    "listed", ["caf\xe9/\xfc.jpg", "cafe\u0301/u\u0308.jpg", "\ufeffcaf\xe9\\u\u0308.jpg"]
)
@pytest.mark.parametrize("on_disk", ["caf\xe9/\xfc.jpg", "cafe\u0301/u\u0308.jpg", "cafe\u0301/\xfc.jpg"])
def test_a_name_is_found_in_either_unicode_form(tmp_path: Path, listed: str, on_disk: str) -> None:
    path = tmp_path / on_disk
    path.parent.mkdir()
    path.touch()
    assert (tmp_path / existing_name(tmp_path, listed)).samefile(path)
    absolute = str(tmp_path / listed.removeprefix("\ufeff"))
    assert Path(existing_name(tmp_path / "elsewhere", absolute)).samefile(path)
    assert existing_name(tmp_path, "\xe9.jpg") == "\xe9.jpg"


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    names = {"\xe9.jpg", "e\u0301.jpg"}
    for name in names:
        (tmp_path / name).touch()
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system keeps only one Unicode form")
    assert {existing_name(tmp_path, name) for name in names} == names


def test_why_a_path_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone")
    assert why_not_a_file(tmp_path / "a.jpg") is None
    assert why_not_a_file(tmp_path / "gone") == "is missing"
    assert why_not_a_file(tmp_path / ("x" * 5000)) == "is missing"
    assert why_not_a_file(tmp_path) == "is a folder"
    assert why_not_a_file(tmp_path / "link.jpg") == "is a link to a file that does not exist"


@needs_posix
@pytest.mark.parametrize("kind", KINDS)
def test_special_files_are_not_files(tmp_path: Path, kind: str) -> None:
    with special_file(tmp_path / "x", kind) as path:
        assert why_not_a_file(path) == f"is {KINDS[kind]}, not a file"
