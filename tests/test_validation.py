"""Values checked against type annotations: what is accepted, converted and refused, and the messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from msgspec import Meta

from freeloc._validation import Count, Seed, check_arguments, check_fields, check_value
from freeloc.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    count: Count = 1
    rate: Annotated[float, Meta(gt=0)] = 0.5
    scales: tuple[float, ...] = (1.0,)
    file: str | Path | None = None
    kind: Literal["a", "b"] = "a"
    quiet: bool = False

    def __post_init__(self) -> None:
        check_fields(self, {"kind": "the_kind"})


@pytest.mark.parametrize(
    ("value", "hint", "wanted"),
    [
        *((3, int, 3), (np.int64(3), int, 3), (2**62, Seed, 2**62)),
        *((1.5, float, 1.5), (2, float, 2.0), (np.float32(0.5), float, 0.5), (Fraction(1, 4), float, 0.25)),
        *((True, bool, True), (np.bool_(False), bool, False)),
        *(("a", str, "a"), (np.str_("a"), str, "a")),
        *(([1, 2], tuple[float, ...], (1.0, 2.0)), (range(3), tuple[int, ...], (0, 1, 2))),
        *((np.array([1, 2]), tuple[int, ...], (1, 2)), (np.array(["a"]), Sequence[str], ("a",))),
        *(((1, "a"), tuple[int, str], (1, "a")), (["a", Path("b")], Sequence[str | Path], ("a", Path("b")))),
        *(("a", str | Path, "a"), (Path("a"), str | Path | None, Path("a")), (None, str | Path | None, None)),
        *(("a", Path | None, Path("a")), (PurePosixPath("a"), os.PathLike[str], PurePosixPath("a"))),
        *(
            ({"a": 1}, Mapping[str, int], {"a": 1}),
            ("b", Literal["a", "b"], "b"),
            (len, Callable[..., int], len),
        ),
        *((object, Any, object), (5, Annotated[int, Meta(ge=5, le=5)], 5)),
    ],
)
def test_what_is_accepted(value: object, hint: Any, wanted: object) -> None:
    found = check_value("option", value, hint)
    assert found == wanted
    assert type(found) is type(wanted)


def test_a_value_of_the_right_type_is_returned_as_it_is() -> None:
    for value, hint in (
        ((1.0, 2.0), tuple[float, ...]),
        (Path("a"), str | Path),
        ({"a": 1}, Mapping[str, int]),
    ):
        assert check_value("option", value, hint) is value


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ("3", int, "option is '3': it must be a whole number"),
        (3.0, int, "option is 3.0: it must be a whole number"),
        (True, int, "option is True: it must be a whole number"),
        (None, int, "option is None: it must be a whole number"),
        ("a", Count, "option is 'a': it must be a whole number, at least 1"),
        (0, Count, "option is 0: it must be at least 1$"),
        ("1", float, "option is '1': it must be a finite number"),
        (float("nan"), float, "option is nan: it must be a finite number"),
        (float("-inf"), float, "option is -inf: it must be a finite number"),
        (10**400, float, "it must be a finite number"),
        (1j, float, "option is of type complex: it must be a finite number"),
        (1, bool, "option is 1: it must be True or False"),
        ("yes", bool, "option is 'yes': it must be True or False"),
        (b"a", str, "option is b'a': it must be a string"),
        ("0.5,1", tuple[float, ...], "option is '0.5,1': it must be a tuple of finite numbers"),
        (1.0, tuple[float, ...], "option is 1.0: it must be a tuple of finite numbers"),
        (["1"], tuple[float, ...], r"option is \['1'\]: it must be a tuple of finite numbers"),
        ({1.0}, tuple[float, ...], "option is of type set: it must be a tuple of finite numbers"),
        ((1,), tuple[int, str], "option is"),
        (
            "x",
            Annotated[float, Meta(ge=0)] | None,
            "option is 'x': it must be a finite number, at least 0, or None",
        ),
        (5, str | Path, "option is 5: it must be a path"),
        (b"a", str | Path | None, "option is b'a': it must be a path or None"),
        ("a\0b", str | Path, "it must be a path, without null characters"),
        ("a", Literal["b", "c"], "option is 'a': choose one of b, c"),
        ([], Literal["b", "c"], r"option is \[\]: choose one of b, c"),
        (Options, Options, "option is the class Options: it must be an Options"),
        ("x", Options | None, "option is 'x': it must be an Options or None"),
        ((0,), tuple[Count, ...], "option contains 0: it must be at least 1"),
        ([1], Mapping[str, int], r"option is \[1\]: it must be a Mapping"),
        (3, Callable[..., int], "option is 3: it must be a function"),
        ("", Annotated[str, Meta(min_length=1)], "option is '': it must not be empty"),
    ],
)
def test_what_is_refused(value: object, hint: Any, message: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"^{message}" if message.startswith("option") else message
    ) as caught:
        check_value("option", value, hint)
    assert caught.value.parameter == "option"
    assert "\n" not in str(caught.value)


def test_seeds() -> None:
    for seed in (-1, 2**63):
        with pytest.raises(ConfigurationError, match=f"^seed is {seed}: it must be a whole number from 0 to"):
            check_value("seed", seed, Seed)
    with pytest.raises(ConfigurationError, match="^seed is 1.5: it must be a whole number"):
        check_value("seed", 1.5, Seed)


def test_long_values_are_shortened() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_value("option", "x" * 10_000, int)
    assert len(str(caught.value)) < 200


def test_the_fields_of_a_dataclass_are_converted() -> None:
    options = Options(count=np.int64(2), rate=1, scales=[1, 2], file="a")  # type: ignore[arg-type]
    assert options == Options(2, 1.0, (1.0, 2.0), "a")
    assert type(options.count) is int
    assert (type(options.rate), type(options.scales), type(options.scales[0])) == (float, tuple, float)
    with pytest.raises(ConfigurationError, match="^the_kind is 'c'") as caught:
        Options(kind="c")  # type: ignore[arg-type]
    assert caught.value.parameter == "the_kind"


def test_a_keyword_that_a_function_does_not_take() -> None:
    @check_arguments
    def draw(size: int, *, colors: int = 3) -> int:
        return size * colors

    assert draw(2, colors=4) == 8
    with pytest.raises(
        ConfigurationError, match="draw has no option called 'colours': did you mean 'colors'"
    ) as caught:
        draw(2, colours=4)  # type: ignore[call-arg]
    assert caught.value.parameter == "colours"
    with pytest.raises(TypeError, match="missing a required argument: 'size'"):
        draw()  # type: ignore[call-arg]


def test_the_arguments_of_a_function_are_checked_before_it_is_called() -> None:
    calls: list[object] = []

    @check_arguments
    def work(options: Options, count: Count = 1, *, quiet: bool = False, **others: object) -> int:
        """Do nothing."""
        calls.append((options, count, quiet, others))
        return count

    assert work(Options(), np.int64(4), other=5) == 4  # type: ignore[arg-type]
    assert calls == [(Options(), 4, False, {"other": 5})]
    assert (work.__name__, work.__doc__) == ("work", "Do nothing.")
    for wrong in ({"count": 0}, {"quiet": 1}, {"options": "x"}):
        with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))} is "):
            work(**{"options": Options(), **wrong})  # type: ignore[arg-type]
    assert len(calls) == 1
