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
        delay_s: from the end of what a value describes to when it is written, with its standard uncertainty
            `u_delay_s`.
        window_s: what a value is the mean of, where that is known and not simply the update period; for a
            counter, what power is averaged over before it is counted.
        duty_cycle: for a counter, the share of the time that it sees.
        characterised_utc: when update period, delay and window were found by experiment; empty if declared.
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
    delay_s: float = 0.0
    u_delay_s: float = 0.0
    window_s: float | None = None
    duty_cycle: float = 1.0
    characterised_utc: str = ""

    def __post_init__(self) -> None:
        for name in (
            "quantum",
            "update_period_s",
            "accuracy_relative",
            "accuracy_offset_w",
            "delay_s",
            "u_delay_s",
        ):
            value = getattr(self, name)
            if not (0 <= value < float("inf")):
                raise UsageError(f"instrument {name} is {value}; give a finite number of at least 0")
        for name in ("range_j", "max_power_w"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"instrument {name} is {value}; give a number above 0, or leave it out")
        if self.window_s is not None and not 0 <= self.window_s < float("inf"):
            raise UsageError(f"instrument window_s is {self.window_s}; give a finite number of at least 0")
        if not 0 <= self.duty_cycle <= 1:
            raise UsageError(f"instrument duty_cycle is {self.duty_cycle}; give 0 to 1")

    @property
    def lag_s(self) -> float:
        """How long after a moment the readings that describe it have been written."""
        if self.delay_s == 0 and self.window_s is None:
            return 0.0
        return self.delay_s + (self.window_s or 0.0) + self.update_period_s
