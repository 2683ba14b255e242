"""Read the keywords of one image from its XMP sidecars or, if these contain none, from the image itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.datasets.keywords.iptc_block import read_iptc
from freeloc.datasets.keywords.keyword_paths import KeywordPath, merge_keywords, split_flat, xmp_paths
from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.keywords.xmp_packet import EXTENSION, KeywordProperty, read_xmp
from freeloc.datasets.tags.rows import RowProblem
from freeloc.errors import DatasetError, ImageError
from freeloc.images.embedded_metadata import EmbeddedMetadata, read_embedded_metadata
from freeloc.io.paths import why_not_a_file
from freeloc.io.text import read_bytes

__all__ = ["ImageKeywords", "has_keywords", "read_keywords"]


@dataclass(frozen=True, slots=True)
class ImageKeywords:
    """The keywords of one image.

    Attributes:
        image: the image file.
        paths: the keywords, each with the levels above it, without repetitions.
        problems: problems with the metadata, of which there is at most one.
        lacks_extension: whether the XMP packet refers to an extended one that the image does not contain, although
            that may have contained keywords.
    """

    image: Path
    paths: tuple[KeywordPath, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    lacks_extension: bool = False


def read_keywords(image: Path, sidecars: Sequence[Path]) -> ImageKeywords:
    """Read the keywords of an image.

    The first of these places that contains keywords is read, and the others are not: each sidecar, then the XMP
    packet, the IPTC block and the EXIF tag XPKeywords in the image. Programs that write sidecars leave older
    keywords in the image unchanged, and IPTC and EXIF only repeat XMP where a program writes all of them.

    Args:
        image: the image file.
        sidecars: its sidecars, the most specific one first.

    Returns:
        The keywords, or the problem with the first place that cannot be read.
    """
    for sidecar in sidecars:
        try:
            paths = _read_sidecar(sidecar)
        except MetadataError as error:
            problem = RowProblem("malformed_file", error.reason, error.line, sidecar)
            return ImageKeywords(image, problems=(problem,))
        if paths:
            return ImageKeywords(image, paths)
    try:
        return _read_embedded(image, read_embedded_metadata(image))
    except ImageError as error:
        problem = RowProblem("unreadable_image", f"this image cannot be read: {error.reason}")
    except MetadataError as error:
        problem = RowProblem("malformed_file", error.reason)
    return ImageKeywords(image, problems=(problem,))


def has_keywords(sidecar: Path) -> bool:
    """Return whether a sidecar can be read and contains keywords."""
    try:
        return bool(_read_sidecar(sidecar))
    except MetadataError:
        return False


def _read_sidecar(sidecar: Path) -> tuple[KeywordPath, ...]:
    reason = why_not_a_file(sidecar)
    if reason is not None:
        raise MetadataError(f"the sidecar {reason}: remove or rename it")
    try:
        data = read_bytes(sidecar)
    except DatasetError as error:
        raise MetadataError("the sidecar cannot be read: check its permissions") from error
    return xmp_paths(read_xmp(data))


def _read_embedded(image: Path, metadata: EmbeddedMetadata) -> ImageKeywords:
    lacks_extension = False
    if metadata.xmp is not None:
        properties = dict(_read_packet(metadata.xmp, "the XMP packet"))
        guid = next(iter(properties.pop(EXTENSION, ())), "")
        lacks_extension = bool(guid) and guid.upper() not in metadata.extended_xmp
        if guid and not lacks_extension:
            extended = metadata.extended_xmp[guid.upper()]
            for name, keywords in _read_packet(extended, "the extended XMP packet").items():
                properties[name] = (*properties.get(name, ()), *keywords)
        if paths := xmp_paths(properties):
            return ImageKeywords(image, paths, lacks_extension=lacks_extension)
    paths = merge_keywords((), split_flat(_read_flat(metadata)))
    return ImageKeywords(image, paths, lacks_extension=lacks_extension)


def _read_packet(packet: bytes | None, name: str) -> dict[KeywordProperty, tuple[str, ...]]:
    if packet is None:
        raise MetadataError(
            f"{name} of this image is incomplete: let the program that wrote it write it again"
        )
    try:
        return read_xmp(packet)
    except MetadataError as error:
        line = "" if error.line is None else f", line {error.line}"
        raise MetadataError(f"{name} of this image{line}: {error.reason}") from error


def _read_flat(metadata: EmbeddedMetadata) -> Sequence[str]:
    """Return the keywords in the IPTC block or, if it contains none, in the EXIF tag XPKeywords."""
    if metadata.iptc is not None:
        try:
            keywords = read_iptc(metadata.iptc)
        except MetadataError as error:
            raise MetadataError(f"the IPTC block of this image: {error.reason}") from error
        if keywords:
            return keywords
    return () if metadata.xp_keywords is None else _decode_xp(metadata.xp_keywords)


def _decode_xp(data: bytes) -> list[str]:
    if len(data) % 2 and data.endswith(b"\0"):  # some programs end the text with a single byte
        data = data[:-1]
    try:
        return data.decode("utf-16-le").split("\0")[0].split(";")
    except UnicodeDecodeError as error:
        reason = f"the EXIF tag XPKeywords of this image is not UTF-16 ({error.reason}): write it again"
        raise MetadataError(reason) from error
