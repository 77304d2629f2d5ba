"""Student's t against SciPy's."""

import pytest
from scipy import stats

from wattlas.core.errors import UsageError
from wattlas.power.student import central_probability, two_sided_t


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 99, 1000, 10_009])
def test_quantiles_and_probabilities(freedom: int) -> None:
    for level in (0.01, 0.6, 0.95, 0.975, 0.999):
        wanted = stats.t.ppf(0.5 + level / 2, freedom)
        assert two_sided_t(level, freedom) == pytest.approx(wanted, rel=1e-10)
    for t in (0.0, 0.3, 2.0, 40.0):
        assert central_probability(t, freedom) == pytest.approx(1 - 2 * stats.t.sf(t, freedom), abs=1e-12)


@pytest.mark.parametrize(("level", "freedom"), [(1.0, 5), (0.0, 5), (0.95, 0)])
def test_values_that_are_none(level: float, freedom: int) -> None:
    with pytest.raises(UsageError, match="degrees of freedom"):
        two_sided_t(level, freedom)
