from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from freeloc.io.paths import (
    existing_name,
    expand_user,
    home_folder,
    is_broken_link,
    is_file,
    why_not_a_file,
)
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


# --- home folders -----------------------------------------------------------------------------------------


def test_a_leading_tilde_and_slash_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert home_folder() == Path("/home/somebody")
    assert expand_user("~/a/b.jpg") == Path("/home/somebody/a/b.jpg")
    assert expand_user(Path("~/a")) == Path("/home/somebody/a")
    assert expand_user("~") == Path("/home/somebody")
    user = pwd.getpwuid(0)
    assert expand_user(f"~{user.pw_name}/a.jpg") == Path(user.pw_dir, "a.jpg")


@pytest.mark.parametrize(
    "name",
    [
        "~backup.jpg",
        "~root",
        "~nobody-of-this-name/a.jpg",
        "~a\0b/c",
        "a/~/b",
        "a~",
        "",
        "/~/a",
        "~~/a",
    ],
)
def test_other_tildes_are_part_of_the_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert expand_user(name) == Path(name)


def test_a_file_of_the_name_tilde_is_that_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~").mkdir()
    assert expand_user("~") == Path("~")


def test_an_empty_variable_is_not_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    assert home_folder() is None
    assert expand_user("~/a.jpg") == Path("~/a.jpg")


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can take a user id that does not exist"
)
def test_an_unknown_user_has_no_home_folder() -> None:
    code = "import os, pwd; from freeloc.io.paths import *; os.setuid(54321); del os.environ['HOME']; "
    code += "print(home_folder(), expand_user('~/a.jpg'))"
    environment = {**os.environ, "HOME": "/somewhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("None ~/a.jpg\n", "")
