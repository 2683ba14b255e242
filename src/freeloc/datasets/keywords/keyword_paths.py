"""Keywords with their levels: which of those that programs store in several properties are tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.keywords.acdsee_categories import read_categories
from freeloc.datasets.keywords.xmp_packet import CATEGORIES, FLAT, HIERARCHICAL, KeywordProperty

__all__ = ["KeywordPath", "ancestors", "merge_keywords", "split_flat", "xmp_paths"]

KeywordPath: TypeAlias = tuple[str, ...]
"""A keyword and the levels above it, from the top: ``("Animals", "Dog")``."""

_ROOT_OF_DIGIKAM: Final = "_Digikam_root_tag_"
"""The top level of the tags of old versions of digiKam, which it no longer shows."""

_INTERNAL: Final = "darktable"
"""The top level of the tags with which darktable notes what it has done, such as ``darktable|format|jpg``."""


def xmp_paths(properties: Mapping[KeywordProperty, Iterable[str]]) -> tuple[KeywordPath, ...]:
    """Return the keywords in the properties of an XMP document; see `merge_keywords`.

    Of the properties with levels, the first one that contains keywords is read, as in digiKam: the others repeat
    it, or were written by a program that did not know it.

    Raises:
        MetadataError: the categories of ACDSee are needed and cannot be read.
    """
    flat = split_flat(properties.get(FLAT, ()))
    for name in HIERARCHICAL:
        paths = [_split(text, name.separator) for text in properties.get(name, ())]
        if any(paths):
            return merge_keywords(paths, flat)
    categories = [path for text in properties.get(CATEGORIES, ()) for path in read_categories(text)]
    return merge_keywords([_clean(path) for path in categories], flat)


def split_flat(keywords: Iterable[str]) -> tuple[KeywordPath, ...]:
    """Return keywords from a place without levels as paths; only whole paths with vertical bars have levels."""
    return tuple(_split(text, FLAT.separator) for text in keywords)


def merge_keywords(
    hierarchical: Iterable[KeywordPath], flat: Iterable[KeywordPath]
) -> tuple[KeywordPath, ...]:
    """Return the different keywords of an image, without those that only repeat a level of another one.

    Programs repeat the last level of each keyword with levels, and some the levels above it, as flat keywords.
    Some also list the levels above a keyword as keywords with levels.

    Example:
        >>> merge_keywords([("Animals",), ("Animals", "Dog")], [("Animals",), ("Dog",), ("sunset",)])
        (('Animals', 'Dog'), ('sunset',))
    """
    listed = [path for path in hierarchical if path]
    named = {name for path in listed for name in (*path, "/".join(path))}
    added = [path for path in flat if path and not (len(path) == 1 and path[0] in named)]
    paths = dict.fromkeys((*listed, *added))
    above = {level for path in paths for level in ancestors(path)}
    return tuple(path for path in paths if path not in above and not _is_internal(path))


def ancestors(path: KeywordPath) -> tuple[KeywordPath, ...]:
    """Return the levels above a keyword, each as a path.

    Example:
        >>> ancestors(("Places", "France", "Paris"))
        (('Places',), ('Places', 'France'))
    """
    return tuple(path[:end] for end in range(1, len(path)))


def _split(text: str, separator: str) -> KeywordPath:
    return _clean(text.split(separator))


def _clean(names: Iterable[str]) -> KeywordPath:
    levels = tuple(filter(None, map(clean_name, names)))
    return levels[1:] if levels[:1] == (_ROOT_OF_DIGIKAM,) else levels


def _is_internal(path: KeywordPath) -> bool:
    return len(path) > 1 and path[0] == _INTERNAL
