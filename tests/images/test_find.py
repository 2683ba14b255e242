"""Finding images by file name, folder or glob pattern."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from freeloc.errors import ImageError
from freeloc.images.decode import load_image, read_image_size
from freeloc.images.find import FoundImages, find_images, is_system_name


@pytest.fixture
def album(tmp_path: Path) -> Path:
    names = "b.JPG a.png notes.txt .hidden.jpg sub/c.jpeg sub/deep/d.Tif sub/.cache/e.jpg odd[1].jpg raw.dat"
    for name in names.split():
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "album"


def relative(found: FoundImages, album: Path) -> list[str]:
    return [path.relative_to(album).as_posix() for path in found.paths]


def test_images_of_a_folder_are_sorted(album: Path) -> None:
    found = relative(find_images([album]), album)
    assert found == ["a.png", "b.JPG", "odd[1].jpg", "sub/c.jpeg", "sub/deep/d.Tif"]


def test_patterns_keep_their_order_without_repeats(album: Path) -> None:
    patterns: list[str | Path] = [
        album / "sub" / "c.jpeg",
        album,
        str(album / "a.png"),
        album / "sub" / ".." / "b.JPG",
    ]
    found = relative(find_images(patterns), album)
    assert found == ["sub/c.jpeg", "a.png", "b.JPG", "odd[1].jpg", "sub/deep/d.Tif"]


def test_a_named_file_is_accepted_with_any_suffix(album: Path) -> None:
    assert relative(find_images([album / "raw.dat", album / ".hidden.jpg"]), album) == [
        "raw.dat",
        ".hidden.jpg",
    ]
    assert relative(find_images([album / "odd[1].jpg"]), album) == ["odd[1].jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.JPG", ["b.JPG"]),
        ("?.*", ["a.png", "b.JPG"]),
        ("[ab].*", ["a.png", "b.JPG"]),
        ("sub/*.jpeg", ["sub/c.jpeg"]),
        ("**/*.jp*g", ["odd[1].jpg", "sub/c.jpeg"]),
        ("**", ["a.png", "b.JPG", "odd[1].jpg", "sub/c.jpeg", "sub/deep/d.Tif"]),
        ("s*", ["sub/c.jpeg", "sub/deep/d.Tif"]),
    ],
)
def test_patterns(album: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(relative(find_images([f"{album}/{pattern}"]), album)) == sorted(expected)


def test_patterns_from_the_current_folder(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    assert find_images(["sub/*.jpeg", "."]).paths == (
        Path("sub/c.jpeg"), Path("a.png"), Path("b.JPG"), Path("odd[1].jpg"), Path("sub/deep/d.Tif")
    )  # fmt: skip
    monkeypatch.setenv("HOME", str(album))
    assert relative(find_images(["~/b.JPG"]), album) == ["b.JPG"]


def test_patterns_that_match_nothing(album: Path) -> None:
    (album / "bare").mkdir()
    for pattern in ("missing.jpg", "*.gif", "bare", "*.txt"):
        with pytest.raises(ImageError) as caught:
            find_images([album / "a.png", album / pattern])
        assert str(album / pattern) in str(caught.value)
    assert find_images([]) == FoundImages((), {})


def test_a_folder_can_be_excluded(album: Path) -> None:
    for patterns in ([album], [f"{album}/**"], [f"{album}/*.jpg", f"{album}/*"]):
        found = relative(find_images(patterns, exclude=[album / "sub"]), album)
        assert sorted(found) == ["a.png", "b.JPG", "odd[1].jpg"]
    # A link in an excluded folder is left out, too, although its target is not in the folder.
    (album / "sub" / "link.png").symlink_to(album / "a.png")
    assert relative(find_images([f"{album}/**/*.png"], exclude=[album / "sub"]), album) == ["a.png"]
    # A file named directly is accepted.
    assert relative(find_images([album / "sub" / "c.jpeg"], exclude=[album / "sub"]), album) == ["sub/c.jpeg"]


def test_unsupported_formats_are_counted(album: Path) -> None:
    for name in ("x.psd", "sub/y.PSD", "z.svg"):
        (album / name).write_bytes(b"x")
    found = find_images([album])
    assert found.unsupported == {".psd": 2, ".svg": 1}
    assert relative(found, album) == ["a.png", "b.JPG", "odd[1].jpg", "sub/c.jpeg", "sub/deep/d.Tif"]
    with pytest.raises(ImageError, match=r"unsupported formats \(\.svg\): convert to JPEG"):
        find_images([f"{album}/*.svg"])


def test_heic_files_are_found_if_they_can_be_read(album: Path) -> None:
    (album / "x.HEIC").write_bytes(b"x")
    found = find_images([album])
    installed = find_spec("pi_heif") is not None
    assert (album / "x.HEIC" in found.paths) is installed
    assert found.unsupported == ({} if installed else {".heic": 1})


def test_files_of_the_system_are_passed_over(album: Path) -> None:
    for name in ("._a.png", "__MACOSX/sub/c.jpeg", "@eaDir/a.png", "~$a.png", "sub/$RECYCLE.BIN/x.jpg"):
        path = album / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for pattern in (album, f"{album}/**", f"{album}/*"):
        found = relative(find_images([pattern]), album)
        assert sorted(found) == ["a.png", "b.JPG", "odd[1].jpg", "sub/c.jpeg", "sub/deep/d.Tif"]
    # A name that the pattern contains is meant.
    assert relative(find_images([f"{album}/__MACOSX/*/*.jpeg"]), album) == ["__MACOSX/sub/c.jpeg"]
    assert relative(find_images([f"{album}/._*.png"]), album) == ["._a.png"]


@pytest.mark.parametrize(
    ("name", "system"),
    [("Thumbs.db", True), ("desktop.ini", True), (".DS_Store", True), ("__MACOSX", True), ("a.jpg", False)],
)
def test_names_of_system_files(name: str, system: bool) -> None:
    assert is_system_name(name) == system


def test_cycles_of_links_end(album: Path) -> None:
    (album / "sub" / "loop").symlink_to(album, target_is_directory=True)
    (album / "dead.jpg").symlink_to(album / "nowhere.jpg")
    found = find_images([album])
    assert relative(found, album) == ["a.png", "b.JPG", "odd[1].jpg", "sub/c.jpeg", "sub/deep/d.Tif"]
    assert found.broken_links == (album / "dead.jpg",)


def test_broken_links_are_named(album: Path) -> None:
    for name in ("dead.jpg", "dead.txt", "dead[1].png"):
        (album / name).symlink_to("nowhere")
    assert set(find_images([f"{album}/*"]).broken_links) == {album / "dead.jpg", album / "dead[1].png"}
    for name in ("dead.jpg", "dead.txt", "dead[1].png"):
        with pytest.raises(ImageError, match=r"it is a link to nowhere, which does not exist") as caught:
            find_images([album / name])
        assert str(album / name) in str(caught.value)
    with pytest.raises(ImageError, match="contains only links to files that do not exist: restore the files"):
        find_images([f"{album}/dead*.*g"])


def test_a_folder_without_its_subfolders(album: Path) -> None:
    assert relative(find_images([album], recursive=False), album) == ["a.png", "b.JPG", "odd[1].jpg"]
    found = relative(find_images([f"{album}/s*", f"{album}/**/d.*"], recursive=False), album)
    assert found == ["sub/c.jpeg", "sub/deep/d.Tif"]
    (album / "sub" / "c.jpeg").unlink()
    with pytest.raises(
        ImageError, match="contains no images: choose another folder, or include its subfolders"
    ):
        find_images([album / "sub"], recursive=False)


@pytest.mark.images
def test_a_real_folder(voc_root: Path) -> None:
    folder = voc_root / "JPEGImages"
    found = find_images([folder, f"{folder}/2008_*.jpg", next(folder.iterdir())]).paths
    assert len(found) == len(list(folder.glob("*.jpg")))
    size = read_image_size(found[0])
    assert load_image(found[0]).shape == (size.height, size.width, 3)


def test_videos_are_found_by_their_names_only(tmp_path: Path) -> None:
    for name in ("a.png", "b.mp4", "sub/c.MKV", "only/d.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = find_images([tmp_path])
    assert (relative(found, tmp_path), found.videos) == (["a.png"], 3)
    assert relative(find_images([tmp_path / "b.mp4", tmp_path / "a.png"]), tmp_path) == ["b.mp4", "a.png"]
    for pattern, names, skipped in (
        ("*.mp4", ["b.mp4"], 0),
        ("**/*.mkv", [], 0),
        ("**/*.MKV", ["sub/c.MKV"], 0),
        ("*", ["a.png"], 3),
    ):
        if not names:
            with pytest.raises(ImageError, match="no image matches"):
                find_images([f"{tmp_path}/{pattern}"])
            continue
        found = find_images([f"{tmp_path}/{pattern}"])
        assert (relative(found, tmp_path), found.videos) == (names, skipped)
    with pytest.raises(ImageError, match="only contains no images, only videos: specify the videos by name"):
        find_images([tmp_path / "only"])
