"""An emulated meter whose energy follows the command: each line of $LEDGER is a command's joules.

A line is delivered at constant power over 100 ms from when it is first seen, each with its own scatter.
"""

import os
import random
from pathlib import Path

from wattlas.core.clock import Clock
from wattlas.meters.base import Channel, Reading
from wattlas.meters.fake import FakeMeter
from wattlas.power.instrument import Instrument

DELIVERY_S = 0.1


class LedgerMeter(FakeMeter):
    name = "ledger"

    def __init__(self, clock: Clock, scatter: str = "0.003", update_period_s: str = "0") -> None:
        super().__init__(clock)
        self._path = Path(os.environ["LEDGER"])
        self._scatter, self._chance = float(scatter), random.Random(11)
        self._seen: list[tuple[float, float]] = []
        instrument = Instrument("counter", 0.0, float(update_period_s), 0.05)
        self._channel = Channel("ledger:node", "node", instrument)

    def read(self) -> tuple[Reading, ...]:
        now_s = self._clock.monotonic_s()
        for line in self._path.read_text().split()[len(self._seen) :]:
            self._seen.append((now_s, float(line) * self._chance.gauss(1, self._scatter)))
        energy_j = sum(e * min((now_s - t) / DELIVERY_S, 1.0) for t, e in self._seen)
        return (Reading(self._channel.id, now_s, now_s, energy_j),)
