"""A registry of named components, which packages outside freeloc extend through entry points.

Poolings, dataset formats, writers and backbones each have one `Registry`. A component is found by name in three
places: those registered with `Registry.register`, the built-in ones, which are imported on first use, and the
entry points of installed packages.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from freeloc.errors import ConfigurationError

__all__ = ["Registry"]

Component = TypeVar("Component")


class Registry(Generic[Component]):
    """Components of one kind by name.

    Args:
        kind: what messages call a component, such as "writer".
        group: entry-point group that other packages use, such as "freeloc.writers".
        builtin: name of each built-in component and where it is defined, as ``"package.module:attribute"``.

    Example:
        >>> shapes: Registry[type] = Registry("shape", "example.shapes", {"fraction": "fractions:Fraction"})
        >>> shapes.names()
        ('fraction',)
        >>> shapes.get("fraction")
        <class 'fractions.Fraction'>
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtin = dict(builtin)
        self._registered: dict[str, Component] = {}

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def register(self, name: str) -> Callable[[Component], Component]:
        """Return a decorator that registers a component under a name.

        Raises:
            ConfigurationError: the name is taken.
        """
        if name in self.names():
            raise ConfigurationError(f"there is already a {self.kind} called {name!r}: choose another name")

        def add(component: Component) -> Component:
            self._registered[name] = component
            return component

        return add

    def names(self) -> tuple[str, ...]:
        """Return the names of all components: built-in, registered and installed ones, in this order."""
        return tuple(dict.fromkeys((*self._builtin, *self._registered, *sorted(self._installed))))

    def get(self, name: str, *, parameter: str | None = None) -> Component:
        """Return the component of a name, importing it on first use.

        Args:
            name: the name.
            parameter: the parameter that gave it, for the error.

        Raises:
            ConfigurationError: there is no such component, or an installed package's one cannot be imported.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return cast("Component", getattr(importlib.import_module(module), attribute))
        if name in self._installed:
            point = self._installed[name]
            try:
                return cast("Component", point.load())
            except (ImportError, AttributeError) as error:
                raise ConfigurationError(
                    f"the {self.kind} {name!r} of {point.value} cannot be imported ({error}): "
                    "reinstall the package that provides it",
                    parameter=parameter,
                ) from error
        near = difflib.get_close_matches(name, self.names(), n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigurationError(
            f"there is no {self.kind} called {name!r}{meant}: choose one of {', '.join(self.names())}",
            parameter=parameter,
        )
