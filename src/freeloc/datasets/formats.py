"""Interface and registry of dataset formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from freeloc._registry import Registry
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.options import OpenOptions
from freeloc.errors import ConfigurationError, DatasetError, DatasetOptionError

__all__ = ["FORMATS", "DatasetFormat", "ancestors_error", "detect_format", "minus_one_error"]


_ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


class DatasetFormat(ABC):
    """A dataset format: how to recognize a dataset and how to open it.

    To add a format, another package defines a subclass and an entry point in the group ``freeloc.readers``;
    `docs/data.md` shows an example.

    Attributes:
        layout: the files and folders by which the format is recognized, for error messages.
        reads_minus_one: whether the format uses the option ``minus_one``.
        reads_ancestors: whether the format uses the option ``ancestors``.
    """

    layout: ClassVar[str]
    reads_minus_one: ClassVar[bool] = False
    reads_ancestors: ClassVar[bool] = False

    @abstractmethod
    def detect(self, path: Path) -> bool:
        """Return whether a path has the files that are typical of this format."""

    def guess(self, path: Path) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether a path could be in this format even though it lacks the typical files.

        This method is called only if no format detects ``path``. It may rely on weak evidence, such as folders of
        images, which occur in most formats.
        """
        return False

    @abstractmethod
    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the dataset; `freeloc.datasets.builder.DatasetBuilder` checks its images and collects problems.

        Args:
            path: the file or folder, which exists.
            options: the validated arguments of `freeloc.datasets.open_dataset`.

        Raises:
            DataProblems: the dataset has problems.
            DatasetError: ``path`` is not in this format, or an option does not fit the dataset.
        """


FORMATS: Registry[type[DatasetFormat]] = Registry(
    "dataset format",
    "freeloc.readers",
    {
        "voc": "freeloc.datasets.voc.reader:VocFormat",
        "coco": "freeloc.datasets.coco.reader:CocoFormat",
        "tags": "freeloc.datasets.tags.reader:TagListFormat",
        "folders": "freeloc.datasets.tags.reader:ClassFoldersFormat",
        "keywords": "freeloc.datasets.keywords.reader:KeywordsFormat",
        "txt": "freeloc.datasets.tags.text_files:TextFilesFormat",
        "label_studio": "freeloc.datasets.label_studio.reader:LabelStudioFormat",
        "cvat": "freeloc.datasets.cvat.reader:CvatFormat",
        "roboflow": "freeloc.datasets.roboflow:RoboflowFormat",
        "open_images": "freeloc.datasets.open_images:OpenImagesFormat",
        "labelme": "freeloc.datasets.labelme:LabelmeFormat",
        "datumaro": "freeloc.datasets.datumaro:DatumaroFormat",
    },
)
"""All dataset formats by name."""


def minus_one_error(path: Path) -> ConfigurationError:
    """Return the error for the option ``minus_one`` with a dataset that does not use it."""
    return ConfigurationError(
        f"minus_one applies only to tag lists with one column per class, not to {path}: omit it",
        parameter="minus_one",
    )


def ancestors_error(path: Path) -> ConfigurationError:
    """Return the error for the option ``ancestors`` with a dataset whose tags have no levels."""
    return ConfigurationError(
        f"ancestors applies only to keywords and exports of Label Studio, not to {path}: omit it",
        parameter="ancestors",
    )


def detect_format(path: Path) -> DatasetFormat:
    """Return the only format that matches a path.

    Raises:
        DatasetError: no format matches, or several do.
    """
    formats = {name: FORMATS.get(name)() for name in FORMATS.names()}
    names = [name for name, each in formats.items() if each.detect(path)]
    names = names or [name for name, each in formats.items() if each.guess(path)]
    if not names and path.suffix.lower() in _ARCHIVES:
        raise DatasetError(f"{path} is an archive: extract it, and open the extracted folder", path=path)
    if not names:
        layouts = "; ".join(dict.fromkeys(entry.layout for entry in formats.values()))
        raise DatasetError(f"{path} is not a dataset in a known format; expected {layouts}", path=path)
    if len(names) > 1:
        raise DatasetOptionError(
            f"{path} could be in the format {' or '.join(names)}: choose one", path=path, parameter="format"
        )
    return formats[names[0]]
