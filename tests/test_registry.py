"""The registry of components: built-in, registered and installed ones."""

from __future__ import annotations

import fractions
import sys
from pathlib import Path

import pytest

from freeloc._registry import Registry
from freeloc.errors import ConfigurationError
from tests.packages import write_package

GROUP = "freeloc.test_shapes"


@pytest.fixture
def shapes() -> Registry[object]:
    return Registry("shape", GROUP, {"fraction": "fractions:Fraction", "broken": "no_such_module:thing"})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package ``outside_shapes`` with a module, a working entry point and two broken ones."""
    locations = {
        "triangle": "outside_shapes:Triangle",
        "no_module": "outside_shapes_missing:Triangle",
        "no_attribute": "outside_shapes:Square",
        "fraction": "outside_shapes:Triangle",
    }
    write_package(tmp_path, "outside_shapes", "class Triangle:\n    pass\n", {GROUP: locations})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "outside_shapes", raising=False)
    return tmp_path


def test_builtin_components_are_imported_on_first_use(shapes: Registry[object]) -> None:
    # A built-in component that cannot be imported is an error only when it is used.
    assert shapes.names() == ("fraction", "broken")
    assert shapes.get("fraction") is fractions.Fraction
    with pytest.raises(ModuleNotFoundError):
        shapes.get("broken")


def test_register(shapes: Registry[object]) -> None:
    @shapes.register("circle")
    class Circle:
        pass

    assert shapes.get("circle") is Circle
    assert shapes.names() == ("fraction", "broken", "circle")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["fraction", "circle", "triangle"])
def test_a_name_can_be_used_only_once(shapes: Registry[object], name: str) -> None:
    shapes.register("circle")(object())
    with pytest.raises(ConfigurationError, match=f"there is already a shape called '{name}'"):
        shapes.register(name)


def test_unknown_names(shapes: Registry[object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        shapes.get("fractoin", parameter="shape")
    assert str(caught.value) == (
        "there is no shape called 'fractoin' (did you mean 'fraction'?): choose one of fraction, broken"
    )
    assert caught.value.parameter == "shape"
    with pytest.raises(ConfigurationError) as caught:
        shapes.get("zzz")
    assert str(caught.value) == "there is no shape called 'zzz': choose one of fraction, broken"
    assert caught.value.parameter is None


@pytest.mark.usefixtures("package")
def test_entry_points_of_installed_packages(shapes: Registry[object]) -> None:
    assert shapes.names() == ("fraction", "broken", "no_attribute", "no_module", "triangle")
    assert "outside_shapes" not in sys.modules
    triangle = shapes.get("triangle")
    assert triangle is sys.modules["outside_shapes"].Triangle
    # Built-in components take precedence over installed ones of the same name.
    assert shapes.get("fraction") is fractions.Fraction


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "location"),
    [("no_module", "outside_shapes_missing:Triangle"), ("no_attribute", "outside_shapes:Square")],
)
def test_broken_entry_points(shapes: Registry[object], name: str, location: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"the shape '{name}' \\({location}\\) cannot be imported"
    ) as caught:
        shapes.get(name, parameter="shape")
    assert caught.value.parameter == "shape"
    assert isinstance(caught.value.__cause__, ImportError | AttributeError)


def test_an_entry_point_of_another_group_is_ignored(package: Path) -> None:
    other: Registry[object] = Registry("shape", f"{GROUP}.other", {})
    assert other.names() == ()
