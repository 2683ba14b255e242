"""Write classification scores for the evaluation server of Pascal VOC, one file per class."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import numpy as np
from PIL import Image

from freeloc._typing import Float64Array
from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.io.appended_file import AppendedFile
from freeloc.io.atomic import output_error
from freeloc.writers.appending import AppendingWriter
from freeloc.writers.base import WriterOptions
from freeloc.writers.voc_results import (
    ClassificationComp,
    check_image_id,
    classification_paths,
    write_classification_results,
)

__all__ = ["VocClassificationWriter"]

_FOLDER: Final = "results/VOC2012/Main"
_SPLIT: Final = "test"
_COMP: Final[ClassificationComp] = "comp2"
_UNFINISHED: Final = "voc-cls.unfinished.jsonl"


class VocClassificationWriter(AppendingWriter):
    """Writer of ``results/VOC2012/Main/comp2_cls_test_dog.txt`` and a file like it for every other class.

    Each line is ``image_id score``, with the image's file name without suffix and its raw score. The files are
    written when all images are predicted; until then, the scores are in one file from which an interrupted
    prediction is continued.
    """

    name: ClassVar[str] = "voc-cls"
    place: ClassVar[str | None] = _FOLDER
    takes_frames: ClassVar[bool] = False

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._classes: tuple[str, ...] = ()
        self._scores: dict[str, Float64Array] = {}

    def __enter__(self) -> Self:
        """Open the file from which an interrupted prediction is continued, and restore the scores in it.

        Raises:
            OutputError: the file cannot be written, or is damaged.
        """
        path = self.temporary_path_of(_UNFINISHED)
        if path is not None:
            self._file = AppendedFile(path, self._keep)
            if self._keep is not None:
                self._restore(path)
        return self

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Keep the scores of one image.

        Raises:
            OutputError: the image's name or a class cannot be written in the format, two images have the same
                name, or a score is not finite.
        """
        ident, scores = path.stem, np.asarray(result.scores, np.float64)
        check_image_id(ident)
        if ident in self._scores:
            raise OutputError(
                f"two images have the ID {ident!r}: VOC results files need one ID per image; rename {path}"
            )
        if not np.isfinite(scores).all():
            raise OutputError(
                f"a score of {path} is NaN or infinite, which a VOC results file cannot represent"
            )
        if not self._classes:
            classification_paths(
                Path(_FOLDER), result.classes, _SPLIT, _COMP
            )  # checks the names of the classes
            self._append(list(result.classes))
            self._classes = result.classes
        self._append([ident, scores.tolist()])
        self._scores[ident] = scores

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the files, unless the block ended with an error.

        Raises:
            OutputError: a file cannot be written.
        """
        self.close()
        if exception is not None or not self._scores:
            return
        folder = Path() if self.folder is None else self.folder / _FOLDER
        for path in classification_paths(Path(_FOLDER), self._classes, _SPLIT, _COMP):
            self.path_of(path.as_posix())
        self.files += write_classification_results(
            folder, list(self._scores), self._classes, list(self._scores.values()), _SPLIT, _COMP
        )

    def _append(self, line: list[object]) -> None:
        if self._file is not None:
            self._file.append(json.dumps(line).encode() + b"\n")

    def _restore(self, path: Path) -> None:
        try:
            with path.open("rb") as lines:
                self._classes = tuple(map(str, json.loads(next(lines, b"[]"))))
                for line in lines:
                    ident, scores = json.loads(line)
                    self._scores[str(ident)] = np.array(scores, np.float64).reshape(len(self._classes))
        except TypeError as error:  # JSON, but not of scores
            raise output_error(path, str(error)) from error
        except (OSError, ValueError) as error:
            raise output_error(path, error) from error
