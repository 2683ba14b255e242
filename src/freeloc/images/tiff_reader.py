"""Pillow's TIFF reader, restricted to the layouts that it decodes correctly.

TIFF allows any combination of bit depth, sample format, color model, planes and byte order. Pillow decodes some of
these combinations wrongly, without an error. `TiffReader` corrects what it can, and refuses the rest by name.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ImagePalette, TiffImagePlugin

from freeloc.images.decode_errors import UnsupportedVariantError
from freeloc.images.libtiff_messages import silence_libtiff

__all__ = ["GraySamples", "TiffReader"]

_NEW_SUBFILE_TYPE, _SUB_IFDS, _INK_SET, _DNG_VERSION = 254, 330, 332, 50706

_UNCOMPRESSED, _PACKBITS = 1, 32773

_MIN_IS_WHITE, _GRAY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6

_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3

_ASSOCIATED = 1

_COLORS = {0: "gray (zero is white)", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr"}
_COLORS |= {8: "Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "color filter array", 34892: "raw"}

_FORMATS = {_UNSIGNED: "unsigned", _SIGNED: "signed", _FLOAT: "floating-point"}


_WHITES = {(12, _UNSIGNED): 4095, (8, _SIGNED): 127, (16, _SIGNED): 32767}
"""Value of white by bit depth and sample format, where it is not that of the data type."""


_NATIVE_ORDER = {
    f"{mode}{order}{kind}": f"{mode}N{kind}"
    for mode, kind in (("I;16", "S"), ("I;32", "S"), ("F;32", "F"))
    for order in ("", "B")
}
"""Pillow's names of sample layouts of either byte order, with the names for the processor's own order."""


class GraySamples(NamedTuple):
    """Samples of a gray image.

    Attributes:
        values: (H, W) integers or floats.
        white: value of white; None for that of the data type.
        zero_is_white: whether the scale is inverted.
    """

    values: npt.NDArray[Any]
    white: int | None
    zero_is_white: bool


class _Layout(NamedTuple):
    """The tags that determine how the pixels are stored, with the defaults of the TIFF specification."""

    little_endian: bool
    colors: int
    bits: tuple[int, ...]
    format: tuple[int, ...]
    extra: tuple[int, ...]
    samples: int
    planar: int
    fill_order: int
    compression: int
    tiled: bool
    predictor: int

    @classmethod
    def of(cls, tags: TiffImagePlugin.ImageFileDirectory_v2) -> _Layout:
        def values(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
            value = tags.get(tag, default)
            return tuple(value) if isinstance(value, tuple) else (value,)

        return cls(
            little_endian=tags.prefix == b"II",
            colors=tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0),
            bits=tuple(dict.fromkeys(values(TiffImagePlugin.BITSPERSAMPLE, (1,)))),
            format=tuple(dict.fromkeys(values(TiffImagePlugin.SAMPLEFORMAT, (_UNSIGNED,)))),
            extra=values(TiffImagePlugin.EXTRASAMPLES, ()),
            samples=tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1),
            planar=tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1),
            fill_order=tags.get(TiffImagePlugin.FILLORDER, 1),
            compression=tags.get(TiffImagePlugin.COMPRESSION, _UNCOMPRESSED),
            tiled=TiffImagePlugin.TILEOFFSETS in tags,
            predictor=tags.get(TiffImagePlugin.PREDICTOR, 1),
        )

    def describe(self) -> str:
        """Return the layout in words, for messages."""
        formats = "/".join(_FORMATS.get(each, f"type {each}") for each in self.format)
        depth = "/".join(map(str, self.bits))
        parts = [
            f"{_COLORS.get(self.colors, f'color model {self.colors}')}",
            f"{self.samples} × {depth} bits, {formats}",
            "little-endian" if self.little_endian else "big-endian",
        ]
        if self.planar != 1:
            parts.append("separate planes")
        if self.fill_order != 1:
            parts.append("low bits first")
        if self.compression != _UNCOMPRESSED:
            parts.append(f"compression {self.compression}")
        if self.predictor != 1:
            parts.append(f"predictor {self.predictor}")
        return ", ".join(parts)


class TiffReader(TiffImagePlugin.TiffImageFile):
    """Reads the first page of a TIFF file; see the module docstring."""

    def _open(self) -> None:
        if self.fp is not None:
            if self.fp.read(4) == b"MM\0+":
                raise UnsupportedVariantError("it is a big-endian BigTIFF file")
            self.fp.seek(0)
        super()._open()

    def _setup(self) -> None:
        """Prepare the decoding of a page; Pillow calls this when it has read the page's tags.

        Raises:
            UnsupportedVariantError: the page's layout is not supported.
        """
        tags = self.tag_v2
        if tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) == 1:
            # With a single channel, separate planes are stored like joint ones, but Pillow would misread them.
            tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 1
        _check_content(tags, has_more_pages=self.is_animated)
        if not isinstance(self.info.get("xmp", b""), bytes):
            # The metadata is damaged, and Pillow would fail after decoding the pixels.
            del self.info["xmp"]
        _drop_unspecified_planes(tags)
        self._layout = _Layout.of(tags)
        if _is_misread(self._layout) or _is_subsampled(tags, self._layout):
            raise self._unsupported()
        try:
            super()._setup()
        except (SyntaxError, LookupError) as error:
            raise self._unsupported() from error
        self.tile = [tile._replace(args=self._raw_mode(tile.args)) for tile in self.tile]
        colors = tags.get(TiffImagePlugin.COLORMAP)
        if self.palette is not None and isinstance(colors, tuple) and max(colors) < 256:
            # The values should have 16 bits, but some programs write 8, which Pillow takes for nearly black.
            self.palette = ImagePalette.raw("RGB;L", bytes(colors))

    def load_prepare(self) -> None:
        """Prepare the decoding of the pixels."""
        if self._layout.compression != _UNCOMPRESSED:
            silence_libtiff()
        super().load_prepare()

    def _raw_mode(self, args: tuple[Any, ...] | str | None) -> tuple[Any, ...] | str | None:
        """Return the arguments of a tile's decoder, with the name of the sample layout corrected."""
        if not isinstance(args, tuple):
            return args
        name, *rest = args
        if self._layout.compression != _UNCOMPRESSED:
            name = _NATIVE_ORDER.get(name, name)  # libtiff returns the samples in the order of the processor
        elif self._layout.planar == 2 and self._layout.bits == (16,):
            name = f"{name};16{'L' if self._layout.little_endian else 'B'}"
        return (name, *rest)

    def _unsupported(self) -> UnsupportedVariantError:
        return UnsupportedVariantError(f"its TIFF layout is not supported ({self._layout.describe()})")

    def gray_samples(self) -> GraySamples | None:
        """Return the samples of a gray image of more than 8 bits, or of signed samples; None for other images."""
        layout = self._layout
        if layout.colors not in (_MIN_IS_WHITE, _GRAY) or layout.samples != 1:
            return None
        (bits,), (kind,) = layout.bits, layout.format
        if bits <= 8 and kind == _UNSIGNED:
            return None
        values = np.asarray(self)
        if bits == 8:
            values = values.view(np.int8)
        elif bits == 32 and kind == _UNSIGNED:
            values = values.view(np.uint32)  # Pillow keeps them as signed values
        return GraySamples(values, _WHITES.get((bits, kind)), layout.colors == _MIN_IS_WHITE)


def _is_misread(layout: _Layout) -> bool:
    """Return whether Pillow accepts a layout, but decodes it wrongly or fails when it does."""
    if len(layout.bits) > 1 or len(layout.format) > 1:
        return True
    (bits,), (kind,) = layout.bits, layout.format
    is_raw = layout.compression == _UNCOMPRESSED
    if layout.fill_order == 2 and is_raw:
        # Pillow reverses the bits of whole pixels only, and not those of these two kinds.
        if layout.samples > 1 and layout.planar == 2:
            return True
        if (layout.colors == _MIN_IS_WHITE and bits == 8) or (layout.colors == _PALETTE and bits < 8):
            return True
    if layout.predictor != 1 and layout.compression == _PACKBITS:
        return True  # libtiff ignores the predictor of this compression
    if layout.samples == 1 or layout.planar != 2:
        return False
    if kind != _UNSIGNED or (is_raw and _ASSOCIATED in layout.extra):
        return True
    if layout.colors == _CMYK:
        return is_raw and bits > 8
    if layout.colors == _RGB:
        return False
    # Gray or a palette in one plane, and something else in another.
    return layout.colors != _GRAY or any(layout.extra) or bits > 8 or (is_raw and bits < 8)


def _drop_unspecified_planes(tags: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    """Remove the planes of unknown meaning that follow those of the colors, if they are uncompressed.

    Pillow ignores such samples if they are compressed, or stored together with the colors.
    """
    layout = _Layout.of(tags)
    extra = len(layout.extra)
    if layout.planar != 2 or layout.compression != _UNCOMPRESSED or not extra or any(layout.extra):
        return
    colors = layout.samples - extra
    for tag in (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS):
        offsets = tags.get(tag)
        if isinstance(offsets, tuple) and colors >= 1:
            tags[tag] = offsets[: len(offsets) * colors // layout.samples]
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    tags[TiffImagePlugin.BITSPERSAMPLE] = bits[:colors]
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = colors
    del tags[TiffImagePlugin.EXTRASAMPLES]
    if colors == 1:
        tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 1


def _is_subsampled(tags: TiffImagePlugin.ImageFileDirectory_v2, layout: _Layout) -> bool:
    """Return whether a page is uncompressed YCbCr with fewer samples of color than of brightness."""
    if layout.colors != _YCBCR or layout.compression != _UNCOMPRESSED:
        return False
    subsampling: tuple[int, ...] = tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (2, 2))
    return subsampling != (1, 1)


def _check_content(tags: TiffImagePlugin.ImageFileDirectory_v2, *, has_more_pages: bool) -> None:
    """Check that the first page is the image, and that no part of it is missing.

    Raises:
        UnsupportedVariantError: the page is a thumbnail or raw data of a camera, or a part of it is missing.
    """
    if _DNG_VERSION in tags:
        raise UnsupportedVariantError("it is a raw image of a camera (DNG)")
    if tags.get(_NEW_SUBFILE_TYPE, 0) & 1 and (has_more_pages or _SUB_IFDS in tags):
        raise UnsupportedVariantError("its first page is only a thumbnail, as in raw images of cameras")
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _CMYK and tags.get(_INK_SET, 1) != 1:
        raise UnsupportedVariantError("its inks are not cyan, magenta, yellow and black")
    if _is_incomplete(tags):
        raise UnsupportedVariantError("some of its strips or tiles are missing")


def _is_incomplete(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Return whether strips or tiles are missing or empty; Pillow would leave these black, or read other data."""

    def first(tag: int, default: int) -> int:
        value = tags.get(tag, default)
        return value if isinstance(value, int) and value > 0 else max(1, default)

    def values(tag: int) -> tuple[int, ...]:
        value = tags.get(tag, ())
        return value if isinstance(value, tuple) else (value,)

    width, height = first(TiffImagePlugin.IMAGEWIDTH, 1), first(TiffImagePlugin.IMAGELENGTH, 1)
    if TiffImagePlugin.STRIPOFFSETS in tags:
        offsets, sizes = values(TiffImagePlugin.STRIPOFFSETS), values(TiffImagePlugin.STRIPBYTECOUNTS)
        needed = math.ceil(height / first(TiffImagePlugin.ROWSPERSTRIP, height))
    elif TiffImagePlugin.TILEOFFSETS not in tags:
        return False
    else:
        offsets, sizes = values(TiffImagePlugin.TILEOFFSETS), values(TiffImagePlugin.TILEBYTECOUNTS)
        rows, columns = first(TiffImagePlugin.TILELENGTH, height), first(TiffImagePlugin.TILEWIDTH, width)
        needed = math.ceil(height / rows) * math.ceil(width / columns)
    if tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2:
        needed *= first(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    return len(offsets) < needed or not all(sizes)
