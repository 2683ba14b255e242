"""Results as HTML, for notebooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from freeloc._validation import Count, check_arguments
from freeloc.errors import ConfigurationError, ImageError
from freeloc.inference.result import Localization
from freeloc.inference.result_list import each_result
from freeloc.visualization.data_uri import data_uri, encode_jpeg
from freeloc.visualization.html_templates import render_template
from freeloc.visualization.result_overlay import result_overlay

__all__ = ["ShownResults", "result_html", "show"]

_MAX_CLASSES: Final = 5
"""Maximum number of classes in a table, and of panels beside the image."""


@dataclass(frozen=True, repr=False)
class ShownResults:
    """Results that a notebook shows, one below the other.

    Attributes:
        results: the results.
        are_all: whether there are no others.
    """

    results: tuple[Localization, ...]
    are_all: bool = True

    def __repr__(self) -> str:
        lines = [repr(result) for result in self.results]
        return "\n".join([*lines, *([] if self.are_all else ["…"])])

    def _repr_html_(self) -> str:
        parts = [result_html(result) for result in self.results]
        if not self.are_all:
            parts.append(f"<p>Only the first {len(self.results)} results are shown; limit sets how many.</p>")
        return "\n".join(parts)


@check_arguments
def show(results: Localization | Iterable[Localization], *, limit: Count = 24) -> ShownResults:
    """Return results in the form in which a notebook shows them: overlays, and tables of the present classes.

    Args:
        results: one result, or several, such as those of `Localizer.predict_many`.
        limit: maximum number of results.

    Returns:
        An object for the end of a cell; elsewhere, pass it to IPython's ``display``. Outside of notebooks, it
        prints one line per result.

    Example:
        >>> import freeloc
        >>> localizer = freeloc.Localizer("voc20")
        >>> freeloc.show(localizer(["street.jpg", "street.jpg"]))  # doctest: +ELLIPSIS
        Localization(street.jpg, ...
        Localization(street.jpg, ...
    """
    first = tuple(itertools.islice(each_result(results), limit + 1))
    return ShownResults(first[:limit], len(first) <= limit)


def result_html(result: Localization) -> str:
    """Return a result as a fragment of HTML: the overlay, if the image is available, and the present classes."""
    present = result.present()
    shown = present[:_MAX_CLASSES]
    try:
        overlay = result_overlay(result, classes=[location.name for location in shown])
        picture = data_uri(encode_jpeg(overlay, quality=85))
    except (ConfigurationError, ImageError):
        # The result is that of score maps or of an array in a stream, or the file has been moved.
        picture = None
    return render_template(
        "result.html.j2",
        image="image in memory" if result.path is None else str(result.path),
        size=result.image_size,
        picture=picture,
        classes=shown,
        more=len(present) - len(shown),
        known=len(result.classes),
    )
