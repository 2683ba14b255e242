"""Features at drawn scales: computed once, and the same whether they were stored before or not."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from freeloc.errors import OutputError
from freeloc.features.cache import FeatureCache
from freeloc.features.sources import LiveFeatures
from freeloc.features.stored import StoredFeatures
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.image_info import read_image_info
from tests.features.world import World

SCALE = 0.4321


def stored(world: World, folder: Path) -> StoredFeatures:
    infos = read_image_info(world.paths)
    live = LiveFeatures(world.paths, world.backbone, world.network, Pyramid(), infos)
    cache = FeatureCache.open(world.backbone, world.network, Pyramid(), folder)
    return StoredFeatures(cache, live, tuple(info.content_hash for info in infos))


def test_a_map_is_computed_once_and_keeps_its_values(world: World, tmp_path: Path) -> None:
    source = stored(world, tmp_path)
    assert (len(source), source.scales) == (len(world.paths), None)
    first = source.get_many((2, 0, 2), SCALE)
    computed = world.network.calls
    again = stored(world, tmp_path)
    for found, wanted in zip(again.get_many((2, 0, 2), SCALE), first, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert world.network.calls == computed, "nothing is computed a second time"
    np.testing.assert_array_equal(again.subset((0, 2)).get(1, SCALE), first[0])
    assert world.network.calls == computed
    live = source.live.get(2, SCALE)
    np.testing.assert_allclose(first[0].astype(float), live.astype(float), rtol=2e-3, atol=1e-4)
    np.testing.assert_array_equal(source.get_many((1, 0), SCALE)[1], first[1])
    assert world.network.calls == computed + 2, "the live map above, and only the missing one of two"


def test_a_damaged_map_is_computed_again(world: World, tmp_path: Path) -> None:
    source = stored(world, tmp_path)
    wanted = np.array(source.get(3, SCALE))
    path = source.cache.entry_path(source.content_hashes[3], SCALE)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    np.testing.assert_array_equal(stored(world, tmp_path).get(3, SCALE), wanted)
    np.testing.assert_array_equal(source.cache.load(source.content_hashes[3], SCALE), wanted)


def test_the_space_for_all_epochs_is_checked_first(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = stored(world, tmp_path)
    sizes = []
    for scale in np.linspace(0.5, 1.0, 41):
        shapes = [source.live.shape(index, float(scale)) for index in range(len(source))]
        sizes.append(sum(2 * int(np.prod(shape)) for shape in shapes if shape))
    expected = 7 * float(np.mean(sizes))
    for free, fits in ((1.3 * expected, True), (0.7 * expected, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: SimpleNamespace(free=free))
        if fits:
            source.check_disk_space((0.5, 1.0), 7, quiet=False)
            assert "the features of 7 epochs will take" in capsys.readouterr().err
        else:
            with pytest.raises(OutputError, match="not enough disk space for the feature cache"):
                source.check_disk_space((0.5, 1.0), 7, quiet=True)
    source.get_many(range(len(source)), SCALE)
    stored(world, tmp_path).check_disk_space((0.5, 1.0), 1, quiet=True)  # all maps of an epoch are stored
