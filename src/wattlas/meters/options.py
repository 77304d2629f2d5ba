"""Values of a meter's options, which arrive as text."""

import math

from wattlas.core.errors import UsageError


def number(meter: str, option: str, text: str | float, least: float = 0.0) -> float:
    """A finite number of at least `least`.

    Raises:
        UsageError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise UsageError(f"meter {meter!r}: {option} is {text!r}; give a number of at least {least:g}")
    return value
