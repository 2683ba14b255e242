"""What became of the tags of a dataset."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from freeloc.datasets.tag_rules import TagRules

__all__ = ["TagCount", "TagReport"]


@dataclass(frozen=True, slots=True)
class TagCount:
    """One tag of a dataset.

    Attributes:
        name: the tag.
        images: number of images that have it.
        class_name: the class that it became; None if it was left out.
    """

    name: str
    images: int
    class_name: str | None


@dataclass(frozen=True, slots=True)
class TagReport:
    """What became of the tags of a dataset when it was opened.

    Attributes:
        rules: how tags became classes.
        tags: the tags that were read, in the order of the dataset. If classes were chosen, other tags may be
            missing.
        classes: the classes before those with too few images were left out, with their numbers of images.
        untagged: number of images without any tag; None if it is not known, because classes were chosen.
        unused_aliases: aliases that are no tag of the dataset.
    """

    rules: TagRules
    tags: tuple[TagCount, ...]
    classes: dict[str, int]
    untagged: int | None
    unused_aliases: tuple[str, ...] = ()

    @property
    def by_images(self) -> tuple[TagCount, ...]:
        """The tags, those in the most images first."""
        return tuple(sorted(self.tags, key=lambda tag: (-tag.images, tag.name)))

    @property
    def rare(self) -> dict[str, int]:
        """The classes that were left out because they have too few images, with their numbers of images."""
        least = self.rules.min_images
        return {name: images for name, images in self.classes.items() if images < least}

    @property
    def merged(self) -> dict[str, tuple[TagCount, ...]]:
        """The tags of each class that has another name than its only tag."""
        groups: dict[str, list[TagCount]] = defaultdict(list)
        for tag in self.tags:
            if tag.class_name is not None:
                groups[tag.class_name].append(tag)
        return {name: tuple(tags) for name, tags in groups.items() if any(tag.name != name for tag in tags)}

    @property
    def left_out_by_aliases(self) -> tuple[TagCount, ...]:
        """The tags that aliases leave out."""
        return tuple(tag for tag in self.tags if not self.rules.key(tag.name))
