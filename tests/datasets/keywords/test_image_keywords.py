"""Keywords of single images; exiftool, if it is installed, writes them into images and sidecars of every kind."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image, features

from freeloc.datasets.keywords.image_keywords import read_keywords
from freeloc.datasets.tags.rows import RowProblem
from tests.datasets.keywords.xmp_files import digikam, listed, packet
from tests.images.heic_files import heic_bytes
from tests.images.sample_images import png_bytes, png_chunks

IMAGE = Image.new("RGB", (8, 6), (200, 30, 30))


def encoded(name: str) -> bytes:
    """An image without metadata; skips the test if this Pillow cannot write its format."""
    if name == "HEIC":
        pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        pytest.importorskip("pi_heif", reason="the extra formats is not installed")
        return heic_bytes(IMAGE.copy())
    if name == "JXL":
        pylibjxl = pytest.importorskip("pylibjxl", reason="the extra formats is not installed")
        import numpy as np

        return bytes(pylibjxl.encode(np.array(IMAGE)))
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    buffer = io.BytesIO()
    IMAGE.save(buffer, name)
    return buffer.getvalue()


def leaves(image: Path, *sidecars: Path) -> set[str]:
    found = read_keywords(image, sidecars)
    assert not found.problems
    return {path[-1] for path in found.paths}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    IMAGE.save(path)
    return path


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


# --- written by exiftool ----------------------------------------------------------------------------------

LEVELS = (
    *("-XMP-digiKam:TagsList=Tiere/Hündin", "-XMP-digiKam:TagsList=sea"),
    *("-XMP-lr:HierarchicalSubject=Tiere|Hündin", "-XMP-lr:HierarchicalSubject=sea"),
    *("-XMP-dc:Subject=Hündin", "-XMP-dc:Subject=sea"),
)
IPTC = ("-IPTC:Keywords=Hündin", "-IPTC:Keywords=sea", "-IPTC:City=X")
WINDOWS = ("-EXIF:XPKeywords=Hündin;sea; ",)
MANY = tuple(f"-XMP-dc:Subject=a keyword with the number {number}" for number in range(1500))
PROPERTIES = {
    "digiKam:TagsList": "Tiere/Hündin",
    "microsoft:LastKeywordXMP": "Tiere/Hündin",
    "lr:HierarchicalSubject": "Tiere|Hündin",
    "mediapro:CatalogSets": "Tiere|Hündin",
    "expressionmedia:CatalogSets": "Tiere|Hündin",
}

DOG = '<Category Assigned="1">Hündin</Category>'
ACDSEE = f'<Categories><Category Assigned="0">Tiere{DOG}</Category></Categories>'

WRITTEN: dict[str, tuple[str, tuple[str, ...], set[str]]] = {
    **{
        f"levels in {name}": (name, LEVELS, {"Tiere/Hündin", "sea"})
        for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC", "JXL", "GIF", "JPEG2000")
    },
    **{
        f"iptc in {name}, {charset or 'latin'}": (
            name,
            (f"-codedcharacterset={charset}", *IPTC),
            {"Hündin", "sea"},
        )
        for name in ("JPEG", "TIFF", "PNG", "JPEG2000")
        for charset in ("utf8", "")
    },
    **{
        f"windows in {name}": (name, WINDOWS, {"Hündin", "sea"})
        for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC", "JXL", "JPEG2000")
    },
    "extended": (
        "JPEG",
        ("-XMP-dc:Subject=sea", f"-XMP-dc:Description={'long ' * 20_000}", *MANY),
        {f"a keyword with the number {number}" for number in range(1500)} | {"sea"},
    ),
    "iptc and exif": (
        "JPEG",
        ("-XMP-xmp:Rating=3", "-IPTC:Keywords=iptc", "-EXIF:XPKeywords=exif"),
        {"iptc"},
    ),
    "all": ("JPEG", ("-XMP-dc:Subject=xmp", "-IPTC:Keywords=iptc", "-EXIF:XPKeywords=exif"), {"xmp"}),
    **{
        f"sidecar with {name}": ("sidecar", (f"-XMP-{name}={keyword}",), {"Tiere/Hündin"})
        for name, keyword in PROPERTIES.items()
    },
    "sidecar with categories": ("sidecar", (f"-XMP-acdsee:Categories={ACDSEE}",), {"Tiere/Hündin"}),
}
"""The format of each file, what exiftool writes into it, and the keywords to read."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of `WRITTEN`; those whose format cannot be written are missing."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    folder = tmp_path_factory.mktemp("written")
    arguments: list[str] = []
    for name, (kind, options, _) in WRITTEN.items():
        file = folder / f"{name}{'.xmp' if kind == 'sidecar' else ''}"
        if kind != "sidecar":
            with suppress(pytest.skip.Exception):
                file.write_bytes(encoded(kind))
        if kind == "sidecar" or file.exists():
            arguments += [*options, str(file), "-execute"]
    common = ["-common_args", "-q", "-m", "-overwrite_original", "-charset", "utf8"]
    done = subprocess.run(["exiftool", *arguments[:-1], *common], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", WRITTEN)
def test_keywords_that_exiftool_has_written(folder: Path, name: str) -> None:
    kind, _, expected = WRITTEN[name]
    if kind == "sidecar":
        image, sidecars = write(folder / "image", encoded("JPEG")), [folder / f"{name}.xmp"]
    elif (folder / name).exists():
        image, sidecars = folder / name, []
    else:
        pytest.skip(f"a package that writes {kind} is not installed")
    found = read_keywords(image, sidecars)
    assert not found.problems
    assert {"/".join(path) for path in found.paths} == expected


# --- without exiftool -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "save",
    [
        lambda buffer, xmp: IMAGE.save(buffer, "JPEG", xmp=xmp),
        lambda buffer, xmp: IMAGE.save(buffer, "WEBP", xmp=xmp),
        lambda buffer, xmp: IMAGE.save(buffer, "TIFF", tiffinfo={700: xmp}),
    ],
)
def test_xmp_in_images_written_by_pillow(tmp_path: Path, save: Callable[[io.BytesIO, bytes], None]) -> None:
    buffer = io.BytesIO()
    save(buffer, digikam("Animals/Dog"))
    assert leaves(write(tmp_path / "image", buffer.getvalue())) == {"Dog"}


@pytest.mark.parametrize("after_the_pixels", [False, True])
def test_xmp_in_a_png(tmp_path: Path, after_the_pixels: bool) -> None:
    chunks = png_chunks(encoded("PNG"))
    chunks.insert(-1 if after_the_pixels else 1, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + digikam("a/Dog")))
    assert leaves(write(tmp_path / "image", png_bytes(chunks))) == {"Dog"}


@pytest.mark.skipif(find_spec("pylibjxl") is None, reason="the extra formats is not installed")
def test_xmp_in_a_jpeg_xl_file(tmp_path: Path) -> None:
    import numpy as np
    import pylibjxl

    data = pylibjxl.encode(np.array(IMAGE), xmp=digikam("Animals/Dog"))
    assert leaves(write(tmp_path / "image", data)) == {"Dog"}


def test_iptc_in_a_big_endian_tiff_as_swapped_integers(tmp_path: Path) -> None:
    block = b"\x1c\x02\x19\x00\x03dog"
    swapped = b"".join(block[i : i + 4][::-1] for i in range(0, len(block), 4))
    buffer = io.BytesIO()
    IMAGE.save(buffer, "TIFF", tiffinfo={33723: swapped})
    assert leaves(write(tmp_path / "image", buffer.getvalue())) == {"dog"}


def test_a_sidecar_replaces_the_keywords_in_the_image(tmp_path: Path, image: Path) -> None:
    IMAGE.save(image, xmp=digikam("old"))
    assert leaves(image) == {"old"}
    first = write(tmp_path / "a.jpg.xmp", digikam("first"))
    second = write(tmp_path / "a.xmp", digikam("second"))
    assert leaves(image, first, second) == {"first"}
    # Settings of a raw converter, without keywords
    first.write_bytes(packet(listed("xmp:Other", ["x"]), 'xmp:Rating="1"'))
    assert leaves(image, first, second) == {"second"}
    second.write_bytes(packet(listed("dc:subject", [])))
    assert leaves(image, first, second) == {"old"}


def problem_of(image: Path, *sidecars: Path) -> RowProblem:
    found = read_keywords(image, sidecars)
    assert found.paths == ()
    (problem,) = found.problems
    return problem


def test_a_damaged_sidecar_is_a_problem_in_the_sidecar(tmp_path: Path, image: Path) -> None:
    IMAGE.save(image, xmp=digikam("embedded"))
    sidecar = write(tmp_path / "a.xmp", digikam("dog")[:-30])
    problem = problem_of(image, sidecar)
    assert (problem.kind, problem.file) == ("malformed_file", sidecar)
    assert problem.line == digikam("dog").count(b"\n")
    assert "let the program that wrote it write it again" in problem.message


def test_a_sidecar_that_is_no_file_is_a_problem(tmp_path: Path, image: Path) -> None:
    folder = tmp_path / "a.xmp"
    folder.mkdir()
    assert problem_of(image, folder).message == "the sidecar is a folder: remove or rename it"
    link = tmp_path / "a.jpg.xmp"
    link.symlink_to("gone")
    assert "is a link to a file that does not exist" in problem_of(image, link).message


def test_damaged_metadata_in_an_image_is_a_problem_of_the_image(tmp_path: Path, image: Path) -> None:
    IMAGE.save(image, xmp=digikam("dog")[:-30])
    problem = problem_of(image)
    assert (problem.kind, problem.file) == ("malformed_file", None)
    assert problem.message.startswith("the XMP packet of this image, line 33: malformed XML (unclosed token)")
    resource = b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x19\x00\x09d"
    segment = b"\xff\xed" + (len(resource) + 16).to_bytes(2) + b"Photoshop 3.0\0" + resource
    plain = encoded("JPEG")
    problem = problem_of(write(tmp_path / "b.jpg", plain[:2] + segment + plain[2:]))
    assert problem.message.startswith(
        "the IPTC block of this image: truncated after 6 bytes: let the program"
    )
    exif = Image.Exif()
    exif[0x9C9E] = "dog;sea".encode("utf-16-le") + b"\0"
    IMAGE.save(image, exif=exif)
    assert leaves(image) == {"dog", "sea"}
    exif[0x9C9E] = b"\0\xd8a\0"
    IMAGE.save(image, exif=exif)
    assert problem_of(image).message.startswith("the EXIF tag XPKeywords of this image is not UTF-16 (")


def in_segments(packet: bytes, extended: bytes, guid: str = "AB" * 16) -> list[bytes]:
    """A JPEG file in parts, of which the third and the fourth contain an extended packet."""
    plain = encoded("JPEG")
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid.encode() + len(extended).to_bytes(4)
    half = len(extended) // 2
    bodies = (
        b"http://ns.adobe.com/xap/1.0/\0" + packet,
        head + (0).to_bytes(4) + extended[:half],
        head + half.to_bytes(4) + extended[half:],
    )
    segments = [b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body for body in bodies]
    return [plain[:2], *segments, plain[2:]]


def with_guid(body: str, guid: str = "ab" * 16) -> bytes:
    attribute = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"'
    return packet(body, attribute)


def test_an_extended_packet_continues_the_packet(tmp_path: Path) -> None:
    extended = packet(listed("digiKam:TagsList", ["Animals/Dog"]) + listed("dc:subject", ["Dog", "sea"]))
    parts = in_segments(with_guid(listed("dc:subject", ["sun"])), extended)
    file = write(tmp_path / "a.jpg", b"".join(parts))
    assert read_keywords(file, ()).paths == (("Animals", "Dog"), ("sun",), ("sea",))
    # One to which the packet does not refer is that of another packet, which was replaced.
    other = in_segments(with_guid(listed("dc:subject", ["sun"]), "cd" * 16), extended)
    found = read_keywords(write(tmp_path / "a.jpg", b"".join(other)), ())
    assert (found.paths, found.lacks_extension) == ((("sun",),), True)
    file.write_bytes(b"".join(parts[:3] + parts[4:]))
    assert problem_of(file).message == (
        "the extended XMP packet of this image is incomplete: let the program that wrote it write it again"
    )
    damaged = in_segments(with_guid(""), extended[:-40])
    message = problem_of(write(file, b"".join(damaged))).message
    assert message.startswith("the extended XMP packet of this image, line 1")


def test_a_file_that_is_no_image_is_a_problem_unless_a_sidecar_has_its_keywords(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jpg", b"no image")
    problem = problem_of(file)
    assert (problem.kind, problem.message.split(":")[0]) == (
        "unreadable_image",
        "this image cannot be read",
    )
    assert leaves(file, write(tmp_path / "a.xmp", digikam("dog"))) == {"dog"}
