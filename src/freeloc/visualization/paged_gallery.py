"""A page with any number of images, of which a script shows some at a time, by class, kind and name.

The page contains what it says about all images as JSON. The pictures are files beside it, so a browser loads only
those that are shown. No server is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal
from urllib.parse import quote_from_bytes

from markupsafe import Markup

from freeloc._printable import printable
from freeloc.visualization.html_templates import render_template

__all__ = ["Kind", "Outcome", "embed_json", "picture_name", "picture_path", "render_around"]

_DIGITS: Final = 20
_MARK: Final = "images-of-the-page"
"""Stands for the images while the page around them is rendered."""


@dataclass(frozen=True)
class Outcome:
    """What the point of a class may be.

    Attributes:
        mark: a character in front of the class.
        note: words behind it.
        style: how it is colored.
    """

    mark: str
    note: str
    style: Literal["right", "wrong", "plain"]


@dataclass(frozen=True)
class Kind:
    """A choice of images on the page.

    Attributes:
        id: its name in the address of the page.
        text: its name on the page.
        outcomes: the images with a point of one of these outcomes, by their numbers.
        with_empty: whether images without any point are among them.
    """

    id: str
    text: str
    outcomes: tuple[int, ...]
    with_empty: bool = False


def picture_name(key: str) -> str:
    """Return the hexadecimal name of a picture."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def picture_path(name: str) -> str:
    """Return where a picture is in its folder; two digits as subfolder keep folders small.

    Args:
        name: its hexadecimal name; a suffix after a hyphen tells the pictures of one image apart.

    Example:
        >>> picture_path("90ab03")
        '90/90ab03.jpg'
    """
    return f"{name[:2]}/{name}.jpg"


def render_around(
    title: str,
    lead: Sequence[str],
    classes: Sequence[str],
    folder: bytes,
    kinds: Sequence[Kind],
    outcomes: Sequence[Outcome],
) -> tuple[str, str]:
    """Return the page up to its images, and after them; the same arguments yield the same text.

    Each image is a list for `embed_json`: its name, as shown; the name of its picture; width and height of the
    picture; its points; the classes of its maps; and a note. Commas separate them. A point is a list of a class,
    an outcome, x and y in the picture, and a score; the last three may be None. The picture of map number N is
    ``NAME-N``.

    Args:
        title: title of the page.
        lead: paragraphs below the title.
        classes: class names.
        folder: name of the folder of the pictures, next to the page; see `picture_path`.
        kinds: the choices of images; the first one is chosen at first.
        outcomes: what points may be.
    """
    values = {
        "classes": [printable(name) for name in classes],
        "folder": f"./{quote_from_bytes(folder, safe='')}",
        "kinds": {kind.id: [list(kind.outcomes), kind.with_empty] for kind in kinds},
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "images": _MARK,
    }
    script = render_template("paged_gallery.js.j2")
    page = render_template(
        "paged_gallery.html.j2",
        title=title,
        lead=lead,
        headings=[],
        kinds=kinds,
        script=Markup(script),  # noqa: S704 - a file of the package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(embed_json(values)),  # noqa: S704 - escaped
    )
    before, _, after = page.rpartition(f'"{_MARK}"')
    return f"{before}[", f"]{after}"


def embed_json(values: Any) -> str:
    """Return JSON that can be part of an HTML page: it contains no character that ends an element."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
