"""What holds for the energy of any window of any samples."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wattlas.power.energy import window_energy
from wattlas.power.instrument import Instrument
from wattlas.power.samples import Samples

powers_w = st.lists(st.floats(0, 1000), min_size=3, max_size=40)
spacings_s = st.floats(0.01, 60)
fractions = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)
instruments = st.builds(
    Instrument,
    kind=st.just("gauge"),
    quantum=st.sampled_from([0.0, 1.0, 10.0]),
    update_period_s=st.sampled_from([0.0, 0.02, 1.0, 20.0]),
    accuracy_relative=st.floats(0, 0.1),
    averaging=st.sampled_from(["averaged", "instantaneous"]),
)


def _gauge(instrument, power_w, spacing_s):
    time_s = 1000 + np.arange(len(power_w)) * spacing_s
    return Samples("fake:node", instrument, time_s, time_s + 0.001 * spacing_s, np.asarray(power_w))


def _window(samples, fraction):
    span_s = samples.time_s[-1] - samples.time_s[0]
    return samples.time_s[0] + fraction * span_s


@given(instruments, powers_w, spacings_s, fractions)
def test_energies_of_adjoining_windows_add_up(instrument, power_w, spacing_s, abc):
    samples = _gauge(instrument, power_w, spacing_s)
    a, b, c = (_window(samples, x) for x in abc)
    whole = window_energy(samples, a, c).energy_j
    parts = window_energy(samples, a, b).energy_j + window_energy(samples, b, c).energy_j
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-6)


@given(instruments, powers_w, spacings_s, fractions)
def test_an_energy_lies_between_the_least_and_greatest_power(instrument, power_w, spacing_s, abc):
    samples = _gauge(instrument, power_w, spacing_s)
    a, _, c = (_window(samples, x) for x in abc)
    energy = window_energy(samples, a, c)
    slack_j = 1e-6 + 1e-9 * energy.energy_j
    assert min(power_w) * energy.duration_s - slack_j <= energy.energy_j
    assert energy.energy_j <= max(power_w) * energy.duration_s + slack_j


@given(instruments, powers_w, spacings_s, fractions, st.sampled_from([1e-3, 0.5, 3.6e6]))
def test_a_change_of_unit_scales_energy_and_every_term(instrument, power_w, spacing_s, abc, factor):
    samples = _gauge(instrument, power_w, spacing_s)
    scaled = _gauge(
        Instrument(
            "gauge",
            instrument.quantum * factor,
            instrument.update_period_s,
            instrument.accuracy_relative,
            averaging=instrument.averaging,
        ),
        np.asarray(power_w) * factor,
        spacing_s,
    )
    a, _, c = (_window(samples, x) for x in abc)
    one, other = window_energy(samples, a, c), window_energy(scaled, a, c)
    assert other.energy_j == pytest.approx(one.energy_j * factor, rel=1e-6, abs=1e-9 * factor)
    for name, u_j in one.terms.items():
        assert other.terms[name] == pytest.approx(
            u_j * factor, rel=1e-3, abs=1e-3 * factor * max(power_w, default=0)
        )


@given(
    st.lists(st.floats(0.1, 300), min_size=4, max_size=60),
    st.floats(0, 1),
    st.floats(2000, 1e5),
    fractions,
)
def test_a_counter_comes_back_through_its_wraps(power_w, begin, range_j, abc):
    """What a wrapping counter shows gives the energy that went into it, wherever it wraps."""
    spacing_s = 5.0
    time_s = 50 + np.arange(len(power_w) + 1) * spacing_s
    truth_j = np.concatenate(([0.0], np.cumsum(np.asarray(power_w) * spacing_s)))
    shown_j = (begin * range_j + truth_j) % range_j
    instrument = Instrument("counter", 0.0, 0.0, 0.0, range_j=range_j, max_power_w=320.0)
    samples = Samples("fake:package-0", instrument, time_s, time_s, shown_j)
    assume((np.diff(shown_j) != 0).all())
    a, _, c = (_window(samples, x) for x in abc)
    energy = window_energy(samples, a, c)
    expected = np.interp(c, time_s, truth_j) - np.interp(a, time_s, truth_j)
    assert energy.energy_j == pytest.approx(expected, rel=1e-6, abs=1e-3)
    assert "reset" not in energy.flags
    wrapped = (np.diff(shown_j) < 0) & (time_s[1:] >= a) & (time_s[:-1] <= c)
    assert ("wrap" in energy.flags) == bool(wrapped.any())


@given(instruments, powers_w, spacings_s, fractions)
def test_uncertainty_grows_with_the_accuracy_class_only_there(instrument, power_w, spacing_s, abc):
    a, _, c = (_window(_gauge(instrument, power_w, spacing_s), x) for x in abc)
    coarse = Instrument(
        "gauge",
        instrument.quantum,
        instrument.update_period_s,
        instrument.accuracy_relative + 0.1,
        averaging=instrument.averaging,
    )
    fine = window_energy(_gauge(instrument, power_w, spacing_s), a, c).terms
    wide = window_energy(_gauge(coarse, power_w, spacing_s), a, c).terms
    assert wide["accuracy"] >= fine["accuracy"]
    assert {k: v for k, v in wide.items() if k != "accuracy"} == {
        k: v for k, v in fine.items() if k != "accuracy"
    }
