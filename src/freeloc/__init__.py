"""Object localization from image tags alone.

Example:
    >>> import freeloc
    >>> localizer = freeloc.Localizer.load("voc20")
    >>> for location in localizer.predict("street.jpg").present():
    ...     print(location.name, location.probability, location.x, location.y)

The public names are listed in one place, ``__init__.pyi``. Each is imported on first use; ``import freeloc`` by
itself loads none of them.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("freeloc")
    import lazy_loader

    get, _list, names = lazy_loader.attach_stub(__name__, __file__)
    return sorted((*names, "__version__")) if name == "__all__" else get(name)


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))  # type: ignore[call-overload]
