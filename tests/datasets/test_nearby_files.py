"""Files that are probably meant by the name of a missing one."""

from __future__ import annotations

from pathlib import Path

from freeloc.datasets.nearby_files import NearbyFiles


def test_the_only_file_with_another_suffix_or_in_a_subfolder(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg", "sub/c.jpg", "other/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    nearby = NearbyFiles()
    assert nearby.find(tmp_path / "A.png") == tmp_path / "a.jpg"
    assert nearby.find(tmp_path / "b.jpg") == tmp_path / "sub" / "b.jpg"
    assert nearby.find(tmp_path / "c.jpg") is None


def test_a_folder_that_the_system_does_not_allow_contains_nothing(tmp_path: Path) -> None:
    assert NearbyFiles().find(tmp_path / "a\0b" / "c.jpg") is None
    assert NearbyFiles().find(tmp_path / ("a" * 300) / "c.jpg") is None
