"""Sound images of every format and many layouts, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from random import Random
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, features

from tests.images.heic_files import heic_bytes
from tests.images.sample_images import exif_of, scene
from tests.images.tiff_files import (
    CMYK,
    DEFLATE,
    FLOAT,
    LAB,
    LZW,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    UNCOMPRESSED,
    UNSIGNED,
    YCBCR,
    tiff_bytes,
)

__all__ = ["SEEDS"]


def _scene(rng: Random, mode: str = "RGB") -> Image.Image:
    size = rng.choice(((1, 1), (17, 9), (40, 30), (64, 48), (9, 70), (3, 200)))
    image = Image.fromarray(scene(*size))
    if mode in {"I;16", "F", "I"}:
        values = np.asarray(image.convert("L")).astype(np.float32) * rng.choice((1.0, 257.0, 1 / 255))
        kind = {"I;16": np.uint16, "F": np.float32, "I": np.int32}[mode]
        return Image.fromarray(values.astype(kind))
    if mode in {"RGBA", "LA", "PA"}:
        image = image.convert("RGBA")
        alpha = rng.choice((0, 128, 255))
        image.putalpha(Image.linear_gradient("L").resize(image.size) if rng.random() < 0.5 else alpha)
        return image if mode == "RGBA" else image.convert(mode)
    return image.convert(mode)


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _exif(rng: Random, orientations: tuple[int, ...] = (*range(1, 9), 0, 9)) -> dict[str, Any]:
    return {"exif": exif_of(rng.choice(orientations))} if rng.random() < 0.4 else {}


def jpeg(rng: Random) -> bytes:
    """Baseline and progressive JPEG files, and MPO files."""
    image = _scene(rng, rng.choice(("RGB", "RGB", "L", "CMYK")))
    options = _exif(rng)
    if rng.random() < 0.1 and image.mode == "RGB":
        return _save(image, "MPO", save_all=True, append_images=[image.copy()])
    if rng.random() < 0.2:
        options["icc_profile"] = rng.randbytes(rng.choice((10, 200, 40_000)))
    if image.mode == "RGB":
        options["subsampling"] = rng.choice((0, 1, 2))
    return _save(
        image,
        "JPEG",
        quality=rng.choice((5, 75, 100)),
        progressive=rng.random() < 0.4,
        restart_marker_blocks=rng.choice((0, 0, 2)),
        **options,
    )


def png(rng: Random) -> bytes:
    """PNG files of every mode, some animated, with text, profiles and transparency."""
    image = _scene(rng, rng.choice(("1", "L", "LA", "P", "RGB", "RGBA", "I;16")))
    options = _exif(rng)
    if rng.random() < 0.3:
        info = PngImagePlugin.PngInfo()
        info.add_text("comment", "x" * rng.choice((1, 1000, 2_000_000)), zip=True)
        info.add_itxt("title", "Köln", "de", "Name", zip=rng.random() < 0.5)
        options["pnginfo"] = info
    if rng.random() < 0.2:
        options["icc_profile"] = rng.randbytes(200)
    if rng.random() < 0.3 and image.mode in {"L", "P", "RGB", "1", "I;16"}:
        options["transparency"] = (1, 2, 3) if image.mode == "RGB" else rng.choice((0, 3))
    if rng.random() < 0.1 and image.mode in {"RGB", "RGBA", "L"}:
        options |= {"save_all": True, "append_images": [image.rotate(90)], "duration": 10}
    return _save(image, "PNG", **options)


def webp(rng: Random) -> bytes:
    """WebP files: lossy, lossless, with alpha, animated."""
    image = _scene(rng, rng.choice(("RGB", "RGBA")))
    options = _exif(rng)
    if rng.random() < 0.2:
        options |= {"save_all": True, "append_images": [image.rotate(90)], "duration": 10}
    return _save(image, "WEBP", lossless=rng.random() < 0.5, quality=rng.choice((1, 80)), **options)


def tiff_of_pillow(rng: Random) -> bytes:
    """TIFF files as Pillow writes them."""
    image = _scene(rng, rng.choice(("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F", "I")))
    choices = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]
    choices += ["group3", "group4"] if image.mode == "1" else []
    choices += ["jpeg"] if image.mode in {"L", "RGB"} else []
    compression = rng.choice(choices)
    if image.mode in {"F", "I", "LAB"}:
        compression = "raw"
    exif = _exif(rng, tuple(range(1, 9)))  # libtiff writes no other orientation
    return _save(image, "TIFF", compression=compression, big_tiff=rng.random() < 0.1, **exif)


def tiff_by_hand(rng: Random) -> bytes:
    """TIFF files of layouts that Pillow does not write."""
    photometric = rng.choice((MIN_IS_WHITE, MIN_IS_BLACK, RGB, RGB, PALETTE, CMYK, YCBCR, LAB))
    channels = {RGB: 3, CMYK: 4, YCBCR: 3, LAB: 3}.get(photometric, 1)
    extra = rng.choice(((), (), (0,), (1,), (2,))) if photometric != PALETTE else ()
    kind, bits = rng.choice(
        (
            *((UNSIGNED, 8), (UNSIGNED, 8), (UNSIGNED, 16), (UNSIGNED, 1), (UNSIGNED, 4), (UNSIGNED, 12)),
            *(
                (UNSIGNED, 10),
                (UNSIGNED, 32),
                (SIGNED, 8),
                (SIGNED, 16),
                (SIGNED, 32),
                (FLOAT, 32),
                (FLOAT, 64),
            ),
        )
    )
    shape = (rng.choice((1, 9, 30)), rng.choice((1, 17, 40)), channels + len(extra))
    values = np.arange(np.prod(shape)).reshape(shape) * 37
    samples = values / 1000 if kind == FLOAT else values % 2 ** min(bits - (kind == SIGNED), 31)
    if kind == SIGNED:
        samples = samples.astype(np.int64)
    tags: dict[int, tuple[int, list[int]]] = {}
    if photometric == PALETTE:
        tags[320] = (3, [entry * 257 % 65536 for entry in range(3 * 2 ** min(bits, 12))])
    if rng.random() < 0.2:
        tags[274] = (3, [rng.randrange(10)])
    tile = rng.choice((None, None, 16))
    return tiff_bytes(
        samples,
        bits,
        photometric,
        order=rng.choice("<>"),
        planar=rng.choice((1, 1, 2)),
        sample_format=kind,
        extra=extra,
        compression=rng.choice((UNCOMPRESSED, LZW, DEFLATE, PACKBITS)),
        predictor=rng.choice((1, 1, 2)) if bits in {8, 16, 32} and kind != FLOAT else 1,
        rows_per_strip=rng.choice((None, None, 4)),
        tile=tile,
        big=rng.random() < 0.15,
        tags=tags,
    )


def gif(rng: Random) -> bytes:
    """GIF files, still and animated."""
    image = _scene(rng, rng.choice(("P", "L", "1")))
    options: dict[str, Any] = {"transparency": 1} if rng.random() < 0.3 else {}
    if rng.random() < 0.3:
        options |= {"save_all": True, "append_images": [image.rotate(90)], "duration": 10}
    return _save(image, "GIF", interlace=rng.random() < 0.5, **options)


def bmp(rng: Random) -> bytes:
    """BMP files of Pillow, and of 16 and 32 bits with masks."""
    if rng.random() < 0.6:
        return _save(_scene(rng, rng.choice(("1", "L", "P", "RGB", "RGBA"))), "BMP")
    width, height = rng.choice(((5, 3), (40, 30)))
    bits = rng.choice((16, 24, 32))
    row = (width * bits + 31) // 32 * 4
    masks = rng.choice((b"", struct.pack("<4I", 0xF800, 0x7E0, 0x1F, 0)))
    offset = 54 + len(masks)
    sign = rng.choice((1, -1))
    header = struct.pack(
        *(
            "<2sIHHIIiiHHIIiiII",
            b"BM",
            offset + row * height,
            0,
            0,
            offset,
            40,
            width,
            sign * height,
            1,
            bits,
        ),
        *(3 if masks else 0, row * height, 2835, 2835, 0, 0),
    )
    return header + masks + bytes(place * 7 % 256 for place in range(row * height))


def portable(rng: Random) -> bytes:
    """PBM, PGM, PPM and PFM files."""
    if rng.random() < 0.5:
        return _save(_scene(rng, rng.choice(("1", "L", "RGB", "I;16", "F"))), "PPM")
    kind, channels = rng.choice((("P2", 1), ("P3", 3), ("P5", 1), ("P6", 3)))
    top = rng.choice((1, 15, 255, 1000, 65535))
    width, height = 7, 5
    values = [place * 31 % (top + 1) for place in range(width * height * channels)]
    head = f"{kind}\n# a comment\n{width} {height}\n{top}\n".encode()
    if kind in {"P2", "P3"}:
        return head + " ".join(map(str, values)).encode() + b"\n"
    return head + b"".join(value.to_bytes(1 if top < 256 else 2, "big") for value in values)


def jpeg2000(rng: Random) -> bytes:
    """JPEG 2000 files and streams."""
    image = _scene(rng, rng.choice(("L", "LA", "RGB", "RGBA", "I;16")))
    options: dict[str, Any] = {"no_jp2": rng.random() < 0.3, "irreversible": rng.random() < 0.3}
    if rng.random() < 0.3:
        options["tile_size"] = (16, 16)
    return _save(image, "JPEG2000", **options)


def avif(rng: Random) -> bytes:
    """AVIF files."""
    return _save(
        _scene(rng, rng.choice(("RGB", "RGBA"))), "AVIF", speed=10, quality=rng.choice((10, 90)), **_exif(rng)
    )


def heic(rng: Random) -> bytes:
    """HEIC files."""
    image = _scene(rng, rng.choice(("L", "RGB", "RGBA")))
    return heic_bytes(image, rng.randrange(1, 9), quality=rng.choice((10, 90)))


def jpegxl(rng: Random) -> bytes:
    """JPEG XL files, some of which contain metadata, and some the coefficients of a JPEG."""
    import pylibjxl

    if rng.random() < 0.3:
        return pylibjxl.jpeg_to_jxl(_save(_scene(rng), "JPEG", **_exif(rng)))
    pixels = np.array(_scene(rng, rng.choice(("L", "RGB", "RGBA"))))
    exif = exif_of(rng.randrange(1, 9)).tobytes() if rng.random() < 0.5 else None
    return pylibjxl.encode(pixels, effort=1, lossless=rng.random() < 0.5, exif=exif)


def unsupported(rng: Random) -> bytes:
    """Files of other formats."""
    image = _scene(rng)
    kind = rng.choice(("ICO", "TGA", "PCX", "PDF", "SGI", "DDS", "EPS", "text"))
    return b"hello" if kind == "text" else _save(image, kind)


SEEDS: tuple[tuple[Callable[[Random], bytes], float], ...] = (
    (jpeg, 5),
    (png, 6),
    (webp, 2),
    (tiff_of_pillow, 4),
    (tiff_by_hand, 4),
    (gif, 2),
    (bmp, 3),
    (portable, 2),
    *(((jpeg2000, 3.0),) if features.check("jpg_2000") else ()),
    *(((avif, 1.0),) if features.check("avif") else ()),
    *(((heic, 1.0),) if find_spec("pillow_heif") else ()),
    *(((jpegxl, 1.0),) if find_spec("pylibjxl") else ()),
    (unsupported, 0.5),
)
"""Functions that make an image, and how often each is called."""
