"""Where the cache lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.io.folders import cache_dir


@pytest.mark.parametrize(
    ("own", "shared", "wanted"),
    [
        ("/fast/disk", "/xdg", Path("/fast/disk")),
        ("/fast/disk", None, Path("/fast/disk")),
        (None, "/xdg", Path("/xdg/freeloc")),
        ("", "/xdg", Path("/xdg/freeloc")),
        (None, None, Path("/home/somebody/.cache/freeloc")),
        (None, "", Path("/home/somebody/.cache/freeloc")),
    ],
)
def test_order_of_places(
    monkeypatch: pytest.MonkeyPatch, own: str | None, shared: str | None, wanted: Path
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for name, value in (("FREELOC_CACHE", own), ("XDG_CACHE_HOME", shared)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert cache_dir() == wanted


def test_asking_makes_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    assert not cache_dir().exists()
