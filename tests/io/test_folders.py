"""Locations of the cache and of the user's models."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from freeloc.errors import ConfigurationError
from freeloc.io.folders import cache_dir, expand_user, home_folder, model_search_path, user_models_dir


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("freeloc", "xdg", "expected"),
    [
        ("/fast/disk", "/xdg", Path("/fast/disk")),
        ("/fast/disk", None, Path("/fast/disk")),
        ("~/disk", None, Path("/home/somebody/disk")),
        ("~disk", None, Path("~disk")),
        (None, "/xdg", Path("/xdg/freeloc")),
        ("", "/xdg", Path("/xdg/freeloc")),
        (None, None, Path("/home/somebody/.cache/freeloc")),
        (None, "", Path("/home/somebody/.cache/freeloc")),
    ],
)
def test_cache_folder(
    monkeypatch: pytest.MonkeyPatch, freeloc: str | None, xdg: str | None, expected: Path
) -> None:
    set_variables(monkeypatch, FREELOC_CACHE=freeloc, XDG_CACHE_HOME=xdg)
    assert cache_dir() == expected


def test_the_cache_folder_is_not_created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    assert not cache_dir().exists()


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        ("/xdg", Path("/xdg/freeloc/models")),
        (None, Path("/home/somebody/.local/share/freeloc/models")),
        ("", Path("/home/somebody/.local/share/freeloc/models")),
    ],
)
def test_folder_of_the_users_models(monkeypatch: pytest.MonkeyPatch, xdg: str | None, expected: Path) -> None:
    set_variables(monkeypatch, XDG_DATA_HOME=xdg)
    assert user_models_dir() == expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, []),
        ("", []),
        (f"~/models{os.pathsep}/else", [Path("/home/somebody/models"), Path("/else")]),
        (f"/a{os.pathsep} {os.pathsep}/b{os.pathsep}", [Path("/a"), Path("/b")]),
        ("~nobody-of-this-name/models", [Path("~nobody-of-this-name/models")]),
    ],
)
def test_search_path_of_models(
    monkeypatch: pytest.MonkeyPatch, listed: str | None, expected: list[Path]
) -> None:
    set_variables(monkeypatch, XDG_DATA_HOME="/xdg", FREELOC_MODELS=listed)
    assert model_search_path() == (*expected, Path("/xdg/freeloc/models"))


def test_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(
        monkeypatch, HOME="", XDG_CACHE_HOME=None, XDG_DATA_HOME=None, FREELOC_CACHE=None, FREELOC_MODELS="/a"
    )
    with pytest.raises(ConfigurationError, match="set the environment variable FREELOC_CACHE") as caught:
        cache_dir()
    assert caught.value.parameter == "cache_folder"
    assert user_models_dir() is None
    assert model_search_path() == (Path("/a"),)
    set_variables(monkeypatch, HOME="", XDG_CACHE_HOME="/xdg", XDG_DATA_HOME="/data")
    assert cache_dir() == Path("/xdg/freeloc")
    assert user_models_dir() == Path("/data/freeloc/models")


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
    code = "import os, pwd; from freeloc.io.folders import *; os.setuid(54321); del os.environ['HOME']; "
    code += "print(home_folder(), expand_user('~/a.jpg'))"
    environment = {**os.environ, "HOME": "/somewhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("None ~/a.jpg\n", "")
