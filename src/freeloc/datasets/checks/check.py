"""Check a dataset: everything that `open_dataset` refuses, and everything that will hurt a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

from freeloc._validation import check_arguments
from freeloc.datasets.checks.classes import check_chosen, check_classes
from freeloc.datasets.checks.findings import Finding
from freeloc.datasets.checks.images import check_duplicates, check_sizes
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.datasets.training_data import DataOptions, open_for_training
from freeloc.errors import ConfigurationError
from freeloc.io.progress import pluralize

__all__ = ["DatasetReport", "check"]


@dataclass(frozen=True, repr=False)
class DatasetReport:
    """The result of `check`.

    Attributes:
        dataset: the dataset, without images that were left out.
        findings: what will hurt a model, in the order of its weight.
    """

    dataset: Dataset
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Whether a model can be trained on the dataset, in one sentence."""
        size = f"{pluralize(len(self.dataset), 'image')} and {_classes(self.dataset)}"
        if not self.findings:
            return f"ready for training: {size}, and nothing was found that would hurt a model"
        count = "1 warning" if len(self.findings) == 1 else f"{len(self.findings)} warnings"
        return f"can be used for training ({size}), but {count} above may make the model worse"

    def counts(self) -> dict[str, int]:
        """Return the number of images in which each class is present."""
        present = (self.dataset.labels == PRESENT).sum(axis=0)
        return {name: int(count) for name, count in zip(self.dataset.classes, present, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; tags are sorted by their numbers of images."""
        tags = self.dataset.tags
        return {
            "schema_version": 1,
            "dataset": self.dataset.name,
            "images": len(self.dataset),
            "skipped": self.dataset.skipped,
            "classes": self.counts(),
            "tags": [
                {"tag": tag.name, "images": tag.images, "class": tag.class_name}
                for tag in (() if tags is None else tags.by_images)
            ],
            "left_out": {} if tags is None else tags.rare,
            "untagged": None if tags is None else tags.untagged,
            "rules": None if tags is None else tags.rules.to_dict(),
            "findings": [asdict(finding) for finding in self.findings],
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        return "\n".join((*map(str, self.findings), self.verdict))

    def __repr__(self) -> str:
        kinds = ", ".join(finding.kind for finding in self.findings)
        return f"DatasetReport({self.dataset!r}, findings: {kinds or 'none'})"


@check_arguments
def check(
    data: Dataset | DataSource,
    *,
    other_splits: Sequence[str] = (),
    quiet: bool = False,
    **options: Unpack[DataOptions],
) -> DatasetReport:
    """Check that a dataset is ready for training, and look for what will hurt a model.

    Args:
        data: what `freeloc.datasets.open_dataset.open_dataset` opens, or an open dataset. Images of
            the latter are compared only if it was opened with ``DatasetChecks(for_check=True)``.
        other_splits: further splits of the same dataset, such as "val", that must not contain images that look
            like those of ``data``. Their images are decoded as well.
        quiet: whether to hide progress.
        options: options of `open_dataset`, such as ``split="train"``.

    Returns:
        The findings: chosen classes that the dataset does not have, near-duplicates with contradicting tags or in
        different splits, similar, misspelled or joined class names, rare classes, classes in nearly all images or
        never seen apart, hardly any image without a class, and small images.

    Raises:
        DataProblems: the dataset has problems that prevent training.
        DatasetError: ``data`` is not a dataset, or an option does not apply to it.
        ConfigurationError: an option is not valid.
    """
    others: list[Dataset] = []
    chosen: Sequence[str] | None = None
    if isinstance(data, Dataset):
        if options or other_splits:
            name = next(iter(options), "other_splits")
            raise ConfigurationError(f"{name} applies only to the path of a dataset: omit it", parameter=name)
        dataset = data
    else:
        dataset = open_for_training(data, quiet=quiet, for_check=True, **options)
        chosen = options.get("classes")
        if chosen or (dataset.tags is not None and not dataset.tags.rules.is_default):
            options["classes"] = dataset.classes
            options["min_images"] = 0
        for split in other_splits:
            options["split"] = split
            others.append(
                open_for_training(data, quiet=quiet, for_check=True, check_classes=False, **options)
            )
    findings = (
        *check_chosen(dataset, chosen or ()),
        *check_duplicates(dataset, others),
        *check_classes(dataset),
        *check_sizes(dataset),
    )
    return DatasetReport(dataset, findings)


def _classes(dataset: Dataset) -> str:
    return "1 class" if len(dataset.classes) == 1 else f"{len(dataset.classes)} classes"
