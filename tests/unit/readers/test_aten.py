"""What is counted of PyTorch's operations, against the published counts of AlexNet, without PyTorch."""

from dataclasses import dataclass
from math import prod
from typing import Any

import pytest

from wattlas.readers.aten import COPIES, COUNTED, FREE, QUIET


@dataclass(frozen=True)
class Shape:
    """A tensor as the counts see it."""

    shape: tuple[int, ...]

    def numel(self) -> int:
        return prod(self.shape)

    def __getitem__(self, _index: int) -> "Shape":
        return Shape(self.shape[1:])


def convolution(
    x: tuple[int, ...], weight: tuple[int, ...], y: tuple[int, ...], transposed: bool = False
) -> int:
    args: list[Any] = [Shape(x), Shape(weight), None, [1], [0], [1], transposed, [0], 1]
    return COUNTED["convolution"](args, Shape(y)).macs


@pytest.mark.parametrize(
    ("x", "weight", "y", "published"),
    [
        ((3, 227, 227), (96, 3, 11, 11), (96, 55, 55), 105_415_200),
        ((96, 27, 27), (256, 48, 5, 5), (256, 27, 27), 223_948_800),
        ((256, 13, 13), (384, 256, 3, 3), (384, 13, 13), 149_520_384),
        ((384, 13, 13), (384, 192, 3, 3), (384, 13, 13), 112_140_288),
        ((384, 13, 13), (256, 192, 3, 3), (256, 13, 13), 74_760_192),
    ],
)
def test_the_convolutions_of_alexnet(
    x: tuple[int, ...], weight: tuple[int, ...], y: tuple[int, ...], published: int
) -> None:
    """Krizhevsky et al. 2012, in two groups; the counts are those of the Caffe model."""
    assert convolution((1, *x), weight, (1, *y)) == published
    assert convolution((8, *x), weight, (8, *y)) == 8 * published


def test_a_transposed_convolution_is_the_one_it_transposes() -> None:
    back = convolution((1, 384, 13, 13), (384, 256, 3, 3), (1, 256, 13, 13), transposed=True)
    assert back == convolution((1, 256, 13, 13), (384, 256, 3, 3), (1, 384, 13, 13))


def test_products_of_matrices() -> None:
    a, b = Shape((8, 9216)), Shape((9216, 4096))
    assert COUNTED["mm"]([a, b], Shape((8, 4096))).macs == 8 * 37_748_736  # AlexNet's fc6
    added = COUNTED["addmm"]([Shape((4096,)), a, b], Shape((8, 4096)))
    assert (added.macs, added.bias) == (8 * 37_748_736, Shape((4096,)))
    assert COUNTED["bmm"]([Shape((6, 5, 7)), Shape((6, 7, 3))], Shape((6, 5, 3))).macs == 6 * 5 * 7 * 3


def test_attention_is_its_two_products() -> None:
    query, key, value = Shape((2, 4, 10, 8)), Shape((2, 4, 12, 8)), Shape((2, 4, 12, 6))
    work = COUNTED["_scaled_dot_product_flash_attention_for_cpu"]([query, key, value], Shape((2, 4, 10, 6)))
    assert work.macs == 2 * 4 * (10 * 8 * 12 + 10 * 12 * 6)


def test_no_operation_is_two_things() -> None:
    assert not FREE & QUIET
    assert not COUNTED.keys() & (FREE | QUIET)
    assert COPIES <= QUIET
