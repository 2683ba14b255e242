"""Map files: their arrays and classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.writers import write_maps

CLASSES = ("cat", "собака", "a chair", "boat")


def localization(width: int = 90, height: int = 60, mode: LocationMode = "fused") -> Localization:
    rng = np.random.default_rng(3)
    grids = Pyramid((0.5, 1.0)).grids(Size(width, height), CellLayout(stride=32, offset=16.0))
    maps = [
        ScoreMap.of(rng.normal(0, 2, (4, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in grids
    ]
    found = localize(maps, CLASSES, mode=mode)
    return dataclasses.replace(found, scores=np.array([1.0, -1.0, 2.0, -2.0], np.float32))


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("mode", ["fused", "paper"])
def test_image_size_holds_the_present_classes(tmp_path: Path, mode: LocationMode) -> None:
    found = localization(mode=mode)
    write_maps(tmp_path / "new" / "out.npz", found)
    arrays = read(tmp_path / "new" / "out.npz")
    assert arrays["classes"].tolist() == ["a chair", "cat"]
    assert arrays["maps"].shape == (2, 60, 90)
    assert arrays["maps"].dtype == np.float16
    assert arrays["image_size"].tolist() == [90, 60]
    assert (str(arrays["mode"]), str(arrays["size"]), int(arrays["schema_version"])) == (
        mode,
        "image",
        1,
    )
    for index, name in enumerate(("a chair", "cat")):
        assert np.allclose(arrays["maps"][index], found.map(name), rtol=1e-3, atol=1e-4)
        assert arrays["probabilities"][index] == pytest.approx(found[name].probability)
        assert arrays["points"][index].tolist() == [found[name].x, found[name].y]
    assert arrays["x"].tolist() == [column + 0.5 for column in range(90)]
    assert arrays["y"].tolist() == [row + 0.5 for row in range(60)]
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["out.npz"]


def test_lattice_size_holds_all_classes_where_they_lie(tmp_path: Path) -> None:
    found = localization(400, 260)
    write_maps(tmp_path / "out.maps", found, size="lattice")
    arrays = read(tmp_path / "out.maps")
    assert arrays["classes"].tolist() == list(CLASSES)
    assert np.allclose(arrays["maps"], found.maps, rtol=1e-3, atol=1e-4)
    # The point of a class is the raster position with the highest value of its map.
    for index in range(4):
        col = int(np.abs(arrays["x"] - found.points[index, 0]).argmin())
        row = int(np.abs(arrays["y"] - found.points[index, 1]).argmin())
        assert (arrays["x"][col], arrays["y"][row]) == pytest.approx(tuple(found.points[index]))
        assert found.maps[index, row, col] == found.maps[index].max()


def test_classes_may_be_chosen(tmp_path: Path) -> None:
    for size in ("image", "lattice"):
        write_maps(tmp_path / "out.npz", localization(), size=size, classes=["boat", "cat"])
        assert read(tmp_path / "out.npz")["classes"].tolist() == ["boat", "cat"]
    write_maps(tmp_path / "out.npz", localization(), threshold=0.8)
    assert read(tmp_path / "out.npz")["classes"].tolist() == ["a chair"]
    with pytest.raises(FreelocError, match="the model does not have the class 'unicorn'"):
        write_maps(tmp_path / "other.npz", localization(), classes=["unicorn"])
    assert not (tmp_path / "other.npz").exists()


def test_no_present_class_gives_a_file_with_no_map(tmp_path: Path) -> None:
    write_maps(tmp_path / "out.npz", localization(), threshold=0.99)
    arrays = read(tmp_path / "out.npz")
    assert arrays["maps"].shape == (0, 60, 90)
    assert arrays["points"].shape == (0, 2)
    assert arrays["classes"].shape == (0,)


def test_large_raw_scores_stay_finite(tmp_path: Path) -> None:
    found = localization(mode="paper")
    found = dataclasses.replace(found, maps=found.maps * np.float32(1e6))
    write_maps(tmp_path / "out.npz", found, size="lattice")
    assert np.isfinite(read(tmp_path / "out.npz")["maps"]).all()


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_maps(tmp_path / name, localization())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out.npz").mkdir()
    with pytest.raises(FreelocError, match="cannot write"):
        write_maps(tmp_path / "out.npz", localization())
    assert [each.name for each in tmp_path.iterdir()] == ["out.npz"]
