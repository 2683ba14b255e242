"""Categories of ACDSee: those that are assigned, at any level."""

from __future__ import annotations

import pytest

from freeloc.datasets.keywords.acdsee_categories import read_categories
from freeloc.datasets.keywords.keyword_paths import xmp_paths
from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.keywords.xmp_packet import CATEGORIES, FLAT, HIERARCHICAL


def category(name: str, *inner: str, assigned: int = 1) -> str:
    return f'<Category Assigned="{assigned}">{name}{"".join(inner)}</Category>'


def document(*categories: str) -> str:
    return f"<Categories>{''.join(categories)}</Categories>"


def test_assigned_categories_at_any_level() -> None:
    text = document(
        category("Places", category("France", category("Paris")), category("Spain", assigned=0), assigned=0),
        category("sea"),
    )
    assert read_categories(text) == (("Places", "France"), ("Places", "France", "Paris"), ("sea",))
    assert xmp_paths({CATEGORIES: [text], FLAT: ["Paris", "dog"]}) == (
        ("Places", "France", "Paris"),
        ("sea",),
        ("dog",),
    )
    assert xmp_paths({HIERARCHICAL[0]: ["a/b"], CATEGORIES: [text]}) == (("a", "b"),)
    assert read_categories(document()) == ()


@pytest.mark.parametrize(
    "text",
    [
        document(category("a"))[:-1],
        "Animals",
        '<!DOCTYPE x [<!ENTITY a "b">]><Categories>&a;</Categories>',
        document("".join('<Category Assigned="0">a' for _ in range(3000)) + "</Category>" * 3000),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MetadataError, match="acdsee:categories .*again"):
        read_categories(text)
