"""The uncertainty budget of window energies: each cause by itself, for many windows at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wattlas.power.instrument import Instrument
from wattlas.power.profile import Profile

Array = NDArray[np.float64]

_ROOT3 = np.sqrt(3.0)
_ROOT12 = np.sqrt(12.0)
# Median of a squared standard normal variable.
_MEDIAN_CHI2 = 0.4549
# Squared second differences are believed to be noise up to this multiple of their typical size (3 sigma).
_NOISE_LIMIT = 9.0


def _few(n: int) -> float:
    """What a variance told from n differences is raised by, much as Student's t is wider than the normal."""
    return 1 + 2 / n


@dataclass(frozen=True)
class Budget:
    """Standard uncertainties of energies told from a profile (GUM type B but for `sampling`).

    accuracy: a scale error within ±accuracy_relative and a constant one within ±accuracy_offset_w, both
        rectangular and the same over a window: (a·|E| ⊕ o·T)/√3.
    quantisation: a reading is anywhere within its quantum: q/√12 each. A counter's readings matter at the
        edges only; a gauge's equal readings in a row share their error and others do not.
    update_start, update_end: when a value was written is known within an update period or the time since
        the poll before. For a counter the energy at an edge moves by power × that time; for a gauge a
        change of power near the edge may lie on either side of it. Power between the readings around an edge
        is not uniform either: a bridge between two known energies, σ·L·√(f(1 − f)) at the fraction f.
    sampling: power fluctuates where no reading describes it; σ follows from second differences, which a
        steady rise does not enter, and changes that are no noise are steps at an unknown time.
    gaps: the power of a stretch without samples is that of its ends within their difference and the spread
        of the readings; beyond the first and last sample it is within 0 and twice the nearest, or the
        instrument's limit.
    resets: what was judged to be lost with a counter's reset, or an ambiguous number of wraps.
    response: of an instrument whose delay or averaging window is known. A delay wrong by u moves both
        edges: |P(end) − P(start)|·u. Power averaged over w more than its segment shows a step h at an edge as
        a ramp: h·w/8. A counter that sees a part of the time: σ·√(1 − duty)·√(period·T).
    """

    profile: Profile
    instrument: Instrument

    def terms(self, start_s: Array, end_s: Array, energy_j: Array) -> dict[str, Array]:
        """Standard uncertainty in J by cause, each [n], of the windows [start_s, end_s), each [n]."""
        instrument = self.instrument
        duration_s = end_s - start_s
        accuracy_j = np.hypot(
            instrument.accuracy_relative * energy_j / _ROOT3,
            instrument.accuracy_offset_w * duration_s / _ROOT3,
        )
        if self.profile.kind == "counter":
            terms = self._counter_terms(start_s, end_s)
        else:
            terms = self._gauge_terms(start_s, end_s)
        outside_j = self._outside(start_s, end_s)
        terms["gaps"] = np.hypot(terms["gaps"], outside_j)
        terms["resets"] = np.sqrt(
            self._overlap_var(self.profile.u_segment_j**2, start_s, end_s, squared=True)
        )
        if instrument.u_delay_s > 0 or self.profile.smear_s > 0 or instrument.duty_cycle < 1:
            terms["response"] = self._response(start_s, end_s)
        return {"accuracy": accuracy_j} | terms

    def _response(self, start_s: Array, end_s: Array) -> Array:
        profile, instrument = self.profile, self.instrument
        # Powers within reach of each edge, [n, 3]: a step there may lie on either side of it.
        reach_s = np.array([-1.0, 0.0, 1.0]) * max(2 * instrument.u_delay_s, profile.smear_s / 2)
        at_start_w, at_end_w = (profile.power_w(edge[:, None] + reach_s) for edge in (start_s, end_s))
        apart_w = np.maximum(at_end_w.max(1) - at_start_w.min(1), at_start_w.max(1) - at_end_w.min(1))
        # Both edges alike lose to what is outside where a window is what was switched on and off.
        ramp_w = np.ptp(at_start_w, axis=1) + np.ptp(at_end_w, axis=1)
        unseen_j = 0.0
        if profile.kind == "counter" and instrument.duty_cycle < 1:
            blocks_s2 = instrument.update_period_s * (end_s - start_s)
            spread_w = np.sqrt(np.mean(self._spread_w**2))
            unseen_j = spread_w * np.sqrt((1 - instrument.duty_cycle) * blocks_s2)
        moved_j = np.hypot(apart_w * instrument.u_delay_s, ramp_w * profile.smear_s / 8)
        return np.asarray(np.hypot(moved_j, unseen_j), dtype=np.float64)

    def _outside(self, start_s: Array, end_s: Array) -> Array:
        """Of the stretches before the first and after the last sample."""
        profile = self.profile
        total = np.zeros_like(start_s)
        for beyond_s, power_w in (
            (np.minimum(end_s, profile.edge_s[0]) - start_s, profile.power_w(profile.edge_s[:1])[0]),
            (end_s - np.maximum(start_s, profile.edge_s[-1]), profile.reading_w[-1]),
        ):
            limit_w = 2 * power_w if self.instrument.max_power_w is None else self.instrument.max_power_w
            half_w = max(power_w, limit_w - power_w)
            total = np.hypot(total, half_w * np.maximum(beyond_s, 0.0) / _ROOT3)
        return total

    def _overlap_var(
        self, segment_var: Array, start_s: Array, end_s: Array, *, squared: bool = False
    ) -> Array:
        """Variance of the segments that a window overlaps, partly ones by their share (or its square)."""
        edge_s = self.profile.edge_s
        if len(segment_var) == 0 or not segment_var.any():
            return np.zeros_like(start_s)
        prefix = np.concatenate(([0.0], np.cumsum(segment_var)))
        a, b = self.profile.segment(start_s), self.profile.segment(end_s)
        length_s = np.diff(edge_s)
        done = np.clip((start_s - edge_s[a]) / length_s[a], 0.0, 1.0)
        share = np.clip((end_s - edge_s[b]) / length_s[b], 0.0, 1.0)
        power = 2 if squared else 1
        apart = (
            prefix[b] - prefix[a + 1] + segment_var[a] * (1 - done) ** power + segment_var[b] * share**power
        )
        within = segment_var[a] * np.maximum(share - done, 0.0) ** power
        return np.asarray(np.where(a == b, within, np.maximum(apart, 0.0)), dtype=np.float64)

    # A counter.

    def _counter_terms(self, start_s: Array, end_s: Array) -> dict[str, Array]:
        profile, quantum = self.profile, self.instrument.quantum
        edge_s = profile.edge_s
        a, b = profile.segment(start_s), profile.segment(end_s)
        length_s = np.diff(edge_s)
        f = np.clip((start_s - edge_s[a]) / length_s[a], 0.0, 1.0)
        g = np.clip((end_s - edge_s[b]) / length_s[b], 0.0, 1.0)
        same = a == b
        share = np.maximum(g - f, 0.0)
        quantisation = np.where(
            same,
            np.sqrt(2.0) * share,
            np.sqrt((1 - f) ** 2 + f**2 + (1 - g) ** 2 + g**2),
        )
        edges = []
        for k, x in ((a, f), (b, g)):
            weight_before = np.where(same, share / np.sqrt(2.0), 1 - x)
            weight_after = np.where(same, share / np.sqrt(2.0), x)
            written_j = profile.left_w[k] * np.hypot(
                weight_before * profile.timing_s[k], weight_after * profile.timing_s[k + 1]
            )
            # Two edges in one segment: the bridge's increment, split between both.
            bridge = np.where(same, np.sqrt(np.maximum(share * (1 - share), 0.0) / 2), np.sqrt(x * (1 - x)))
            edges.append((written_j / _ROOT12, self._spread_w[k] * length_s[k] * bridge, profile.gap[k]))
        (start_j, start_bridge_j, start_gap), (end_j, end_bridge_j, end_gap) = edges
        return {
            "quantisation": quantum / _ROOT12 * quantisation,
            "update_start": np.hypot(start_j, np.where(start_gap, 0.0, start_bridge_j)),
            "update_end": np.hypot(end_j, np.where(end_gap, 0.0, end_bridge_j)),
            "sampling": np.zeros_like(start_s),
            "gaps": np.hypot(np.where(start_gap, start_bridge_j, 0.0), np.where(end_gap, end_bridge_j, 0.0)),
        }

    @cached_property
    def _spread_w(self) -> Array:
        """[k] how much a counter's mean power varies about each segment, without what reading it adds."""
        profile = self.profile
        power_w = profile.left_w
        if len(power_w) == 1:
            # Nothing is known of how it varies.
            return np.asarray(power_w / _ROOT3, dtype=np.float64)
        length_s = np.diff(profile.edge_s)
        jump = np.diff(power_w) ** 2
        timing_s = profile.timing_s
        read_var_j = (self.instrument.quantum**2 + (np.mean(power_w) * timing_s) ** 2) / 12
        # The reading between two segments enters their difference twice, the outer ones once.
        read_var = (
            read_var_j[:-2] / length_s[:-1] ** 2
            + read_var_j[1:-1] * (1 / length_s[:-1] + 1 / length_s[1:]) ** 2
            + read_var_j[2:] / length_s[1:] ** 2
        )
        noise = max(float(np.mean(jump - read_var)), 0.0) / 2
        excess = np.maximum(jump - 4 * read_var, 0.0) / 2
        near = np.maximum(np.append(excess, 0.0), np.append(0.0, excess))
        spread_w = np.sqrt(np.maximum(_few(len(jump)) * noise, near))
        return np.asarray(spread_w, dtype=np.float64)

    # A gauge.

    def _gauge_terms(self, start_s: Array, end_s: Array) -> dict[str, Array]:
        profile = self.profile
        if len(profile.left_w) == 0:  # one spot value: everything is outside
            zero = np.zeros_like(start_s)
            quantisation = self.instrument.quantum / _ROOT12 * (end_s - start_s)
            names = ("update_start", "update_end", "sampling", "gaps")
            return {"quantisation": quantisation} | dict.fromkeys(names, zero)
        length_s = np.diff(profile.edge_s)
        known, gap = profile.known, profile.gap
        sampling_var = np.where(gap, 0.0, np.where(known, self._moved_var, self._bridged_var))
        spread_w = np.hypot((profile.right_w - profile.left_w) / _ROOT12, np.std(profile.reading_w))
        gap_var = np.where(gap, (spread_w * length_s) ** 2, 0.0)
        a, b = profile.segment(start_s), profile.segment(end_s)
        same = (a == b) & known[a]
        f = np.clip((start_s - profile.edge_s[a]) / length_s[a], 0.0, 1.0)
        g = np.clip((end_s - profile.edge_s[b]) / length_s[b], 0.0, 1.0)
        share = np.maximum(g - f, 0.0)
        edges = []
        for k, x in ((a, f), (b, g)):
            within = np.where(same, np.maximum(share * (1 - share), 0.0), x * (1 - x))
            half = np.where(same, np.sqrt(0.5), 1.0)
            noise_j = self._noise_w * length_s[k] * np.sqrt(within) * half
            ramp_j = self._change_w[k] * length_s[k] * within / _ROOT3 * half
            # A change within reach of the edge may lie on either side of it.
            reach_s = np.minimum(profile.timing_s[k], np.where(same, share * length_s[k], np.inf))
            written_j = self._change_w[k] * reach_s / _ROOT12
            edges.append(np.sqrt(written_j**2 + np.where(known[k], noise_j**2 + ramp_j**2, 0.0)))
        return {
            "quantisation": self.instrument.quantum / _ROOT12 * self._quantum_weight_s(start_s, end_s),
            "update_start": edges[0],
            "update_end": edges[1],
            "sampling": np.sqrt(self._overlap_var(sampling_var, start_s, end_s)),
            "gaps": np.sqrt(self._overlap_var(gap_var, start_s, end_s, squared=True)),
        }

    @cached_property
    def _noise_w(self) -> float:
        """Standard deviation of a reading about a smooth course, from second differences."""
        power_w = self.profile.reading_w
        if len(power_w) == 1:
            return float(power_w[0] / _ROOT3)  # nothing is known of how it varies
        if len(power_w) == 2:
            return float(abs(power_w[1] - power_w[0]) / np.sqrt(2.0))
        bend = (power_w[2:] - 2 * power_w[1:-1] + power_w[:-2]) ** 2 / 6
        typical = float(np.median(bend)) / _MEDIAN_CHI2
        if typical > 0:
            bend = np.minimum(bend, _NOISE_LIMIT * typical)
        elif len(bend) > 4:
            bend = np.zeros_like(bend)  # steady but for a few steps, which count as steps
        quantisation = self.instrument.quantum**2 / 12
        return float(np.sqrt(max(_few(len(bend)) * float(np.mean(bend)) - quantisation, 0.0)))

    @cached_property
    def _steps_w(self) -> Array:
        """What noise does not explain of the changes between successive readings."""
        excess = np.diff(self.profile.reading_w) ** 2 - 4 * self._noise_w**2
        return np.asarray(np.sqrt(np.maximum(excess, 0.0)), dtype=np.float64)

    @cached_property
    def _change_w(self) -> Array:
        """[k] the greatest change of power beside each segment's reading that noise does not explain."""
        step = self._steps_w
        beside = np.maximum(np.append(step, 0.0), np.append(0.0, step))
        return np.asarray(beside[self.profile.reading], dtype=np.float64)

    @cached_property
    def _moved_var(self) -> Array:
        """[k] variance from the unknown time of a change too great to be noise, where a reading begins."""
        profile = self.profile
        change_w = np.append(0.0, self._steps_w)[profile.reading]
        # A reading has one known segment.
        moved_var = np.where(profile.known, (change_w * profile.timing_s) ** 2 / 12, 0.0)
        return np.asarray(moved_var, dtype=np.float64)

    @cached_property
    def _bridged_var(self) -> Array:
        """[k] variance of the energy of each stretch between described ones.

        The line between two readings has their noise; the true power there has its own, averaged over more
        time. A change too great to be noise is a step at an unknown time.
        """
        profile = self.profile
        length_s = np.diff(profile.edge_s)
        described_s = np.zeros(len(profile.reading_w))
        np.add.at(described_s, profile.reading[profile.known], length_s[profile.known])
        bridged = ~profile.known
        noise_var = self._noise_w**2
        # Both halves of the weight of a reading between two bridges carry the same error.
        weight_s = np.zeros(len(profile.reading_w))
        np.add.at(weight_s, profile.reading[bridged], length_s[bridged] / 2)
        np.add.at(weight_s, np.maximum(profile.reading[bridged] - 1, 0), length_s[bridged] / 2)
        right = profile.reading
        left = np.maximum(right - 1, 0)
        line_var = noise_var * length_s / 2 * (weight_s[left] + weight_s[right])
        true_var = noise_var * length_s * described_s[right]
        change_w = np.abs(profile.right_w - profile.left_w)
        step_var = np.maximum(change_w**2 - 4 * noise_var, 0.0) / 12
        return np.asarray(line_var + true_var + step_var * length_s**2, dtype=np.float64)

    def _quantum_weight_s(self, start_s: Array, end_s: Array) -> Array:
        """Root of the sum of squares of the durations that runs of equal readings count for."""
        profile = self.profile
        run_of_reading = np.cumsum(np.append(0, np.diff(profile.reading_w) != 0))
        run = run_of_reading[profile.reading]
        first = np.flatnonzero(np.append(True, np.diff(run) != 0))
        edge_s = np.append(profile.edge_s[first], profile.edge_s[-1])
        # The first and last run go on outside.
        edge_s[0], edge_s[-1] = -np.inf, np.inf
        a = np.searchsorted(edge_s, start_s, side="right") - 1
        b = np.searchsorted(edge_s, end_s, side="right") - 1
        lengths = np.diff(edge_s)
        squares = np.where(np.isfinite(lengths), lengths, 0.0) ** 2
        prefix = np.concatenate(([0.0], np.cumsum(squares)))
        apart = prefix[b] - prefix[np.minimum(a + 1, len(prefix) - 1)]
        head = np.where(np.isfinite(edge_s[a + 1]), edge_s[a + 1] - start_s, 0.0)
        tail = np.where(np.isfinite(edge_s[b]), end_s - edge_s[b], 0.0)
        weight_s2 = np.where(a == b, (end_s - start_s) ** 2, head**2 + np.maximum(apart, 0.0) + tail**2)
        return np.asarray(np.sqrt(weight_s2), dtype=np.float64)
