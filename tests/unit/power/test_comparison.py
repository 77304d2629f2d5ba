"""The ratio of mean energies: its interval against SciPy's paired t test, and what 200 trials claim."""

import numpy as np
import pytest
from scipy import stats

from wattlas.core.errors import UsageError
from wattlas.power.comparison import LEVEL, compare, mean_energy, unusual_runs
from wattlas.power.energy import window_energy
from wattlas.power.instrument import Instrument
from wattlas.power.samples import Samples
from wattlas.power.uncertainty import Energy


def energies(values, terms=None, duration_s=1.0):
    return [Energy(float(e), terms or {}, (), 0.0, duration_s) for e in values]


def told(a, b, **options):
    return compare(energies(a), energies(b), **options)


def trials(shape, ratio, n=10, count=200):
    rng = np.random.default_rng(20261124)
    for _ in range(count):
        drift = 1 + np.cumsum(rng.normal(0, 0.01, n))
        a, b = {
            "normal": lambda: rng.normal(100, 1, (2, n)),
            "log-normal": lambda: 100 * np.exp(rng.normal(0, 0.01, (2, n))),
            "drift": lambda drift=drift: drift * rng.normal(100, 1, (2, n)),
            "outliers": lambda: rng.normal(100, 1, (2, n)) * (1 + 0.3 * (rng.random((2, n)) < 0.1)),
        }[shape]()
        yield told(a, ratio * b)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_the_ends_are_where_a_paired_t_test_just_does_not_reject(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(100, 0.5, n), rng.normal(103, 0.5, n)
    found = told(a, b)
    assert found.ratio == b.mean() / a.mean()
    assert found.lower < found.ratio < found.upper
    for end in (found.lower, found.upper):
        assert stats.ttest_rel(b, end * a).pvalue == pytest.approx(1 - LEVEL, rel=1e-6)
    assert found.differs == (stats.ttest_rel(b, a).pvalue < 1 - LEVEL)


@pytest.mark.parametrize("shape", ["normal", "log-normal", "drift", "outliers"])
def test_one_command_with_itself_differs_in_at_most_5_percent_of_200_trials(shape):
    for n in (5, 10):
        assert sum(t.lower > 1 or t.upper < 1 for t in trials(shape, 1.0, n)) <= 10


@pytest.mark.parametrize("shape", ["normal", "log-normal", "drift"])
def test_a_ratio_of_1_03_is_found(shape):
    found = list(trials(shape, 1.03))
    assert sum(t.lower > 1 for t in found) >= 190
    assert sum(t.lower <= 1.03 <= t.upper for t in found) >= 190
    assert np.median([t.ratio for t in found]) == pytest.approx(1.03, abs=0.001)


def test_200_trials_through_an_emulated_counter():
    """A counter of 0.05 J that is written each 20 ms and read each 50 ms; runs of about 1 s at 50 W."""
    instrument = Instrument("counter", 0.05, 0.02, 0.05)
    rng = np.random.default_rng(7)

    def measured(ratio):
        start_s, power_w = rng.uniform(5, 6), 50 * ratio * rng.normal(1, 0.005)
        end_s = start_s + rng.uniform(0.98, 1.02)
        time_s = np.sort(np.r_[np.arange(0, 12, 0.05), start_s - 1e-5, end_s + 1e-5])
        written_s = np.floor((time_s + 0.007) / 0.02) * 0.02
        true_j = 10 * written_s + (power_w * 1.0 / (end_s - start_s) - 10) * (
            np.clip(written_s, start_s, end_s) - start_s
        )
        shown_j = np.floor(true_j / 0.05) * 0.05
        return window_energy(Samples("e:node", instrument, time_s, time_s, shown_j), start_s, end_s)

    for ratio in (1.0, 1.03):
        found = [
            compare([measured(1.0) for _ in range(8)], [measured(ratio) for _ in range(8)])
            for _ in range(200)
        ]
        claims = sum(t.lower > 1 or t.upper < 1 for t in found)
        assert claims <= 10 if ratio == 1.0 else claims >= 190
        assert sum(t.lower <= ratio <= t.upper for t in found) >= 190


def test_readings_that_do_not_scatter_are_as_uncertain_as_the_meter():
    """Ten readings of one quantum of 1 J each: true energies of 0.6 and 1.4 J would show the same."""
    same = energies([1.0] * 10, {"quantisation": 0.41})
    found = compare(same, same)
    assert found.lower < 0.8
    assert found.upper > 1.25
    assert not found.differs
    assert found.more_blocks_needed is None
    assert mean_energy(same).u_energy_j == pytest.approx(0.41 / 10**0.5)


def test_scatter_has_the_meters_random_error_in_it_already():
    rng = np.random.default_rng(3)
    a, b = rng.normal(100, 2, (2, 10))
    plain = told(a, b)
    assert compare(energies(a, {"quantisation": 0.5}), energies(b, {"quantisation": 0.5})) == plain


def test_a_scale_error_is_in_the_energies_and_not_in_the_ratio():
    rng = np.random.default_rng(4)
    a, b = rng.normal(100, 2, (2, 10))
    plain = told(a, b)
    assert compare(energies(a, {"accuracy": 30.0}), energies(b, {"accuracy": 30.0})) == plain
    mean = mean_energy(energies(a, {"accuracy": 30.0}))
    assert mean.u_energy_j == pytest.approx(np.hypot(30.0, a.std(ddof=1) / 10**0.5))
    scaled = told(1.2 * a, 1.2 * b)
    assert (scaled.lower, scaled.upper) == pytest.approx((plain.lower, plain.upper))


def test_a_constant_error_of_power_counts_by_how_much_longer_one_takes():
    rng = np.random.default_rng(5)
    a, b = rng.normal(100, 1, (2, 10))
    width = {}
    for seconds in (1.0, 3.0):
        found = compare(energies(a), energies(b, duration_s=seconds), u_power_w=2.0)
        width[seconds] = found.upper - found.lower
    plain = told(a, b)
    assert width[1.0] == pytest.approx(plain.upper - plain.lower, rel=1e-2)
    # 2 W over 2 s more of some 100 J, times t of 9 degrees of freedom, both ways; the scatter adds a little.
    t = stats.t.ppf(0.5 + LEVEL / 2, 9)
    assert width[3.0] == pytest.approx(2 * t * np.hypot(0.04, 0.01 * (2 / 10) ** 0.5), rel=0.1)


def test_drift_that_both_share_drops_out():
    rng = np.random.default_rng(6)
    drift = np.linspace(1, 2, 10)
    a, b = 100 * drift * rng.normal(1, 0.002, 10), 103 * drift * rng.normal(1, 0.002, 10)
    assert told(a, b).lower > 1.02
    assert told(a, b[::-1]).lower < 0.8


@pytest.mark.parametrize(("a", "ratio"), [([0.0, 0.0, 0.0], None), ([1.0, -2.0, 2.0], 30.0)])
def test_no_interval_where_the_first_cannot_be_told_from_nothing(a, ratio):
    found = told(a, [10.0, 10.0, 10.0])
    assert (found.ratio, found.lower, found.upper) == (pytest.approx(ratio) if ratio else None, None, None)


def test_energies_less_idle_may_be_negative():
    found = told([10.0, 10.1, 9.9], [-0.1, 0.2, -0.3])
    assert found.lower < found.ratio < 0 < found.upper < 0.1


@pytest.mark.parametrize(("effect", "n"), [(0.1, 10), (0.3, 10), (0.65, 6)])
def test_more_runs_are_those_of_the_noncentral_t(effect, n):
    """Pairs whose difference is `effect` standard deviations: what SciPy needs for a power of 80 %, ± 1."""
    rng = np.random.default_rng(8)
    noise = rng.normal(size=n)
    difference = effect + (noise - noise.mean()) / noise.std(ddof=1)
    found = told(np.full(n, 100.0), 100.0 + difference)

    def power(m):
        t = stats.t.ppf(0.5 + LEVEL / 2, m - 1)
        return stats.nct.sf(t, m - 1, effect * m**0.5)

    wanted = next(m for m in range(n + 1, 10_000) if power(m) >= 0.8) - n
    assert found.more_blocks_needed == pytest.approx(wanted, abs=1)


def test_more_runs_are_none_where_they_settle_nothing():
    rng = np.random.default_rng(9)
    a = rng.normal(100, 1, 10)
    swapped = a.reshape(5, 2)[:, ::-1].ravel()
    assert told(a, swapped).more_blocks_needed is None
    assert told(a, a + 50 + rng.normal(0, 1, 10)).more_blocks_needed == 0
    slower = compare(energies(a), energies(a[::-1] + 1, duration_s=2.0), u_power_w=1.0)
    assert slower.more_blocks_needed is None


def test_a_run_far_off_is_named():
    rng = np.random.default_rng(10)
    values = rng.normal(100, 1, 10)
    assert unusual_runs(energies(values)) == ()
    values[3] = 150
    assert unusual_runs(energies(values)) == (3,)
    assert unusual_runs(energies([1.0, 1.0, 1.0, 2.0], {"quantisation": 0.4})) == ()


def test_what_cannot_be_compared():
    with pytest.raises(UsageError, match="at least two"):
        told([1.0], [2.0])
    with pytest.raises(UsageError, match="as many"):
        told([1.0, 2.0], [2.0, 3.0, 4.0])
