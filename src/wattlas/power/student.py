"""Student's t distribution for whole degrees of freedom."""

import math
from functools import lru_cache

import numpy as np

from wattlas.core.errors import UsageError


@lru_cache(maxsize=1024)
def two_sided_t(level: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = level.

    By bisection to the last bit.

    Args:
        level: above 0 and below 1.
        freedom: degrees of freedom, at least 1.

    Raises:
        UsageError: values that are none.

    >>> round(two_sided_t(0.95, 9), 4)
    2.2622
    """
    if not (0 < level < 1 and freedom >= 1):
        raise UsageError(
            f"t of level {level} and {freedom} degrees of freedom; give 0 < level < 1 and at least 1"
        )
    low, high = 0.0, 1.0
    while central_probability(high, freedom) < level:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        if central_probability(middle, freedom) < level:
            low = middle
        else:
            high = middle
    return high


def central_probability(t: float, freedom: int) -> float:
    """P(|T| ≤ t) by its finite series in θ = atan(t/√freedom) (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    theta = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    if freedom == 1:
        return 2 / math.pi * theta
    if freedom % 2:
        k = np.arange(1, (freedom - 1) // 2)
        series = 1 + float(np.cumprod(2 * k / (2 * k + 1) * cosine**2).sum())
        return 2 / math.pi * (theta + sine * cosine * series)
    k = np.arange(1, freedom // 2)
    return sine * (1 + float(np.cumprod((2 * k - 1) / (2 * k) * cosine**2).sum()))
