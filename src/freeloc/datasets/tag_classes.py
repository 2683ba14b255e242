"""Turn the tags of a dataset into its classes: choose them, merge them, and leave out rare ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from freeloc._class_names import log_missing_classes, quote_names, refuse_misspelled_classes, select_classes
from freeloc._log import NOTICE, get_logger
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, Labels
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import warn_of_left_out_names
from freeloc.datasets.sample_draft import SampleDraft
from freeloc.datasets.tag_report import TagCount, TagReport
from freeloc.errors import ConfigurationError
from freeloc.io.progress import pluralize

__all__ = ["TagClasses"]

_log = get_logger(__name__)

_MAX_LISTED: Final = 10
"""Maximum number of classes that a line of the log names."""


class TagClasses:
    """Turns the tags of a dataset into its classes.

    A format reads labels and boxes for the tags that `choose` returns; `apply` converts them to those of the
    classes.

    Args:
        path: the main file or folder of the dataset, for messages.
        options: options for opening the dataset.
    """

    def __init__(self, path: Path, options: OpenOptions) -> None:
        self._path = path
        self._options = options
        self._known: tuple[str, ...] = ()
        self._chosen: tuple[str, ...] | None = None
        self._missing: frozenset[str] = frozenset()
        self._left_out: Counter[str] = Counter()
        self._spellings = options.tags.spellings(options.classes or ())
        self.report: TagReport | None = None

    def choose(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the tags to read: all known ones, or those of the chosen classes.

        The log names the chosen classes that the dataset does not have. For training, they are left out, unless a
        name seems to be misspelled; otherwise, `apply` sets their labels to 0 in every image, because nobody has
        looked for them.

        Args:
            known: the tags of all splits.

        Raises:
            ConfigurationError: none of the chosen classes is known or, for training, one seems to be misspelled.
        """
        chosen, rules, checks = self._options.classes, self._options.tags, self._options.checks
        self._known = tuple(known)
        if chosen is None:
            return tuple(known)
        keys: dict[str, str] = {}
        for tag in known:
            keys.setdefault(rules.key(tag), tag)
        classes = dict.fromkeys(self._spellings.get(key, tag) for key, tag in keys.items() if key)
        self._chosen = chosen
        if not classes:
            self._missing = frozenset(chosen)
            return chosen
        if not checks.for_training:
            consequence = "their labels are unknown"
            self._missing = log_missing_classes(chosen, classes, str(self._path), consequence)
        else:
            refuse_misspelled_classes(chosen, classes, str(self._path))
            if checks.for_check and not set(chosen).isdisjoint(classes):
                self._chosen = tuple(name for name in chosen if name in classes)  # the check names the others
            else:
                self._chosen = select_classes(chosen, tuple(classes), str(self._path))
        if rules.untagged == "unknown":  # whether an image has a tag depends on all tags
            return tuple(known)
        return tuple(tag for tag in known if self.is_wanted(tag)) if rules.renames else self._chosen

    def is_wanted(self, tag: str) -> bool:
        """Return whether a tag belongs to one of the classes; call `choose` first."""
        key = self._options.tags.key(tag)
        return bool(key) and (self._chosen is None or self._spellings.get(key, tag) in self._chosen)

    def leave_out(self, tags: Iterable[str], images: int) -> None:
        """Count tags that are left out because other classes were chosen."""
        self._left_out.update(dict.fromkeys((tag for tag in tags if self._options.tags.key(tag)), images))

    def apply(self, samples: Sequence[SampleDraft], tags: tuple[str, ...]) -> tuple[str, ...]:
        """Convert the labels and boxes of samples from tags to classes.

        Args:
            samples: the samples; those without labels, because their rows cannot be read, stay as they are.
            tags: the tags to which the labels refer, as returned by `choose`.

        Returns:
            The classes of the dataset; empty if none of them has enough images.
        """
        rules, checks = self._options.tags, self._options.checks
        read = [sample for sample in samples if len(sample.labels) == len(tags)]
        if not (rules.renames or rules.min_images or rules.untagged == "unknown" or checks.for_check):
            self._forget_missing(read, tags)
            return tags
        counted = np.array([not (sample.bad and self._options.skip_bad) for sample in read], np.bool_)
        images = _count_present(read, counted, len(tags))
        classes = self._name_classes(tags, images)
        indices = {name: index for index, name in enumerate(classes)}
        names = [self._spellings.get(rules.key(tag)) if rules.key(tag) else None for tag in tags]
        targets = np.array([-1 if name is None else indices.get(name, -1) for name in names], np.intp)
        is_tag = np.array([bool(rules.key(tag)) for tag in tags], np.bool_)
        untagged = _merge_labels(read, targets, is_tag, len(classes), unknown=rules.untagged == "unknown")
        self._forget_missing(read, classes)
        totals = _count_present(read, counted, len(classes))
        for tag, name, count in zip(tags, names, images.tolist(), strict=True):
            if name is not None and name not in indices and count:
                self._left_out[tag] += count
        counts = zip(tags, images.tolist(), names, strict=True)
        knows_all = self._options.classes is None or rules.untagged == "unknown"
        used = set(map(rules.fold, self._known or tags))
        self.report = TagReport(
            rules,
            tuple(TagCount(tag, count, name if name in indices else None) for tag, count, name in counts),
            classes=dict(zip(classes, totals.tolist(), strict=True)),
            untagged=int((untagged & counted).sum()) if knows_all else None,
            unused_aliases=tuple(alias for alias in rules.aliases if alias not in used),
        )
        kept = [index for index, count in enumerate(totals.tolist()) if count >= rules.min_images]
        return _select(read, classes, kept)

    def log(self, classes: Sequence[str], images: int) -> None:
        """Log what became of the tags, for a dataset that is not opened for `freeloc.check`.

        Args:
            classes: the classes of the dataset.
            images: number of images.
        """
        warn_of_left_out_names(self._path, classes, self._left_out)
        report = self.report
        if report is None or self._options.checks.for_check:
            return
        if report.rare:
            rare = sorted(report.rare.items(), key=lambda item: (-item[1], item[0]))
            more = f" and {len(rare) - _MAX_LISTED} more" if len(rare) > _MAX_LISTED else ""
            listed = ", ".join(f"{name!r} ({count})" for name, count in rare[:_MAX_LISTED])
            _log.warning(
                "%s: left out %s in fewer than %s: %s%s",
                self._path,
                "1 class" if len(rare) == 1 else f"{len(rare)} classes",
                *(pluralize(report.rules.min_images, "image"), listed, more),
            )
        if merged := report.merged:
            tags = sum(len(group) for group in merged.values())
            _log.log(NOTICE, "%s: %d tags become %s", self._path, tags, quote_names(merged))
        if report.rules.aliases and len(report.unused_aliases) == len(report.rules.aliases):
            _log.warning("%s: none of the aliases occurs among the tags", self._path)
        if report.rules.untagged == "unknown" and report.untagged:
            _log.log(
                NOTICE,
                "%s: %d of %s have no tag, so that all their labels are unknown",
                *(self._path, report.untagged, pluralize(images, "image")),
            )

    def no_classes_error(self) -> ConfigurationError | None:
        """Return the error for a dataset in which no class has enough images; None if that is not the reason."""
        if self.report is None or not self.report.rare:
            return None
        name, images = max(self.report.rare.items(), key=lambda item: item[1])
        least = pluralize(self.report.rules.min_images, "image")
        return ConfigurationError(
            f"{self._path} has no class in at least {least}; the most frequent one is {name!r} with {images}: "
            "choose a lower min_images",
            parameter="min_images",
        )

    def _name_classes(self, tags: Sequence[str], images: npt.NDArray[np.int64]) -> tuple[str, ...]:
        """Return the classes: the chosen ones, or those of all tags, in the order of their first tags."""
        rules = self._options.tags
        best: dict[str, int] = {}
        for index, tag in enumerate(tags):
            key = rules.key(tag)
            if key and images[index] > images[best.setdefault(key, index)]:
                best[key] = index
        names = {key: tags[index] if rules.fold_case else key for key, index in best.items()}
        self._spellings = names | self._spellings
        return tuple(self._spellings[key] for key in best) if self._chosen is None else self._chosen

    def _forget_missing(self, samples: Iterable[SampleDraft], classes: Sequence[str]) -> None:
        """Set the labels of the chosen classes that the dataset does not have to 0."""
        missing = [label for label, name in enumerate(classes) if name in self._missing]
        if missing:
            for sample in samples:
                sample.labels = sample.labels.copy()
                sample.labels[missing] = IGNORE


def _count_present(
    samples: Sequence[SampleDraft], counted: npt.NDArray[np.bool_], classes: int
) -> npt.NDArray[np.int64]:
    """Return the number of counted samples in which each class is present."""
    images = np.zeros(classes, np.int64)
    for sample, counts in zip(samples, counted.tolist(), strict=True):
        if counts:
            images += sample.labels == PRESENT
    return images


def _merge_labels(
    samples: Sequence[SampleDraft],
    targets: npt.NDArray[np.intp],
    is_tag: npt.NDArray[np.bool_],
    classes: int,
    *,
    unknown: bool,
) -> npt.NDArray[np.bool_]:
    """Convert the labels and boxes of samples.

    Args:
        samples: N samples, with labels of the tags.
        targets: the index of the class of each tag; −1 for tags of no class.
        is_tag: whether each tag counts as a tag, although it may be that of a class that is left out.
        classes: number of classes.
        unknown: whether all labels of an image without any tag are set to 0.

    Returns:
        (N,) whether each image has no tag: all its labels are −1.
    """
    untagged = np.zeros(len(samples), np.bool_)
    for index, sample in enumerate(samples):
        known = np.flatnonzero(sample.labels != ABSENT)
        untagged[index] = not is_tag[known].any()
        labels: Labels = np.full(classes, IGNORE if unknown and untagged[index] else ABSENT, np.int8)
        kept = known[targets[known] >= 0]
        np.maximum.at(labels, targets[kept], sample.labels[kept])  # absent < unknown < present
        sample.labels = labels
        _move_boxes(sample, targets)
    return untagged


def _select(samples: Iterable[SampleDraft], classes: tuple[str, ...], kept: Sequence[int]) -> tuple[str, ...]:
    """Select some of the classes, by their indices."""
    if len(kept) == len(classes):
        return classes
    targets = np.full(len(classes), -1, np.intp)
    targets[list(kept)] = range(len(kept))
    for sample in samples:
        sample.labels = sample.labels[list(kept)]
        _move_boxes(sample, targets)
    return tuple(classes[index] for index in kept)


def _move_boxes(sample: SampleDraft, targets: npt.NDArray[np.intp]) -> None:
    """Give boxes the label that corresponds to theirs; boxes without one are left out."""
    if sample.boxes:
        sample.boxes = tuple(
            replace(box, label=int(targets[box.label])) for box in sample.boxes if targets[box.label] >= 0
        )
