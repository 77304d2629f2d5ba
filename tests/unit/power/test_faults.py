"""What meters do wrong gives an energy that is right within its uncertainty, a flag, or an error."""

import pickle

import numpy as np
import pytest

from wattlas.core.errors import SeriesError, UsageError
from wattlas.power.energy import cumulative_energy, window_energy
from wattlas.power.instrument import Instrument
from wattlas.power.samples import Samples
from wattlas.power.uncertainty import Energy, subtract_idle

RAPL = Instrument("counter", 15e-6, 0.001, 0.01, range_j=262_144.0, max_power_w=400.0)


def _counter(time_s, value, instrument=RAPL):
    time_s = np.asarray(time_s, dtype=float)
    return Samples("fake:package-0", instrument, time_s, time_s, np.asarray(value, dtype=float))


def _gauge(time_s, value, **options):
    time_s = np.asarray(time_s, dtype=float)
    instrument = Instrument("gauge", 1.0, 1.0, 0.01, max_power_w=2000.0, **options)
    return Samples("fake:node", instrument, time_s, time_s, np.asarray(value, dtype=float))


def test_a_wrap_is_counted_once_wherever_the_window_ends():
    time_s = np.arange(0, 100, 0.1)
    shown_j = (262_144.0 - 2500 + 50 * time_s) % 262_144.0  # wraps at t = 50 s
    for end_s in (49.99, 50.001, 50.03, 50.2, 70.0):
        energy = window_energy(_counter(time_s, shown_j), 10.0, end_s)
        assert energy.energy_j == pytest.approx(50 * (end_s - 10), abs=3 * energy.u_energy_j)
        assert energy.energy_j > 0


def test_a_counter_that_does_not_move_is_flagged_and_one_that_rests_for_a_moment_is_not():
    time_s = np.arange(0, 10, 0.1)
    stuck = window_energy(_counter(time_s, np.full(100, 77.0)), 2.0, 8.0)
    assert (stuck.energy_j, stuck.flags) == (0.0, ("frozen",))
    resting = np.where(time_s < 5, 50 * time_s, 250.0)
    assert window_energy(_counter(time_s, resting), 2.0, 8.0).flags == ()
    assert window_energy(_counter(time_s, np.full(100, 77.0)), 2.0, 2.5).flags == ()


def test_a_wrap_of_unknown_range_and_limit_is_refused():
    unknown = Instrument("counter", 15e-6, 0.001, 0.01)
    with pytest.raises(SeriesError, match="nothing bounds what was used"):
        window_energy(_counter([0, 1], [262_143.0, 10.0], unknown), 0, 1)


def test_a_reset_is_flagged_and_as_uncertain_as_what_it_hides():
    time_s = np.arange(0, 60.0)
    shown_j = np.where(time_s < 30, 5000 + 100 * time_s, 100 * (time_s - 29.5))
    instrument = Instrument("counter", 1e-3, 0.01, 0.01, max_power_w=400.0)
    energy = window_energy(_counter(time_s, shown_j, instrument), 10, 50)
    assert "reset" in energy.flags
    assert energy.terms["resets"] > 0
    assert energy.energy_j == pytest.approx(4000, abs=2 * energy.u_energy_j)


def test_more_wraps_than_can_be_told_are_ambiguous():
    # One hour between readings at up to 400 W is up to 5.5 ranges.
    energy = window_energy(_counter([0, 3600], [1000.0, 2000.0]), 0, 3600)
    assert "wrap_ambiguous" in energy.flags
    assert energy.u_energy_j > 262_144


@pytest.mark.parametrize("sentinel", [4294967295000.0, -1.0, float("nan"), float("inf")])
def test_sentinels_are_no_power(sentinel):
    value = np.full(30, 200.0)
    value[12] = sentinel
    energy = window_energy(_gauge(np.arange(30.0), value), 5, 25)
    assert energy.energy_j == pytest.approx(4000, rel=1e-6)
    assert energy.flags == ("rejected", "gap")
    assert energy.u_energy_j > 0


def test_nothing_but_sentinels_is_an_error_and_never_zero():
    with pytest.raises(SeriesError, match="none of 5 gauge readings is a possible power"):
        window_energy(_gauge(range(5), [-1.0] * 5), 0, 4)


def test_a_third_of_the_window_lost_is_flagged_and_widens_the_interval():
    rng = np.random.default_rng(1)
    time_s = np.arange(0, 90.0)
    value = 200 + 20 * rng.normal(size=90)
    kept = (time_s < 30) | (time_s > 60)
    whole, broken = (
        window_energy(_gauge(t, v), 5, 85) for t, v in ((time_s, value), (time_s[kept], value[kept]))
    )
    assert whole.flags == ()
    assert broken.flags == ("gap",)
    assert broken.u_energy_j > 3 * whole.u_energy_j
    assert abs(broken.energy_j - whole.energy_j) < 2 * broken.u_energy_j


def test_edges_that_no_sample_reaches_are_flagged():
    energy = window_energy(_gauge(np.arange(10, 20.0), np.full(10, 100.0)), 0, 30)
    assert set(energy.flags) == {"uncovered_start", "uncovered_end"}
    assert energy.energy_j == pytest.approx(3000)
    assert energy.terms["gaps"] > 300


def test_a_window_shorter_than_the_update_period_says_how_little_is_known():
    energy = window_energy(_gauge(np.arange(0, 20.0), 100 + 40.0 * (np.arange(20) % 2)), 10.2, 10.4)
    assert energy.u_energy_j > 0.02 * energy.energy_j


def test_a_frozen_counter_says_so():
    instrument = Instrument("counter", 1.0, 1.0, 0.01)
    with pytest.raises(SeriesError, match="did not move within an update period"):
        window_energy(_counter(np.arange(0, 0.9, 0.1), np.full(9, 77.0), instrument), 0.1, 0.8)


def test_bad_windows_and_samples_are_refused():
    samples = _gauge(range(10), [100.0] * 10)
    with pytest.raises(SeriesError, match="the end not before the start"):
        window_energy(samples, 5, 4)
    with pytest.raises(SeriesError, match="not before the start"):
        cumulative_energy(samples, 5, [6, 4])
    with pytest.raises(SeriesError, match="not in order of time"):
        _gauge([0, 2, 1], [1.0, 1.0, 1.0])
    with pytest.raises(SeriesError, match="three vectors of one length"):
        _gauge([0, 1], [1.0])


def test_an_energy_is_finite_and_survives_a_process_border():
    with pytest.raises(UsageError, match="finite"):
        Energy(float("nan"))
    energy = Energy(10.0, {"accuracy": 3.0, "gaps": 4.0}, ("gap",), 0.0, 2.0)
    assert (energy.u_energy_j, energy.mean_power_w, energy.expanded_j()) == (5.0, 5.0, 10.0)
    assert pickle.loads(pickle.dumps(energy)) == energy


def test_idle_is_subtracted_with_its_uncertainty():
    energy = Energy(1000.0, {"accuracy": 10.0}, (), 0.0, 10.0)
    dynamic = subtract_idle(energy, 40.0, 1.0)
    assert dynamic.energy_j == 600.0
    assert dynamic.u_energy_j == pytest.approx(np.hypot(10, 10))
    with pytest.raises(UsageError, match="idle_power_w"):
        subtract_idle(energy, -1.0, 1.0)
