"""The runs of `wattlas compare`: two commands in blocks of random order, each run metered by itself."""

import math
import random
import signal
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wattlas.campaign.metering import Metering
from wattlas.cli.child import Children
from wattlas.core.clock import Clock
from wattlas.core.errors import UnknownNameError, WattlasError
from wattlas.meters.base import Meter
from wattlas.power.comparison import u_random_j
from wattlas.power.profile import GAP_FACTOR
from wattlas.power.uncertainty import Energy, subtract_idle

NAMES = ("a", "b")
# Idle power is told of so many parts of the baseline too: how they scatter is how it varies.
_BASELINE_PARTS = 10


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        commands: arguments of both.
        blocks: how often each is run and metered.
        warmup: runs of each before that, not metered.
        repeat: how often a command is started within one run, whose energy is divided by it.
        seed: of the order in each block.
        ignore_failure: go on after an exit status that is not 0.
        baseline_s: how long idle is measured before everything else; 0 if it is not taken off.
    """

    commands: tuple[Sequence[str], Sequence[str]]
    blocks: int
    warmup: int
    repeat: int
    seed: int
    ignore_failure: bool
    baseline_s: float

    def order(self) -> list[str]:
        """`ab` or `ba` for each block, each with the same probability."""
        chance = random.Random(self.seed)
        return [chance.choice(("ab", "ba")) for _ in range(self.blocks)]


@dataclass(frozen=True)
class Idle:
    """Power before the first run, W, with what is not common to it and to the runs' own energies."""

    power_w: float
    u_power_w: float
    duration_s: float


@dataclass
class Outcome:
    """What was run: energies of complete blocks, as they are and less idle.

    Attributes:
        gross: energies by command, a block each, of the command started once.
        net: the same less idle power × duration, if a baseline was asked for; else the same.
        failures: starts that did not end with 0, by command.
        stopped_by: the signal that ended it early.
    """

    idle: Idle | None = None
    gross: dict[str, list[Energy]] = field(default_factory=lambda: {name: [] for name in NAMES})
    net: dict[str, list[Energy]] = field(default_factory=lambda: {name: [] for name in NAMES})
    failures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    stopped_by: signal.Signals | None = None


class ChannelMetering(Metering):
    """Metering of the channel of this id, or without one of those that lie outermost.

    Raises:
        UnknownNameError: no channel has this id.
    """

    def __init__(self, meters: Sequence[Meter], interval_s: float, clock: Clock, channel: str | None) -> None:
        super().__init__(meters, interval_s, clock)
        if channel is not None:
            known = {c.id: c for c in self.channels}
            if channel not in known:
                raise UnknownNameError("channel", channel, known)
            self.primary = (known[channel],)


class CompareRuns:
    """Runs a plan.

    Args:
        plan: what to run.
        metering: sampling.
        interval_s: between samples.
        children: runs the commands.
        clock: tells the edges of the windows.
    """

    def __init__(
        self, plan: Plan, metering: Metering, interval_s: float, children: Children, clock: Clock
    ) -> None:
        self._plan, self._metering, self._children, self._clock = plan, metering, children, clock
        self._period_s = max(c.instrument.update_period_s for c in metering.primary)
        # What a run drew is not all shown before the meter's next value and the poll after that, and no value
        # may hold two runs.
        self._settle_s = self._period_s + interval_s
        self._spacing_s = max(self._period_s, interval_s)

    def run(self, tell: Callable[[str], None]) -> Outcome:
        """Run everything, or as much as a signal leaves time for.

        Raises:
            WattlasError: a command cannot be started or failed; a channel gave no energy.
        """
        outcome = Outcome()
        plan, children = self._plan, self._children
        if plan.baseline_s:
            tell(f"idle for {plan.baseline_s:g} s")
            outcome.idle = self._baseline()
        for i in range(plan.warmup):
            for name in NAMES:
                if children.stopped_by is None:
                    tell(f"warm-up {i + 1} of {plan.warmup}")
                    self._start(name, outcome)
        for i, order in enumerate(plan.order()):
            tell(f"block {i + 1} of {plan.blocks}")
            block = {}
            for name in order:
                if children.stopped_by is None:
                    block[name] = self._window(name, outcome)
            if children.stopped_by is not None:
                break
            for name, energy in block.items():
                outcome.gross[name].append(_divided(energy, plan.repeat))
                net = energy if outcome.idle is None else self._less_idle(energy, outcome.idle)
                outcome.net[name].append(_divided(net, plan.repeat))
        outcome.stopped_by = children.stopped_by
        return outcome

    def repeat_needed(self, energies: Sequence[Energy]) -> int | None:
        """How often a command must be started within one run for the meter to see it well; None if it is.

        A run should last ten update periods, and its random error of metering be at most 2 %.
        """
        duration_s = statistics.fmean(e.duration_s for e in energies)
        energy_j = statistics.fmean(e.energy_j for e in energies)
        error_j = math.sqrt(statistics.fmean(u_random_j(e) ** 2 for e in energies))
        repeat = self._plan.repeat
        # Energies are those of one start, and so is their error.
        by_time = 10 * self._period_s / duration_s
        by_error = repeat * error_j / (0.02 * energy_j) if energy_j > 0 else 10.0 * repeat
        needed = math.ceil(max(by_time, by_error))
        return needed if needed > repeat else None

    def _window(self, name: str, outcome: Outcome) -> Energy:
        self._metering.sample_now()
        start_s = self._clock.monotonic_s()
        for _ in range(self._plan.repeat):
            if self._children.stopped_by is None:
                self._start(name, outcome)
        end_s = self._clock.monotonic_s()
        self._metering.sample_now()
        self._children.pause(self._settle_s)
        energy = self._energy(start_s, end_s)
        self._metering.forget(end_s)
        return energy

    def _start(self, name: str, outcome: Outcome) -> None:
        status = self._children.run(self._plan.commands[NAMES.index(name)])
        if status == 0 or self._children.stopped_by is not None:
            return
        outcome.failures[name] += 1
        if not self._plan.ignore_failure:
            raise WattlasError(
                f"command {name.upper()} ended with exit status {status}; see why with --show-output, "
                "or go on all the same with --ignore-failure"
            )

    def _energy(self, start_s: float, end_s: float) -> Energy:
        window = self._metering.window(start_s, end_s)
        energy = self._metering.primary_energy(window)
        # Samples at the edges of short runs make the typical spacing, which gaps are judged by, less than the
        # interval; what is no longer than the interval is no gap.
        times_s = [window.samples[c.id].time_s for c in self._metering.primary]
        if max(float(np.diff(t).max(initial=0.0)) for t in times_s) <= GAP_FACTOR * self._spacing_s:
            return replace(energy, flags=tuple(flag for flag in energy.flags if flag != "gap"))
        return energy

    def _baseline(self) -> Idle | None:
        start_s = self._clock.monotonic_s()
        self._children.pause(self._plan.baseline_s)
        end_s = self._clock.monotonic_s()
        self._metering.sample_now()
        if self._children.stopped_by is not None:
            return None
        duration_s = end_s - start_s
        whole = self._energy(start_s, end_s)
        n = _BASELINE_PARTS
        parts_w = [
            self._energy(start_s + i * duration_s / n, start_s + (i + 1) * duration_s / n).mean_power_w
            for i in range(n)
        ]
        u_w = max(statistics.stdev(parts_w) / math.sqrt(n), u_random_j(whole) / duration_s)
        return Idle(whole.mean_power_w, u_w, duration_s)

    def _less_idle(self, energy: Energy, idle: Idle) -> Energy:
        accuracies = {c.instrument.accuracy_relative for c in self._metering.primary}
        # The scale error of one meter is common to idle and energy; that of several is not the same.
        accuracy = accuracies.pop() if len(accuracies) == 1 else 0.0
        return subtract_idle(energy, idle.power_w, idle.u_power_w, accuracy)


def _divided(energy: Energy, repeat: int) -> Energy:
    """Energy of one of several starts within one run: everything over their number."""
    return replace(
        energy,
        energy_j=energy.energy_j / repeat,
        terms={name: u_j / repeat for name, u_j in energy.terms.items()},
        end_s=energy.start_s + energy.duration_s / repeat,
    )
