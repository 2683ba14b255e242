"""Sidecars of images: by the whole name or the name without its suffix, in either case and Unicode form."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from freeloc.datasets.sidecar_files import SidecarFinder


def found(folder: Path, image: str, *files: str) -> list[str]:
    for name in files:
        (folder / name).touch()
    return [sidecar.name for sidecar in SidecarFinder(".xmp").find(folder / image)]


def test_the_sidecar_with_the_whole_name_comes_first(tmp_path: Path) -> None:
    assert found(tmp_path, "a.jpg", "a.xmp", "a.jpg.xmp", "b.xmp", "a.png.xmp", "a.jpg") == [
        "a.jpg.xmp",
        "a.xmp",
    ]
    assert found(tmp_path, "a.png") == ["a.png.xmp", "a.xmp"]
    assert found(tmp_path, "c.jpg") == []


def test_suffixes_of_either_case_and_names_with_dots(tmp_path: Path) -> None:
    assert found(tmp_path, "a.JPG", "a.XMP", "a.JPG.Xmp") == ["a.JPG.Xmp", "a.XMP"]
    assert found(tmp_path, "b.1.jpg", "b.1.xmp", "b.xmp") == ["b.1.xmp"]
    assert found(tmp_path, "xmp", "xmp.xmp") == ["xmp.xmp"]


def test_names_in_the_other_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Dün") for form in ("NFC", "NFD"))
    assert found(tmp_path, f"{composed}.jpg", f"{decomposed}.xmp") == [f"{decomposed}.xmp"]


def test_hidden_files_are_no_sidecars_but_folders_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").mkdir()
    assert found(tmp_path, "a.jpg", "._a.xmp", ".xmp") == ["a.xmp"]
