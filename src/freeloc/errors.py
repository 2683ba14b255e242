"""Exceptions raised for errors that the caller can fix.

Every such exception is a `FreelocError`. Its message says what failed, why, and how to fix it. The message refers
to the Python API, never to command-line options. If a parameter caused the error or would fix it, ``parameter`` is
the name of that parameter, and the command line appends the corresponding option to the message. Messages are safe
to print: `freeloc._printable.printable_message` escapes control characters and line breaks in the names that they
quote, and shortens very long ones.

Hierarchy::

    FreelocError
    ├── ConfigurationError (also a ValueError)   a parameter is out of range or unknown
    ├── MissingFileError (a FileNotFoundError)   a file or folder does not exist
    ├── ImageError                               an image cannot be found, read or decoded
    │   ├── MissingImageError                    an image does not exist; also a MissingFileError
    │   └── ImageValueError                      a value is not an image; also a ConfigurationError
    ├── DatasetError                             a dataset cannot be opened, or is unsuitable for the task
    │   ├── MissingDatasetError                  a file or folder does not exist; also a MissingFileError
    │   ├── DatasetOptionError                   an option does not apply; also a ConfigurationError
    │   ├── MalformedFileError                   a file does not conform to its format and cannot be parsed
    │   └── DataProblems (freeloc.datasets)      all problems of a dataset in one report
    ├── ModelError                               a model file is missing, damaged or incompatible
    │   └── MissingModelError                    a model does not exist; also a MissingFileError
    ├── BackboneError                            a backbone is unknown, or its weights are missing or incompatible
    │   ├── MissingWeightsError                  a weight file does not exist; also a MissingFileError
    │   └── UnknownBackboneError                 there is no such backbone; also a ConfigurationError
    ├── TrainingError                            a training run cannot start, resume or converge
    ├── OutputError                              a result cannot be written
    ├── ResourceError                            open files or memory are exhausted
    └── MissingDependencyError                   an optional package is not installed

Programs that do not know freeloc's errors can rely on Python's: a file or folder that does not exist raises a
``FileNotFoundError``, and a wrong value of a parameter a ``ValueError``.
"""

from __future__ import annotations

import os
from errno import ENOENT
from pathlib import Path
from typing import Any, Final, Self, get_args

from freeloc._printable import printable_message

__all__ = [
    "BackboneError",
    "ConfigurationError",
    "DatasetError",
    "DatasetOptionError",
    "FreelocError",
    "ImageError",
    "ImageValueError",
    "MalformedFileError",
    "MissingDatasetError",
    "MissingDependencyError",
    "MissingFileError",
    "MissingImageError",
    "MissingModelError",
    "MissingWeightsError",
    "ModelError",
    "OutputError",
    "ResourceError",
    "TrainingError",
    "UnknownBackboneError",
    "check_choice",
    "check_seed",
]

_MAX_SEED: Final = 2**63 - 1
"""Largest seed that torch, NumPy and the JSON in model files all support."""


class FreelocError(Exception):
    """Base class of all errors that the caller can fix.

    Attributes:
        parameter: name of the Python parameter that caused the error or would fix it; None if there is none.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(printable_message(message))
        self.parameter = parameter

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle message and attributes; by default, the constructor would be called with the message alone."""
        return _restore, (type(self), self.args), self.__dict__

    def without_traceback(self) -> Self:
        """Return the error itself, without its tracebacks and those of its causes.

        An error that is kept rather than raised would otherwise keep all local variables of the functions it
        passed through, such as the bytes and pixels of a damaged image.
        """
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = None
            error = error.__cause__ or error.__context__
        return self


def _restore(error: type[FreelocError], args: tuple[Any, ...]) -> FreelocError:
    """Return an unpickled error, whose attributes pickle sets afterwards."""
    restored = error.__new__(error, *args)
    restored.args = args  # `OSError.__new__` leaves them to `OSError.__init__`
    return restored


class ConfigurationError(FreelocError, ValueError):
    """A parameter is out of range or unknown, or conflicts with another parameter."""


class MissingFileError(FreelocError, FileNotFoundError):
    """A file or folder does not exist.

    Attributes:
        errno: the error number ``ENOENT``.
        strerror: its text, such as "No such file or directory".
        filename: the path as a string; None if the error does not concern a particular path.
    """

    errno = ENOENT
    strerror = os.strerror(ENOENT)

    @property
    def filename(self) -> str | None:
        """The path as a string; None if the error does not concern a particular path."""
        path = getattr(self, "path", None)
        return None if path is None else str(path)

    def __str__(self) -> str:
        return str(self.args[0])  # `OSError` would put the number before the message


class ImageError(FreelocError):
    """An image cannot be found, read or decoded.

    Attributes:
        path: the image file; None if the image does not come from a file.
        reason: why the image cannot be read, without the file name or the suggested fix; defaults to the message.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        reason: str | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(message, parameter=parameter)
        self.path = path
        self.reason = message if reason is None else reason


class MissingImageError(ImageError, MissingFileError):
    """An image file or folder does not exist."""


class ImageValueError(ImageError, ConfigurationError):
    """A value is not an image: it has the wrong type, shape, data type or range."""


class DatasetError(FreelocError):
    """A dataset cannot be opened, or is unsuitable for the task.

    Attributes:
        path: the file or folder; None if the error concerns the dataset as a whole.
    """

    def __init__(self, message: str, *, path: Path | None = None, parameter: str | None = None) -> None:
        super().__init__(message, parameter=parameter)
        self.path = path


class MissingDatasetError(DatasetError, MissingFileError):
    """A file or folder of a dataset does not exist."""


class DatasetOptionError(DatasetError, ConfigurationError):
    """An option does not apply to the dataset, such as a split that it does not have."""


class MalformedFileError(DatasetError):
    """A file does not conform to its format and cannot be parsed.

    Attributes:
        file: the file.
        line: line number at which parsing stopped, counted from 1; None if it is unknown.
        reason: what is wrong, without the file name.
    """

    def __init__(self, file: Path, line: int | None, reason: str) -> None:
        location = f"{file}" if line is None else f"{file}:{line}"
        super().__init__(f"{location}: {reason}", path=file)
        self.file = file
        self.line = line
        self.reason = reason


class ModelError(FreelocError):
    """A model file is missing, damaged, incompatible, or of an unsupported version.

    Attributes:
        path: the model file; None if no file was found.
    """

    def __init__(self, message: str, *, path: Path | None = None, parameter: str | None = None) -> None:
        super().__init__(message, parameter=parameter)
        self.path = path


class MissingModelError(ModelError, MissingFileError):
    """A model does not exist, neither as a file nor under a name."""


class BackboneError(FreelocError):
    """A backbone is unknown, or its weights are missing or incompatible.

    Attributes:
        path: the weight file; None if the error does not concern a file.
    """

    def __init__(self, message: str, *, path: Path | None = None, parameter: str | None = None) -> None:
        super().__init__(message, parameter=parameter)
        self.path = path


class MissingWeightsError(BackboneError, MissingFileError):
    """A weight file does not exist."""


class UnknownBackboneError(BackboneError, ConfigurationError):
    """There is no backbone with the given name."""


class TrainingError(FreelocError):
    """A training run cannot start, resume or converge."""


class OutputError(FreelocError):
    """A result cannot be written.

    Attributes:
        path: the file or folder that cannot be written.
    """

    def __init__(self, message: str, *, path: Path | None = None, parameter: str | None = None) -> None:
        super().__init__(message, parameter=parameter)
        self.path = path


class ResourceError(FreelocError):
    """The process has no open files or no memory left; nothing is wrong with the files that it was reading."""


class MissingDependencyError(FreelocError):
    """An optional package is not installed or cannot be loaded.

    Attributes:
        extra: the freeloc extra that installs the package; None if there is none.
    """

    def __init__(self, message: str, *, extra: str | None = None) -> None:
        super().__init__(message)
        self.extra = extra


def check_choice(parameter: str, value: object, choices: object) -> None:
    """Check that a parameter's value is one of the choices of a ``Literal``.

    Args:
        parameter: name of the parameter.
        value: its value.
        choices: the ``Literal`` type.

    Raises:
        ConfigurationError: ``value`` is not one of the choices.
    """
    allowed = get_args(choices)
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(map(str, allowed))
        raise ConfigurationError(f"{parameter} is {value!r}: choose one of {names}", parameter=parameter)


def check_seed(seed: int) -> None:
    """Check a random seed.

    Raises:
        ConfigurationError: ``seed`` is not a whole number from 0 to 2^63 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MAX_SEED:
        raise ConfigurationError(
            f"seed is {seed!r}: it must be a whole number from 0 to {_MAX_SEED}", parameter="seed"
        )
