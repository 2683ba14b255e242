"""Write a changed model: keep the file that it replaces, and lose nothing if it cannot be written."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path

from freeloc.errors import FreelocError, OutputError
from freeloc.io.atomic import atomic_path
from freeloc.models.model import Model

__all__ = ["keep_earlier_file", "save_or_keep"]


def keep_earlier_file(target: Path, change: str) -> Path | None:
    """Copy a model file that is about to be replaced to a new name beside it.

    Args:
        target: the model file.
        change: what is about to happen to the file, such as "calibration". ``model.safetensors`` is then copied to
            ``model.before-calibration.safetensors`` or, if that exists, ``model.before-calibration-2.safetensors``
            and so on.

    Returns:
        The copy; None if there is no file at ``target``.

    Raises:
        OutputError: the copy cannot be written.
    """
    if not target.is_file():
        return None
    base = f"{target.name.removesuffix('.safetensors')}.before-{change}"
    names = (f"{base}{'' if number == 1 else f'-{number}'}.safetensors" for number in itertools.count(1))
    copy = next(path for name in names if not (path := target.with_name(name)).exists())
    with atomic_path(copy) as temporary:
        shutil.copyfile(target, temporary)
    return copy


def save_or_keep(model: Model, target: Path) -> None:
    """Write a model file or, if this fails, write the model to the system's folder for temporary files.

    Raises:
        OutputError: ``target`` cannot be written; the message names the file that was written instead.
    """
    try:
        model.save(target)
    except OutputError as error:
        folder = Path(tempfile.mkdtemp(prefix="freeloc-"))
        kept = folder / target.name
        try:
            model.save(kept)
        except FreelocError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise error from None
        raise OutputError(
            f"{error}; meanwhile, the model is in {kept}", path=target, parameter=error.parameter
        ) from error
