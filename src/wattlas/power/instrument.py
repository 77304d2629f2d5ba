"""What is known of the instrument behind a channel: all that the uncertainty of an energy needs."""

from dataclasses import dataclass
from typing import Literal

from wattlas.core.errors import UsageError

Kind = Literal["counter", "gauge"]
Averaging = Literal["instantaneous", "averaged"]


@dataclass(frozen=True)
class Instrument:
    """A channel's metrological description.

    Attributes:
        kind: `counter` reports cumulative energy (J), `gauge` power (W).
        quantum: least step of the reported value, J for a counter, W for a gauge.
        update_period_s: how often the reported value changes.
        accuracy_relative: half-width of the accuracy class as a fraction of the reading (0.01 for class 1).
        accuracy_offset_w: half-width of a constant error in power (the "+ digits" of a data sheet).
        averaging: for a gauge, whether a value is the mean over the update period before it or a spot value.
        range_j: for a counter that wraps, the span after which it starts again at zero; None if it does not
            wrap or the span is unknown.
        max_power_w: more than this the bounded hardware cannot draw; bounds wraps and rejects sentinels.
        accuracy_source: where the accuracy figures come from; empty if they are assumed.
    """

    kind: Kind
    quantum: float
    update_period_s: float
    accuracy_relative: float
    accuracy_offset_w: float = 0.0
    averaging: Averaging = "averaged"
    range_j: float | None = None
    max_power_w: float | None = None
    accuracy_source: str = ""

    def __post_init__(self) -> None:
        for name in ("quantum", "update_period_s", "accuracy_relative", "accuracy_offset_w"):
            value = getattr(self, name)
            if not (0 <= value < float("inf")):
                raise UsageError(f"instrument {name} is {value}; give a finite number of at least 0")
        for name in ("range_j", "max_power_w"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"instrument {name} is {value}; give a number above 0, or leave it out")
