"""The encoding rules of the published runs, on tables small enough to be worked by hand."""

import numpy as np
import pytest

from wattlas.core.errors import DataError
from wattlas.engines.base import Loss
from wattlas.engines.encoding import Column, encode_image, encode_inputs, encode_target


def numbers(*values: float, name: str = "c") -> Column:
    return Column(name, np.array(values, dtype=np.float64))


def texts(*values: str) -> Column:
    return Column("t", np.array(values))


def test_each_rule_of_a_feature() -> None:
    rows = 21
    ramp = np.arange(rows)
    table = [
        numbers(*[7.0] * rows),
        numbers(*np.where(ramp % 2, 5.0, -3.0)),
        numbers(*[(9.0, 1.0, 4.0)[i % 3] for i in range(rows)]),
        numbers(*np.minimum(ramp, 19.0)),
        numbers(*(10.0 + 2 * ramp)),
    ]
    x = encode_inputs(table)
    # Dropped; one binary column; one-hot of 3; one-hot of 20; one column of 21 values from 0 to 1.
    assert x.shape == (rows, 0 + 1 + 3 + 20 + 1)
    assert x.dtype == np.float32
    assert x[:4, 0].tolist() == [0, 1, 0, 1]
    # Categories in ascending order: 1, 4, 9.
    assert x[:3, 1:4].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert np.array_equal(x[:, 4:24], np.eye(20)[np.minimum(ramp, 19)])
    assert x[:, 24] == pytest.approx(ramp / 20)


@pytest.mark.parametrize(("values", "width"), [(1, 0), (2, 1), (3, 3), (20, 20), (21, 1), (40, 1)])
def test_inputs_by_number_of_values(values: int, width: int) -> None:
    column = numbers(*(np.arange(40) % values))
    always = numbers(*(np.arange(40) % 2))
    assert encode_inputs([always, column]).shape == (40, 1 + width)


def test_text_has_no_order() -> None:
    many = texts(*[f"city {i:02}" for i in range(30)])
    assert np.array_equal(encode_inputs([many]), np.eye(30))
    assert encode_inputs([texts("no", "yes", "no")]).tolist() == [[0], [1], [0]]
    with pytest.raises(DataError, match="1001 categories, more than 1000"):
        encode_inputs([texts(*[str(i) for i in range(1001)])])


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match="no feature has more than one value"):
        encode_inputs([numbers(1, 1, 1)])


def test_extreme_numbers_scale_without_overflow() -> None:
    values = np.linspace(-1, 1, 21) * np.finfo(np.float64).max
    assert encode_inputs([numbers(*values)])[:, 0] == pytest.approx(np.linspace(0, 1, 21))
    # A range that is small beside the offset, as of a year or a time stamp.
    assert encode_inputs([numbers(*(1e9 + np.arange(41)))])[:, 0] == pytest.approx(np.arange(41) / 40)


def test_pixels_are_scaled_together_and_none_is_dropped() -> None:
    pixels = np.array([[0, 16, 0], [0, 4, 0]])
    assert encode_image(pixels).tolist() == [[0, 1, 0], [0, 0.25, 0]]


@pytest.mark.parametrize(
    ("values", "outputs", "loss"),
    [
        (2, 1, "binary_crossentropy"),
        (3, 3, "categorical_crossentropy"),
        (20, 20, "categorical_crossentropy"),
        (21, 1, "mean_squared_error"),
    ],
)
def test_target_by_number_of_values(values: int, outputs: int, loss: Loss) -> None:
    column = numbers(*(3.0 + np.arange(42) % values))
    y, found = encode_target(column)
    assert (y.shape, found) == ((42, outputs), loss)
    assert y.min() == 0
    assert y.max() == 1
    if outputs > 1:
        assert np.array_equal(y.argmax(axis=1), np.arange(42) % values)
    else:
        assert y[:, 0] == pytest.approx((np.arange(42) % values) / (values - 1))


def test_a_given_loss_decides() -> None:
    column = numbers(1, 2, 3, 1)
    assert encode_target(column, "mean_squared_error")[0][:, 0].tolist() == [0, 0.5, 1, 0]
    two, loss = encode_target(numbers(1, 2, 2), "categorical_crossentropy")
    assert (two.tolist(), loss) == ([[1, 0], [0, 1], [0, 1]], "categorical_crossentropy")
    for wrong, given, match in (
        (column, "binary_crossentropy", "3 values, not two"),
        (texts("a", "b"), "mean_squared_error", "is text"),
        (numbers(1, 1), None, "one value only"),
    ):
        with pytest.raises(DataError, match=match):
            encode_target(wrong, given)


def test_missing_and_foreign_values_are_named() -> None:
    with pytest.raises(DataError, match="'c' has 1 missing or infinite values, the first in row 1"):
        numbers(1, float("nan"), 2)
    with pytest.raises(DataError, match="'c' has 2 missing or infinite values, the first in row 0"):
        numbers(float("inf"), 1, float("-inf"))
    with pytest.raises(DataError, match="neither numbers nor text"):
        Column("dates", np.array(["2020-01-01"], dtype="datetime64[D]"))
