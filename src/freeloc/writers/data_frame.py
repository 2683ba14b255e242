"""Tables of results for pandas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from freeloc._validation import CountOrZero, Fraction, check_arguments
from freeloc.errors import MissingDependencyError
from freeloc.inference.result import Localization
from freeloc.inference.result_list import each_result
from freeloc.writers.base import WriterOptions
from freeloc.writers.image_record import parse_record
from freeloc.writers.record import localization_record
from freeloc.writers.table_rows import COLUMNS, LIST_COLUMNS, table_rows

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["to_pandas"]


@check_arguments
def to_pandas(
    results: Localization | Iterable[Localization],
    *,
    threshold: Fraction | None = None,
    peaks: CountOrZero = 0,
    boxes: CountOrZero = 0,
) -> DataFrame:
    """Return results as a table with one row per image and class: most probable classes first, image by image.

    Args:
        results: one result, or several, such as those of `Localizer.predict_many`. Only their rows are kept in
            memory.
        threshold: one threshold for all classes; default: the model's threshold for each class.
        peaks: maximum number of peaks per class, in the column ``peaks``; 0 omits it.
        boxes: maximum number of boxes per class, in the column ``boxes``, and the best one in columns of its own;
            0 omits them.

    Returns:
        A table with the columns of `freeloc.writers.table_rows`. Unknown values are NaN; ``image`` is empty for an
        image that is not from a file.

    Raises:
        ConfigurationError: a number is out of range.
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(
            "tables of results require pandas, which is not installed: run pip install pandas"
        ) from error
    options = WriterOptions(threshold, peaks, boxes)
    records = (parse_record(localization_record(result, options)) for result in each_result(results))
    rows = [row for record in records for row in table_rows(record)]
    omitted = {name for name in LIST_COLUMNS if getattr(options, name) == 0}
    if boxes == 0:
        omitted |= {name for name in COLUMNS if name.startswith("box_")}
    return pd.DataFrame(rows, columns=[name for name in (*COLUMNS, *LIST_COLUMNS) if name not in omitted])
