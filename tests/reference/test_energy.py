"""Energies of windows against closed forms, and intervals against simulated meters of known truth."""

import math

import numpy as np
import pytest

from wattlas.power.energy import cumulative_energy, window_energy
from wattlas.power.instrument import Instrument
from wattlas.power.samples import Samples

EXACT = {"accuracy_relative": 0.0, "quantum": 0.0, "update_period_s": 0.0}
SPOT = Instrument("gauge", averaging="instantaneous", **EXACT)
MEAN = Instrument("gauge", averaging="averaged", **EXACT)
COUNTER = Instrument("counter", **EXACT)


def _samples(instrument, time_s, value, read_s=0.0):
    time_s = np.asarray(time_s, dtype=float)
    return Samples(
        "fake:node", instrument, time_s - read_s / 2, time_s + read_s / 2, np.asarray(value, dtype=float)
    )


@pytest.mark.parametrize("instrument", [SPOT, MEAN])
def test_constant_power(instrument):
    samples = _samples(instrument, np.arange(0, 20.0), np.full(20, 250.0))
    energy = window_energy(samples, 3.3, 11.8)
    assert energy.energy_j == pytest.approx(250 * 8.5, rel=1e-12)
    assert energy.u_energy_j == 0
    assert energy.flags == ()


def test_constant_power_of_a_counter():
    time_s = np.arange(0, 20.0)
    energy = window_energy(_samples(COUNTER, time_s, 1e6 + 250 * time_s), 3.3, 11.8)
    assert energy.energy_j == pytest.approx(250 * 8.5, rel=1e-9)


def test_step_between_whole_windows_of_an_averaged_gauge():
    # 100 W to t = 10 s, 300 W after it; each reading is the mean of the second before it.
    time_s = np.arange(1, 21.0)
    value = np.where(time_s <= 10, 100.0, 300.0)
    assert window_energy(_samples(MEAN, time_s, value), 4, 16).energy_j == pytest.approx(6 * 100 + 6 * 300)


def test_step_seen_by_spot_values_is_known_to_half_a_spacing():
    time_s = np.arange(0, 20.0)
    energy = window_energy(_samples(SPOT, time_s, np.where(time_s < 10, 100.0, 300.0)), 2, 18)
    assert energy.energy_j == pytest.approx(7.5 * 100 + 8.5 * 300)
    assert energy.u_energy_j == pytest.approx(200 / math.sqrt(12), rel=0.01)


def test_ramp_is_exact_for_spot_values():
    time_s = np.arange(0, 21.0)
    energy = window_energy(_samples(SPOT, time_s, 50 + 10 * time_s), 2.5, 17.25)
    assert energy.energy_j == pytest.approx(50 * 14.75 + 5 * (17.25**2 - 2.5**2), rel=1e-12)
    assert energy.terms["sampling"] < 10 * 14.75 / 2  # a line through the readings, not noise


def test_ramp_is_exact_at_the_readings_of_a_counter():
    time_s = np.arange(0, 21.0)
    energy = window_energy(_samples(COUNTER, time_s, 50 * time_s + 5 * time_s**2), 2, 17)
    assert energy.energy_j == pytest.approx(50 * 15 + 5 * (17**2 - 2**2), rel=1e-12)


@pytest.mark.parametrize("kind", ["spot", "mean", "counter"])
def test_sine(kind):
    # P = 200 + 80 sin(2 pi t / 7 s), read every 50 ms.
    w = 2 * math.pi / 7

    def truth(t):
        return 200 * t - 80 / w * np.cos(w * t)

    time_s = np.arange(0, 30, 0.05)
    if kind == "spot":
        samples = _samples(SPOT, time_s, 200 + 80 * np.sin(w * time_s))
    elif kind == "mean":
        samples = _samples(MEAN, time_s[1:], np.diff(truth(time_s)) / 0.05)
    else:
        samples = _samples(COUNTER, time_s, truth(time_s) - truth(0.0))
    energy = window_energy(samples, 3.21, 21.99)
    expected = truth(21.99) - truth(3.21)
    assert energy.energy_j == pytest.approx(expected, rel=2e-4)
    assert abs(energy.energy_j - expected) <= 4 * energy.u_energy_j + 1e-9


def test_accuracy_class_is_rectangular_and_common_to_the_window():
    instrument = Instrument("gauge", 0.0, 0.0, 0.03, accuracy_offset_w=2.0)
    energy = window_energy(_samples(instrument, np.arange(0, 20.0), np.full(20, 100.0)), 5, 15)
    assert energy.terms["accuracy"] == pytest.approx(math.hypot(0.03 * 1000, 2.0 * 10) / math.sqrt(3))


def test_quantum_of_a_steady_gauge_does_not_average_out():
    steady = Instrument("gauge", 10.0, 0.0, 0.0)
    energy = window_energy(_samples(steady, np.arange(0, 200.0), np.full(200, 440.0)), 50, 150)
    assert energy.terms["quantisation"] == pytest.approx(10 / math.sqrt(12) * 100)


def test_quantum_of_a_counter_counts_once_at_each_edge():
    instrument = Instrument("counter", 360e3, 0.0, 0.0)
    time_s = np.arange(0, 20.0)
    energy = window_energy(_samples(instrument, time_s, 720e3 * time_s), 3, 17)
    assert energy.terms["quantisation"] == pytest.approx(360e3 * math.sqrt(2 / 12))


def _noisy_power_w(rng, n, dt_s, mean_w, sd_w, tau_s):
    decay = math.exp(-dt_s / tau_s)
    noise = rng.normal(size=n) * sd_w * math.sqrt(1 - decay**2)
    power = np.empty(n)
    level = rng.normal() * sd_w
    for i in range(n):
        level = decay * level + noise[i]
        power[i] = level
    return np.maximum(mean_w + power, 0.0)


# Each case has several errors of like size, as a real meter has: one rectangular error alone would
# always lie within two standard deviations.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("instrument", "poll_s", "duration_s", "step_s"),
    [
        (Instrument("counter", 2.0, 0.31, 0.003), 0.1, 3.0, 0.01),
        (Instrument("gauge", 1.0, 1.0, 0.001), 0.3, 15.0, 0.05),
        (Instrument("gauge", 1.0, 1.0, 0.005), 5.0, 100.0, 0.05),
        (Instrument("gauge", 1.0, 0.0, 0.01, averaging="instantaneous"), 1.0, 20.0, 0.05),
    ],
    ids=["counter", "averaged gauge", "sparse averaged gauge", "spot gauge"],
)
def test_95_percent_intervals_cover(instrument, poll_s, duration_s, step_s):
    rng = np.random.default_rng(2024)
    covered = 0
    n_windows = 1000
    lead_s = 3 * max(poll_s, instrument.update_period_s)
    n = int((duration_s + 2 * lead_s) / step_s)
    grid_s = np.arange(n + 1) * step_s
    for _ in range(n_windows):
        power_w = _noisy_power_w(rng, n, step_s, 100.0, 10.0, 0.05)
        true_j = np.concatenate(([0.0], np.cumsum(power_w * step_s)))
        gain = 1 + rng.uniform(-1, 1) * instrument.accuracy_relative
        # A poll is late by chance, or its phase would follow that of the updates.
        polls_s = np.cumsum(poll_s * rng.uniform(0.5, 1.5, int(2 * n * step_s / poll_s)))
        polls_s = polls_s[polls_s < (n - 1) * step_s]
        period_s = instrument.update_period_s
        written_s = polls_s
        if period_s:
            phase_s = rng.uniform(0, period_s)
            written_s = np.maximum(np.floor((polls_s - phase_s) / period_s) * period_s + phase_s, 0.0)
        if instrument.kind == "counter":
            value = (
                np.floor(np.interp(written_s, grid_s, true_j) * gain / instrument.quantum)
                * instrument.quantum
            )
        elif instrument.averaging == "instantaneous":
            value = power_w[(written_s / step_s).astype(int)] * gain
            value = np.round(value / instrument.quantum) * instrument.quantum
        else:
            from_s = np.maximum(written_s - period_s, 0.0)
            rise_j = np.interp(written_s, grid_s, true_j) - np.interp(from_s, grid_s, true_j)
            value = rise_j / np.maximum(written_s - from_s, step_s) * gain
            value = np.round(value / instrument.quantum) * instrument.quantum
        start_s = lead_s + rng.uniform(0, poll_s)
        end_s = start_s + duration_s - poll_s
        energy = window_energy(_samples(instrument, polls_s, value), start_s, end_s)
        truth_j = np.interp(end_s, grid_s, true_j) - np.interp(start_s, grid_s, true_j)
        covered += abs(energy.energy_j - truth_j) <= 1.96 * energy.u_energy_j
    assert 0.92 <= covered / n_windows <= 0.98


def test_cumulative_energy_is_that_of_each_window():
    rng = np.random.default_rng(7)
    instrument = Instrument("gauge", 1.0, 1.0, 0.01)
    samples = _samples(instrument, np.arange(0, 60, 0.25), np.round(200 + 20 * rng.normal(size=240)), 0.002)
    times_s = np.linspace(10, 50, 23)
    energy_j, u_energy_j = cumulative_energy(samples, 10.0, times_s)
    for t, e, u in zip(times_s, energy_j, u_energy_j, strict=True):
        window = window_energy(samples, 10.0, t)
        assert (e, u) == (
            pytest.approx(window.energy_j, rel=1e-12),
            pytest.approx(window.u_energy_j, rel=1e-9),
        )
