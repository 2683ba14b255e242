"""Registry of named components, to which other packages can add their own through entry points.

Poolings, dataset formats, writers and backbones each have one `Registry`. It contains the built-in components,
the components registered with `Registry.register`, and the entry points of installed packages. Built-in components
and entry points are imported on first use.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from freeloc.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry"]

Component = TypeVar("Component")


class Registry(Generic[Component]):
    """Components of one kind, which are looked up by name.

    Args:
        kind: noun for the kind of component, such as "writer", used in messages.
        group: the entry-point group in which other packages list their components, such as "freeloc.writers".
        builtin: maps the name of each built-in component to its location, ``"package.module:attribute"``.

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
        # Imported here because it loads ``email`` and other packages, which ``freeloc --help`` does not need.
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group)}

    def register(self, name: str) -> Callable[[Component], Component]:
        """Return a decorator that registers a component under a name.

        Raises:
            ConfigurationError: a component with this name already exists.
        """
        if name in self.names():
            raise ConfigurationError(f"there is already a {self.kind} called {name!r}: choose another name")

        def add(component: Component) -> Component:
            self._registered[name] = component
            return component

        return add

    def names(self) -> tuple[str, ...]:
        """Return the names of all components, in the order built-in, registered, installed."""
        return tuple(dict.fromkeys((*self._builtin, *self._registered, *sorted(self._installed))))

    def get(self, name: str, *, parameter: str | None = None) -> Component:
        """Return a component by name, importing it on first use.

        Args:
            name: the component's name.
            parameter: name of the parameter that was set to ``name``, for the error.

        Raises:
            ConfigurationError: no component has this name, or another package's component cannot be imported.
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
                    f"the {self.kind} {name!r} ({point.value}) cannot be imported ({error}): "
                    "reinstall the package that provides it",
                    parameter=parameter,
                ) from error
        similar = difflib.get_close_matches(name, self.names(), n=1)
        suggestion = f" (did you mean {similar[0]!r}?)" if similar else ""
        raise ConfigurationError(
            f"there is no {self.kind} called {name!r}{suggestion}: choose one of {', '.join(self.names())}",
            parameter=parameter,
        )
