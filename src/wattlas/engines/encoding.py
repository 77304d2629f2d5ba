"""From columns as they are to network inputs and outputs: the rules of the published runs.

| distinct values | numbers | text |
|---|---|---|
| 1 | dropped | dropped |
| 2 | one column of 0 and 1 | one column of 0 and 1 |
| 3 to 20 | one-hot | one-hot |
| more | one column, scaled to [0, 1] | one-hot: text has no order |

It is fitted to all rows, before they are split, as the published runs did: value counts and ranges of the
test rows are therefore known to the encoding. Network widths would otherwise depend on the split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import DataError
from wattlas.engines.base import Loss

MAX_CATEGORIES = 20
# More distinct texts than this are names or ids, not categories.
MAX_TEXT_CATEGORIES = 1000

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Column:
    """A named column: float64 numbers, or text as a string array."""

    name: str
    values: NDArray[Any]

    def __post_init__(self) -> None:
        if self.values.dtype.kind == "f":
            bad = ~np.isfinite(self.values)
            if bad.any():
                raise DataError(
                    f"column {self.name!r} has {int(bad.sum())} missing or infinite values, the first in row "
                    f"{int(np.argmax(bad))}; fill them in or leave the rows or the column out"
                )
        elif self.values.dtype.kind not in "US":
            raise DataError(f"column {self.name!r} is neither numbers nor text; convert it or leave it out")

    @property
    def is_text(self) -> bool:
        """True for categories without order."""
        return self.values.dtype.kind in "US"


def encode_inputs(columns: Sequence[Column]) -> Matrix:
    """(n, n_inputs) from feature columns, in their order, categories in ascending order.

    Raises:
        DataError: no column has more than one value, or a text column too many.
    """
    blocks = [block for column in columns if (block := _encode(column)) is not None]
    if not blocks:
        raise DataError("no feature has more than one value; give columns that vary")
    return np.concatenate(blocks, axis=1)


def encode_image(pixels: NDArray[Any]) -> Matrix:
    """(n, n_pixels) scaled to [0, 1] by the least and greatest of all pixels; none is dropped."""
    return _scaled(Column("pixels", np.asarray(pixels, dtype=np.float64)))


def encode_target(column: Column, loss: Loss | None = None) -> tuple[Matrix, Loss]:
    """(n, n_outputs) and the loss.

    Without a loss given, the number of distinct values decides as for a feature: two are 0 and 1 with binary
    cross-entropy, 3 to 20 (or text) are one-hot with categorical cross-entropy, more are scaled to [0, 1]
    with mean squared error.

    Raises:
        DataError: the target has one value only, or does not suit the loss.
    """
    values, codes = np.unique(column.values, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"target {column.name!r} has one value only; there is nothing to learn")
    chosen = loss or _loss_of(len(values), column.is_text)
    if chosen == "mean_squared_error":
        if column.is_text:
            raise DataError(f"target {column.name!r} is text, which has no squared error; give another loss")
        return _scaled(column), chosen
    if chosen == "binary_crossentropy":
        if len(values) != 2:
            raise DataError(f"target {column.name!r} has {len(values)} values, not two; give another loss")
        return codes[:, None].astype(np.float32), chosen
    _check_categories(column, len(values))
    return _one_hot(codes, len(values)), chosen


def _loss_of(n_values: int, is_text: bool) -> Loss:
    if n_values == 2:
        return "binary_crossentropy"
    return "categorical_crossentropy" if is_text or n_values <= MAX_CATEGORIES else "mean_squared_error"


def _encode(column: Column) -> Matrix | None:
    values, codes = np.unique(column.values, return_inverse=True)
    if len(values) < 2:
        return None
    if len(values) == 2:
        return codes[:, None].astype(np.float32)
    if column.is_text:
        _check_categories(column, len(values))
    elif len(values) > MAX_CATEGORIES:
        return _scaled(column)
    return _one_hot(codes, len(values))


def _check_categories(column: Column, n_values: int) -> None:
    if n_values > MAX_TEXT_CATEGORIES:
        raise DataError(
            f"column {column.name!r} has {n_values} categories, more than {MAX_TEXT_CATEGORIES}; "
            "leave it out if it is an id, or give numbers"
        )


def _one_hot(codes: NDArray[np.intp], n_values: int) -> Matrix:
    encoded = np.zeros((len(codes), n_values), np.float32)
    encoded[np.arange(len(codes)), codes] = 1
    return encoded


def _scaled(column: Column) -> Matrix:
    values = column.values.astype(np.float64).reshape(len(column.values), -1)
    low, high = values.min(), values.max()
    if low == high:
        raise DataError(f"column {column.name!r} has one value only; leave it out")
    # Halved first: high - low of the largest floats would overflow.
    scaled: Matrix = ((values / 2 - low / 2) / (high / 2 - low / 2)).astype(np.float32)
    return scaled
