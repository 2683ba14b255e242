"""How tags become classes: aliases, spelling, the fewest images of a class, and images without a tag."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from freeloc._literals import Untagged
from freeloc._validation import CountOrZero, check_fields
from freeloc.datasets.class_names import fold_name

__all__ = ["TagRules"]


@dataclass(frozen=True)
class TagRules:
    """How tags become classes.

    The rules apply to every format, in this order: tags are replaced by the classes of which they are aliases,
    spellings that differ only in case become one class, the chosen classes are selected, and classes with too few
    images are left out. If several tags of an image become one class, it is present if one of them is, and
    otherwise unknown if one of them is.

    Attributes:
        aliases: the class of each alias, as returned by `freeloc.datasets.aliases.read_aliases`; an empty string
            for a tag that is left out.
        fold_case: whether tags that differ only in case are one class. Its name is the spelling in ``classes`` or
            in the aliases, or else the spelling in the most images.
        min_images: classes that are present in fewer images than this are left out, and the log names them. Images
            that are not opened do not count: to open another split with the same classes, choose these.
        untagged: what an image without any tag says about every class. Tags that aliases leave out do not
            count as tags; all others do.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    fold_case: bool = False
    min_images: CountOrZero = 0
    untagged: Untagged = "absent"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def renames(self) -> bool:
        """Whether a tag may become a class with another name."""
        return bool(self.aliases) or self.fold_case

    def fold(self, name: str) -> str:
        """Return a name as aliases are stored: without its case, if that does not count."""
        return fold_name(name) if self.fold_case else name

    def is_alias(self, tag: str) -> bool:
        """Return whether a tag is replaced by the class of which it is an alias, or left out."""
        return self.fold(tag) in self.aliases

    def key(self, tag: str) -> str:
        """Return what all tags of one class have in common; an empty string if the tag is left out."""
        folded = self.fold(tag)
        name = self.aliases.get(folded)
        return folded if name is None else self.fold(name)

    def chosen(self, tags: Iterable[str], classes: Sequence[str]) -> tuple[str, ...]:
        """Return those tags that belong to one of the chosen classes, and the names of these classes."""
        keys = set(map(self.fold, classes))
        return tuple(dict.fromkeys((*classes, *(tag for tag in tags if self.key(tag) in keys))))

    def spellings(self, classes: Sequence[str] = ()) -> dict[str, str]:
        """Return the names of classes by their key: those of the chosen classes and of the classes of aliases."""
        names = (*classes, *filter(None, self.aliases.values()))
        return {self.fold(name): name for name in reversed(names)}

    @property
    def is_default(self) -> bool:
        """Whether every tag is a class of the same name, however rare."""
        return self == TagRules()

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as plain JSON data, with a hash in place of the aliases."""
        return {
            "aliases": self._aliases_hash if self.aliases else None,
            "fold_case": self.fold_case,
            "min_images": self.min_images,
            "untagged": self.untagged,
        }

    @cached_property
    def _aliases_hash(self) -> str:
        return hashlib.sha256(json.dumps(sorted(self.aliases.items())).encode()).hexdigest()[:32]
