"""Results in the forms in which functions about several results take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from freeloc._validation import describe_value
from freeloc.errors import ConfigurationError
from freeloc.inference.result import Localization

__all__ = ["each_result"]


def each_result(results: Localization | Iterable[Localization]) -> Iterator[Localization]:
    """Yield one result, or each of several.

    Raises:
        ConfigurationError: one of them is something else.
    """
    for result in (results,) if isinstance(results, Localization) else results:
        if not isinstance(result, Localization):
            raise ConfigurationError(
                f"results contains a value {describe_value(result)}: pass what a localizer returns, one result or "
                "several",
                parameter="results",
            )
        yield result
