"""Files of the feature cache: writing, reading, and all kinds of damage."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from freeloc._literals import CacheFormat
from freeloc.errors import FreelocError, ResourceError
from freeloc.features.cache import FeatureCache, decode, encode
from freeloc.features.entry_file import write_entry
from freeloc.features.entry_size import entry_bytes
from tests.io.special_files import KINDS, needs_posix, special_file
from tests.limits import no_more_files

law = settings(max_examples=150)

maps = npst.arrays(
    np.float16,
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(-65504, 65504, width=16),
)


class TestFormats:
    @law
    @given(maps)
    def test_float16_comes_back_as_it_was(self, values: np.ndarray) -> None:
        assert decode(encode(values, "float16")).tobytes() == values.tobytes()

    @law
    @given(maps)
    def test_int8_comes_back_within_half_a_step_of_each_channel(self, values: np.ndarray) -> None:
        found = decode(encode(values, "int8"))
        assert (found.dtype, found.shape) == (np.dtype(np.float32), values.shape)
        exact, back = values.astype(np.float64), found.astype(np.float64)
        largest = np.abs(exact).max(axis=(0, 1))
        # Half a step, and the rounding of float32.
        slack = largest * 0.5 / 127 * (1 + 1e-4)
        assert (np.abs(back - exact) <= slack).all()

    @law
    @given(maps)
    def test_int8_keeps_signs_zeros_and_each_channels_largest(self, values: np.ndarray) -> None:
        found = decode(encode(values, "int8")).astype(np.float64)
        assert (found[values == 0] == 0).all()
        assert (found * values.astype(np.float64) >= 0).all()
        largest = np.abs(values.astype(np.float64)).max(axis=(0, 1))
        np.testing.assert_allclose(np.abs(found).max(axis=(0, 1)), largest, rtol=1e-6)

    def test_channels_do_not_share_a_scale(self) -> None:
        values = np.array([[[1000.0, 0.001], [-10.0, -0.0005]]], np.float16)
        np.testing.assert_allclose(decode(encode(values, "int8"))[..., 1], values[..., 1], rtol=0.01)

    @pytest.mark.parametrize("form", ["float16", "int8"])
    def test_bytes_are_counted_to_the_last(self, form: CacheFormat, tmp_path: Path) -> None:
        cache = FeatureCache(tmp_path, form)
        cache.store("abcd", 1.0, np.ones((12, 16, 352), np.float16))
        header = (256 if form == "int8" else 128) + 24  # and the checksum
        size = cache.entry_path("abcd", 1.0).stat().st_size
        assert entry_bytes(12 * 16, 352, form) <= size <= entry_bytes(12 * 16, 352, form) + header

    @pytest.mark.parametrize("form", ["float16", "int8"])
    def test_numpy_reads_them(self, form: CacheFormat, tmp_path: Path) -> None:
        values = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
        cache = FeatureCache(tmp_path, form)
        cache.store("abcd", 1.0, values)
        plain = np.load(cache.entry_path("abcd", 1.0), allow_pickle=False)
        if form == "float16":
            np.testing.assert_array_equal(plain, values)
        else:
            np.testing.assert_allclose(plain["values"] * plain["scales"], values, atol=0.1)
        np.testing.assert_array_equal(cache.load("abcd", 1.0), decode(plain))

    def test_float16_is_mapped_not_read(self, tmp_path: Path) -> None:
        cache = FeatureCache(tmp_path)
        cache.store("abcd", 1.0, np.ones((2, 3, 4), np.float16))
        found = cache.load("abcd", 1.0)
        assert not found.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            found[0, 0, 0] = 2


class TestNames:
    @settings(max_examples=200)
    @given(st.floats(0.02, 20), st.floats(-2e-4, 2e-4))
    def test_near_scales_do_not_share_an_entry(self, scale: float, step: float) -> None:
        # 1.00099 and 1.00101 yield canvases of 500 and 501 pixels.
        cache = FeatureCache(Path("cache"))
        near = scale + step
        assert (cache.entry_path("ab", scale) == cache.entry_path("ab", near)) == (scale == near)

    def test_ordinary_scales_have_short_names(self) -> None:
        assert FeatureCache(Path("cache")).entry_path("abcd", 0.7) == Path("cache/ab/abcd-0.7000.npy")


class TestDamage:
    @pytest.mark.parametrize("form", ["float16", "int8"])
    @pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.99])
    def test_cut_short(self, tmp_path: Path, form: CacheFormat, share: float) -> None:
        cache = FeatureCache(tmp_path, form)
        cache.store("abcd", 1.0, np.ones((5, 6, 7), np.float16))
        entry = cache.entry_path("abcd", 1.0)
        data = entry.read_bytes()
        entry.write_bytes(data[: int(share * len(data))])
        with pytest.raises(
            FreelocError,
            match=rf"{entry.name}: the cached features are missing or damaged; delete the file",
        ):
            cache.load("abcd", 1.0)

    @pytest.mark.parametrize(
        "other",
        [
            np.zeros((3, 3, 5), np.float32),
            np.zeros((9, 5), np.float16),
            np.asfortranarray(np.zeros((3, 4, 5), np.float16)),
            np.zeros((2,), [("values", "i1", (3, 3, 5)), ("scales", "<f4", (5,))]),
            np.zeros((), [("values", "i1", (3, 3, 5)), ("scales", "<f4", (3,))]),
            np.zeros((), [("values", "i1", (9, 5)), ("scales", "<f4", (5,))]),
            np.zeros((), [("values", "i1"), ("scales", "<f4", (5,))]),
            np.zeros((), [("a", "i1", (3, 3, 5)), ("b", "<f4", (5,))]),
        ],
    )
    def test_an_array_of_another_kind(self, tmp_path: Path, other: np.ndarray) -> None:
        cache = FeatureCache(tmp_path)
        entry = cache.entry_path("abcd", 1.0)
        entry.parent.mkdir()
        np.save(entry, other)
        with pytest.raises(FreelocError, match="damaged"):
            cache.load("abcd", 1.0)
        # A valid checksum does not help.
        write_entry(entry, other, f"{cache.folder.name}/{entry.name}")
        with pytest.raises(FreelocError, match="damaged"):
            cache.load("abcd", 1.0)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.tuples(st.integers(0, 127), st.sampled_from(b"'(){} #\\,:\n\0<f2\x93\xff")),
            min_size=1,
            max_size=3,
        )
    )
    @pytest.mark.parametrize("form", ["float16", "int8"])
    def test_any_damage_of_the_header_is_told_or_harmless(
        self, tmp_path: Path, form: CacheFormat, changes: list[tuple[int, int]]
    ) -> None:
        cache = FeatureCache(tmp_path, form)
        cache.store("abcd", 1.0, np.zeros((3, 4, 5), np.float16))
        entry = cache.entry_path("abcd", 1.0)
        damaged = bytearray(entry.read_bytes())
        for place, value in changes:
            damaged[place] = value
        entry.write_bytes(damaged)
        cache.store("ef", 1.0, np.zeros((3, 4, 5), np.float16))
        if entry.read_bytes()[:-24] == cache.entry_path("ef", 1.0).read_bytes()[:-24]:
            assert cache.load("abcd", 1.0).shape == (3, 4, 5)
        else:
            with pytest.raises(FreelocError, match=entry.name):
                cache.load("abcd", 1.0)

    @pytest.mark.parametrize("form", ["float16", "int8"])
    def test_every_flipped_bit_is_noticed(self, tmp_path: Path, form: CacheFormat) -> None:
        cache = FeatureCache(tmp_path, form)
        cache.store("abcd", 1.0, np.linspace(-1, 1, 24, dtype=np.float16).reshape(2, 3, 4))
        entry = cache.entry_path("abcd", 1.0)
        whole = entry.read_bytes()
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << position % 8
            entry.write_bytes(damaged)
            with pytest.raises(FreelocError, match="the cached features are missing or damaged"):
                cache.load("abcd", 1.0)

    @pytest.mark.parametrize("form", ["float16", "int8"])
    @pytest.mark.parametrize("change", ["image", "scale", "cache", "more bytes"])
    def test_an_entry_of_something_else(self, tmp_path: Path, form: CacheFormat, change: str) -> None:
        cache, other = FeatureCache(tmp_path / "one", form), FeatureCache(tmp_path / "other", form)
        values = np.ones((2, 3, 4), np.float16)
        cache.store("abcd", 1.0, values)
        source = {
            "image": (cache, "abce", 1.0),
            "scale": (cache, "abcd", 0.5),
            "cache": (other, "abcd", 1.0),
            "more bytes": (cache, "abcd", 1.0),
        }[change]
        source[0].store(*source[1:], values)
        data = source[0].entry_path(*source[1:]).read_bytes()
        cache.entry_path("abcd", 1.0).write_bytes(data + b"x" * (change == "more bytes"))
        with pytest.raises(FreelocError, match="missing or damaged"):
            cache.load("abcd", 1.0)

    def test_a_checked_entry_is_checked_again_only_if_it_was_written_again(self, tmp_path: Path) -> None:
        cache = FeatureCache(tmp_path)
        cache.store("abcd", 1.0, np.ones((2, 3, 4), np.float16))
        entry = cache.entry_path("abcd", 1.0)
        _values, version = cache.load_checked("abcd", 1.0)
        assert cache.load_checked("abcd", 1.0, version)[1] == version
        data = bytearray(entry.read_bytes())
        data[130] ^= 1
        (tmp_path / "damaged").write_bytes(data)
        (tmp_path / "damaged").replace(entry)
        with pytest.raises(FreelocError, match="missing or damaged"):
            cache.load_checked("abcd", 1.0, version)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_an_entry_that_may_not_be_read_is_not_called_damaged(self, tmp_path: Path) -> None:
        cache = FeatureCache(tmp_path)
        cache.store("abcd", 1.0, np.ones((2, 3, 4), np.float16))
        cache.entry_path("abcd", 1.0).chmod(0)
        with pytest.raises(FreelocError, match="cannot read the cached features"):
            cache.load("abcd", 1.0)


def test_temporary_files_of_killed_runs_are_deleted(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.store("abcd", 1.0, np.ones((2, 3, 4), np.float16))
    entry = cache.entry_path("abcd", 1.0)
    old, young = (entry.with_name(f".{digit * 16}.part") for digit in "01")
    for left in (old, young):
        left.write_bytes(entry.read_bytes()[:50])
    os.utime(old, (1e9, 1e9))
    assert cache.entry_names() == {entry.name}
    assert sorted(entry.parent.iterdir()) == sorted([entry, young])


def test_too_many_open_files_are_no_damage(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.store("abcd", 1.0, np.ones((2, 3, 4), np.float16))
    with no_more_files(), pytest.raises(ResourceError, match="^too many files are open: ") as caught:
        cache.load("abcd", 1.0)
    assert "delete" not in str(caught.value)
    assert cache.load("abcd", 1.0).shape == (2, 3, 4)


@needs_posix
@pytest.mark.parametrize("kind", KINDS)
def test_special_files_as_entries_are_named_and_never_block(tmp_path: Path, kind: str) -> None:
    cache = FeatureCache(tmp_path)
    path = cache.entry_path("ab" * 16, 1.0)
    path.parent.mkdir()
    with special_file(path, kind), pytest.raises(FreelocError, match=f"it is {KINDS[kind]}, not a file"):
        cache.load("ab" * 16, 1.0)


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_reading_does_not_use_pythons_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: CacheFormat
) -> None:
    """In Python 3.11 and 3.12, the parser raises SystemError now and then if several threads use it."""
    cache = FeatureCache(tmp_path, form)
    values = np.arange(2 * 7 * 11, dtype=np.float16).reshape(2, 7, 11)
    cache.store("abcd", 1.0, values)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise SystemError("AST constructor recursion depth mismatch (before=51, after=50)")

    monkeypatch.setattr(ast, "parse", refuse)
    np.testing.assert_allclose(cache.load("abcd", 1.0), values, atol=0.7)
