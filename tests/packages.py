"""Packages that extend freeloc, installed as by pip."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from freeloc._registry import Registry


def write_package(
    folder: Path, module: str, source: str, entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """Write a package of one module.

    Args:
        folder: the folder, which is created if necessary.
        module: name of the module and of the package.
        source: the module's code.
        entry_points: locations of components, by group and name.
    """
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines: list[str] = []
    for group, locations in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {location}" for name, location in locations.items())]
    (information / "entry_points.txt").write_text("\n".join([*lines, ""]))


@contextmanager
def installed(folder: Path, module: str, registry: Registry[Any]) -> Iterator[None]:
    """Make a package importable within a context, and refresh a registry's entry points before and after."""

    def forget() -> None:
        sys.modules.pop(module, None)
        vars(registry).pop("_installed", None)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        forget()
        try:
            yield
        finally:
            forget()
