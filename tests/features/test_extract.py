"""Feature extraction: correct values, computed once, and robust to interruption, sharing and damage."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from freeloc._literals import Padding
from freeloc.errors import FreelocError, ImageError
from freeloc.features.cache import FeatureCache
from freeloc.features.compute import feature_canvases
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures, LiveFeatures
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import load_image
from freeloc.images.image_info import read_image_info
from freeloc.nn.backbones.base import FrozenStages
from freeloc.runtime import compile_network
from tests.features.world import SCALES, Counted, World, cells_of, patches

TWICE = Pyramid(SCALES, resize="paper")


class TestNumbers:
    @pytest.mark.parametrize("padding", get_args(Padding))
    def test_cells_are_the_backbones_values_row_by_row(self, world: World, padding: Padding) -> None:
        made = world.extract(padding=padding)
        assert (len(made), made.scales) == (6, SCALES)
        for index, path in enumerate(world.paths):
            image = load_image(path)
            for scale in SCALES:
                ((grid, canvas),) = feature_canvases(image, world.backbone, Pyramid((scale,), padding))
                values = world.backbone.by_hand(canvas)
                cells = cells_of(made, index, scale)
                assert cells.dtype == np.float16
                assert cells.shape == (grid.valid_rows * grid.valid_cols, 5)
                for i, j in np.ndindex(grid.valid_rows, grid.valid_cols):
                    np.testing.assert_allclose(
                        cells[i * grid.valid_cols + j].astype(float), values[:, i, j], atol=2e-3
                    )

    def test_padding_does_not_change_the_cells_that_look_at_the_image(self, world: World) -> None:
        tight, square = world.extract(padding="stride"), world.extract(padding="square")
        for index in range(6):
            # The last row and column also cover padding, which has the same color in both.
            np.testing.assert_array_equal(cells_of(tight, index, 0.5), cells_of(square, index, 0.5))

    def test_int8_is_another_cache_of_nearly_the_same(self, world: World) -> None:
        exact = world.extract()
        calls = world.network.calls
        small = world.extract(form="int8")
        assert world.network.calls == 2 * calls
        assert exact.cache.folder.parent == small.cache.folder.parent
        assert small.cache.folder.name == exact.cache.folder.name + "-int8"
        for index in range(6):
            for scale in SCALES:
                cells, wanted = cells_of(small, index, scale), cells_of(exact, index, scale)
                assert (cells.shape, cells.dtype) == (wanted.shape, np.dtype(np.float32))
                slack = np.abs(wanted.astype(float)).max(axis=0) * 0.51 / 127
                assert (np.abs(cells.astype(float) - wanted.astype(float)) <= slack).all()
        assert cells_of(world.extract(form="int8"), 1, 0.5).tobytes() == cells_of(small, 1, 0.5).tobytes()
        assert world.network.calls == 2 * calls

    def test_a_lower_parts_maps_are_kept_with_their_padding(self, world: World) -> None:
        part = FrozenStages(world.backbone, "x", world.backbone.body, world.backbone.channels, 1)
        network = compile_network(part, runtime="torch")
        kept = extract(
            world.paths, part, network, Pyramid((0.5,), "square"), cache_folder=world.root, quiet=True
        )
        live = LiveFeatures(world.paths, part, network, Pyramid((0.5,), "square"))
        for index, path in enumerate(world.paths):
            ((_grid, canvas),) = feature_canvases(path, part, Pyramid((0.5,), "square"))
            assert kept.get(index, 0.5).shape == (8, 8, 5)
            values = world.backbone.by_hand(canvas).transpose(1, 2, 0)
            np.testing.assert_allclose(kept.get(index, 0.5).astype(float), values, atol=2e-3)
            np.testing.assert_array_equal(live.get(index, 0.5), kept.get(index, 0.5))


class TestInBatches:
    """As on a GPU, canvases of equal shape run together, regardless of image and scale."""

    def test_features_are_those_of_one_by_one(self, world: World, batched: World) -> None:
        made = batched.extract()
        assert batched.network.calls == len(batched.paths) * len(SCALES)
        assert max(batched.network.together) > 2
        one_by_one = World(batched.paths, world.backbone, world.network, world.root).extract()
        for index in range(len(batched.paths)):
            for scale in SCALES:
                found, wanted = made.get(index, scale), one_by_one.get(index, scale)
                assert found.dtype == np.float16
                assert found.shape == wanted.shape
                # Adjacent values in half precision, because sums are computed in a different order.
                np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=2e-3, atol=1e-4)

    def test_a_second_time_the_network_rests(self, batched: World) -> None:
        batched.extract()
        calls = batched.network.calls
        batched.extract()
        assert batched.network.calls == calls
        for path in batched.entries()[::4]:
            path.unlink()
        batched.extract()
        assert batched.network.calls == calls + len(range(0, calls, 4))

    def test_a_bad_image_stops_it(self, batched: World, tmp_path: Path) -> None:
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"nothing")
        batched.paths.insert(5, bad)
        with pytest.raises(FreelocError, match=r"bad\.png"):
            batched.extract()
        batched.paths.remove(bad)
        made = batched.extract()
        assert len(batched.entries()) == len(made) * len(SCALES)


class TestMadeOnce:
    def test_a_second_time_the_network_rests(self, world: World) -> None:
        first = world.extract()
        assert world.network.calls == 6 * len(SCALES)
        times = [path.stat().st_mtime_ns for path in world.entries()]
        again = world.extract()
        assert world.network.calls == 6 * len(SCALES)
        assert [path.stat().st_mtime_ns for path in world.entries()] == times
        np.testing.assert_array_equal(cells_of(first, 2, 0.5), cells_of(again, 2, 0.5))

    def test_only_what_is_new_is_made(self, world: World) -> None:
        late = world.paths.pop()
        world.extract()
        world.paths.append(late)
        world.extract()
        assert world.network.calls == 6 * len(SCALES)
        world.extract((*SCALES, 0.7))
        assert world.network.calls == 6 * (len(SCALES) + 1)

    def test_content_counts_not_the_name(self, world: World, tmp_path: Path) -> None:
        twin = tmp_path / "twin.png"
        shutil.copy(world.paths[0], twin)
        world.paths.append(twin)
        made = world.extract()
        assert world.network.calls == 6 * len(SCALES)
        np.testing.assert_array_equal(cells_of(made, 6, 0.5), cells_of(made, 0, 0.5))
        shutil.copy(world.paths[1], twin)
        made = world.extract()
        np.testing.assert_array_equal(cells_of(made, 6, 0.5), cells_of(made, 1, 0.5))

    def test_an_entry_is_named_by_all_it_depends_on(self, world: World, tmp_path: Path) -> None:
        made = world.extract()
        entry = made.cache.entry_path(made.content_hashes[0], 0.5)
        assert hashlib.sha256(world.paths[0].read_bytes()).hexdigest().startswith(made.content_hashes[0])
        assert entry.is_file()
        assert made.content_hashes[0] in entry.name
        others = {
            FeatureCache.open(backbone, network, pyramid, tmp_path).folder
            for backbone in (patches(0), patches(1))
            for network in (
                compile_network(backbone, runtime="torch", precision="float32"),
                compile_network(backbone, runtime="torch", precision="bfloat16"),
            )
            for pyramid in (*(Pyramid((0.5,), padding) for padding in get_args(Padding)), TWICE)
        }
        assert len(others) == 16

    def test_folders_of_caches_that_already_exist_keep_their_names(self, world: World) -> None:
        folder = world.extract(padding="square").cache.folder
        mark = world.backbone.fingerprint[:16]
        assert folder.name == f"{world.backbone.name}-{mark}-torch-float32-square-v3"

    def test_default_place_is_the_users_cache(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FREELOC_CACHE", str(world.root))
        pyramid = Pyramid((0.3,))
        made = extract(world.paths[:1], world.backbone, world.network, pyramid, quiet=True)
        assert made.cache.folder.parent == world.root / "features"
        assert cells_of(made, 0, 0.3).size


class TestInterruption:
    def test_goes_on_where_it_stopped(self, world: World) -> None:
        world.network.stop_at = 5
        with pytest.raises(KeyboardInterrupt):
            world.extract()
        # The computed features were stored: the first five of twelve.
        assert len(world.entries()) == 5
        world.network.stop_at = None
        made = world.extract()
        assert world.network.calls == 12
        assert len(world.entries()) == 12
        reference = extract(
            *(world.paths, world.backbone, world.network, Pyramid(SCALES)),
            cache_folder=world.root.with_name("other"),
            quiet=True,
        )
        for index in range(6):
            np.testing.assert_array_equal(cells_of(made, index, 0.5), cells_of(reference, index, 0.5))

    def test_parts_may_be_deleted(self, world: World) -> None:
        made = world.extract()
        before = [cells_of(made, index, 0.3).copy() for index in range(6)]
        for path in world.entries()[::3]:
            path.unlink()
        made = world.extract()
        assert world.network.calls == 12 + 4
        for index, cells in enumerate(before):
            np.testing.assert_array_equal(cells_of(made, index, 0.3), cells)

    def test_a_half_written_file_is_not_taken_for_an_entry(self, world: World) -> None:
        made = world.extract()
        entry = made.cache.entry_path(made.content_hashes[0], 0.5)
        half = entry.with_name(f".{entry.name}.0badcafe.part")
        half.write_bytes(entry.read_bytes()[:100])
        entry.unlink()
        made = world.extract()
        assert world.network.calls == 12 + 1
        assert cells_of(made, 0, 0.5).shape[1] == 5

    def test_a_bad_image_stops_it_but_loses_nothing(self, world: World, tmp_path: Path) -> None:
        bad = tmp_path / "bad.png"
        bad.write_bytes(world.paths[5].read_bytes()[:2000])
        world.paths.append(bad)
        with pytest.raises(FreelocError, match="bad.png"):
            world.extract()
        world.paths.pop()
        world.extract()
        assert world.network.calls == 12


def damage(entry: Path, kind: str, other: Path) -> None:
    """Damage an entry in one of several ways; ``other`` is another entry."""
    data = entry.read_bytes()
    values = np.load(entry)
    if kind == "missing":
        entry.unlink()
    elif kind in ("transposed", "fewer rows"):
        np.save(entry, values.transpose(1, 0, 2).copy() if kind == "transposed" else values[:-1])
    else:
        flipped = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        content = {
            "empty": b"",
            "cut in the header": data[:50],
            "cut in the values": data[:-31],
            "noise": b"noise" * 100,
            "another entry": other.read_bytes(),
            "a flipped bit": flipped,
        }
        entry.write_bytes(content[kind])


KINDS = (
    *("missing", "empty", "cut in the header", "cut in the values", "noise", "another entry"),
    *("a flipped bit", "transposed", "fewer rows"),
)


class TestDamage:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_damaged_entry_is_made_anew_and_told_once(
        self, world: World, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        sound = [cells_of(world.extract(), index, 0.5).copy() for index in range(6)]
        made = world.extract()
        calls = world.network.calls
        entries = [made.cache.entry_path(content, 0.5) for content in made.content_hashes]
        for index in (1, 5):
            damage(entries[index], kind, entries[0])
        if kind != "missing":
            made = world.extract()  # knows nothing of the damage
            assert world.network.calls == calls
        for _ in range(2):
            for index, wanted in enumerate(sound):
                np.testing.assert_array_equal(cells_of(made, index, 0.5), wanted)
        assert world.network.calls == calls + 2
        (record,) = caplog.records
        assert str(entries[1]) in record.getMessage()
        # The entries in the cache are sound again.
        for index, wanted in enumerate(sound):
            np.testing.assert_array_equal(
                made.cache.load(made.content_hashes[index], 0.5).reshape(-1, 5), wanted
            )

    def test_an_entry_replaced_between_two_epochs(self, world: World) -> None:
        made = world.extract()
        wanted = cells_of(made, 2, 0.5).copy()
        entries = [made.cache.entry_path(content, 0.5) for content in made.content_hashes]
        shutil.copy(entries[3], entries[2])
        np.testing.assert_array_equal(cells_of(made, 2, 0.5), wanted)

    def test_a_valid_entry_of_another_shape(self, world: World) -> None:
        made = world.extract()
        wanted, values = cells_of(made, 5, 0.5).copy(), made.get(5, 0.5)
        made.cache.store(made.content_hashes[5], 0.5, values.transpose(1, 0, 2))
        np.testing.assert_array_equal(cells_of(made, 5, 0.5), wanted)
        made.cache.store(made.content_hashes[5], 0.5, values[:-1])
        np.testing.assert_array_equal(cells_of(world.extract(), 5, 0.5), wanted)

    def test_int8_entries_too(self, world: World) -> None:
        made = world.extract(form="int8")
        wanted = cells_of(made, 2, 0.5).copy()
        entry = made.cache.entry_path(made.content_hashes[2], 0.5)
        data = bytearray(entry.read_bytes())
        data[-30] ^= 1  # a factor of a channel
        entry.write_bytes(data)
        np.testing.assert_array_equal(cells_of(made, 2, 0.5), wanted)

    def test_a_subset_makes_its_entries_anew(self, world: World) -> None:
        made = world.extract()
        wanted = cells_of(made, 4, 0.5).copy()
        made.cache.entry_path(made.content_hashes[4], 0.5).write_bytes(b"")
        np.testing.assert_array_equal(cells_of(made.subset([3, 4]), 1, 0.5), wanted)

    def test_without_the_images_it_is_an_error(self, world: World) -> None:
        made = world.extract()
        made.cache.entry_path(made.content_hashes[4], 0.5).write_bytes(b"")
        alone = CachedFeatures(made.cache, made.content_hashes, made.scales)
        with pytest.raises(FreelocError, match="the cached features are missing or damaged; delete the file"):
            alone.get(4, 0.5)

    def test_a_pickle_is_not_run(self, world: World) -> None:
        made = world.extract()
        wanted = cells_of(made, 0, 0.3).copy()
        np.save(
            made.cache.entry_path(made.content_hashes[0], 0.3),
            np.array([{}], dtype=object),
            allow_pickle=True,
        )
        np.testing.assert_array_equal(cells_of(made, 0, 0.3), wanted)


class TestReplacedImages:
    @pytest.fixture
    def own(self, world: World, tmp_path: Path) -> World:
        paths = [Path(shutil.copy(path, tmp_path)) for path in world.paths]
        return world._replace(paths=paths)

    @pytest.mark.parametrize("batched", [False, True])
    def test_features_of_another_image_are_not_stored(self, own: World, batched: bool) -> None:
        if batched:
            network = compile_network(own.backbone, runtime="torch", batch=3)
            own = own._replace(network=Counted(network))
        infos = read_image_info(own.paths)
        shutil.copy(own.paths[0], own.paths[3])
        with pytest.raises(
            ImageError, match=r"3\.png: the file was replaced or modified after it had been"
        ) as caught:
            extract(
                *(own.paths, own.backbone, own.network, Pyramid(SCALES)),
                image_info=infos,
                cache_folder=own.root,
                quiet=True,
            )
        assert caught.value.path == own.paths[3]
        assert not [entry for entry in own.entries() if entry.name.startswith(infos[3].content_hash)]

    def test_an_entry_is_not_made_anew_from_another_image(self, own: World) -> None:
        made = own.extract()
        entry = made.cache.entry_path(made.content_hashes[3], 0.5)
        entry.unlink()
        shutil.copy(own.paths[0], own.paths[3])
        with pytest.raises(ImageError, match=r"3\.png: the file was replaced or modified"):
            made.get(3, 0.5)
        assert not entry.exists()

    def test_without_a_cache_it_is_noticed_as_well(self, own: World) -> None:
        infos = read_image_info(own.paths)
        live = LiveFeatures(own.paths, own.backbone, own.network, Pyramid(), infos)
        before = live.get(3, 0.5)
        assert before.shape == live.shape(3, 0.5)
        shutil.copy(own.paths[0], own.paths[3])
        for read in (live.get, lambda index, scale: live.get_many([index], scale)):
            with pytest.raises(ImageError, match=r"3\.png: the file was replaced or modified"):
                read(3, 0.5)


class TestMistakes:
    def test_a_missing_image(self, world: World, tmp_path: Path) -> None:
        world.paths.append(tmp_path / "absent.jpg")
        with pytest.raises(FreelocError, match=r"cannot read image .*absent\.jpg"):
            world.extract()
        assert world.network.calls == 0

    def test_no_room(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        made = world.extract()
        values = sum(cells_of(made, index, scale).size for index in range(6) for scale in SCALES)
        shutil.rmtree(world.root)
        calls = world.network.calls
        usage = type(shutil.disk_usage("/"))
        monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10**9, 0, 2 * values - 1))
        with pytest.raises(
            FreelocError,
            match="choose another cache folder, store features as int8, .* or train without a cache",
        ):
            world.extract()
        assert world.network.calls == calls
        # Exactly two bytes per value.
        monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10**9, 0, 2 * values))
        world.extract()
        assert world.network.calls == 2 * calls

    def test_int8_takes_half_of_the_room(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        made = world.extract()
        values = sum(cells_of(made, index, scale).size for index in range(6) for scale in SCALES)
        needed = values + 6 * len(SCALES) * 5 * 4  # and a scale per channel, five in total
        usage = type(shutil.disk_usage("/"))
        monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10**9, 0, needed - 1))
        with pytest.raises(FreelocError, match="GB free; choose another cache folder or train without"):
            world.extract(form="int8")
        monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10**9, 0, needed))
        world.extract(form="int8")

    def test_the_cache_folder_is_a_file(self, world: World) -> None:
        world.root.write_text("x")
        with pytest.raises(FreelocError, match="cannot write"):
            world.extract()


class TestTelling:
    def test_what_is_made_is_told(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        pyramid = Pyramid(SCALES)
        extract(world.paths, world.backbone, world.network, pyramid, cache_folder=world.root)
        told = capsys.readouterr()
        assert told.out == ""
        assert "the features of 6 images will take 0.00 GB in" in told.err
        assert "extracting features: 6 done" in told.err
        extract(world.paths, world.backbone, world.network, pyramid, cache_folder=world.root)
        assert capsys.readouterr().err == ""
        next(world.root.rglob("*.npy")).unlink()
        extract(world.paths, world.backbone, world.network, pyramid, cache_folder=world.root)
        told = capsys.readouterr()
        assert "the features of 1 of 6 images (those of the others are stored) will take" in told.err

    def test_quiet(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.extract()
        assert capsys.readouterr() == ("", "")


def test_two_extractions_side_by_side_share_a_cache(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: world.extract(), range(2))
    assert len(world.entries()) == 12
    for index in range(6):
        np.testing.assert_array_equal(cells_of(first, index, 0.5), cells_of(second, index, 0.5))
