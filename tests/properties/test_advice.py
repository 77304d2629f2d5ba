"""What must hold for any curves: the front, and the energy to a level."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wattlas.advice.curves import Curve
from wattlas.advice.pareto import pareto_front

# Few distinct values, so that ties in loss and in energy are common.
LOG = st.integers(-12, 3).map(lambda n: n / 4) | st.floats(-5, 2)


@st.composite
def curves(draw: st.DrawFn, least: int = 0) -> Curve:
    n = draw(st.integers(least, 8))
    losses = draw(st.lists(LOG, min_size=n, max_size=n))
    energies = draw(st.lists(LOG, min_size=n, max_size=n))
    return Curve(
        epoch=np.arange(1.0, n + 1),
        log_loss=np.minimum.accumulate(np.array(losses, dtype=float)),
        log_energy=np.sort(np.array(energies, dtype=float)),
        duration_s=np.arange(n, dtype=float),
        initial_loss=float("nan"),
    )


@given(st.lists(curves(), max_size=6))
def test_the_front_is_what_nothing_dominates(many: list[Curve]) -> None:
    front = pareto_front(many)
    points = [(np.exp(c.log_loss[k]), np.exp(c.log_energy[k])) for c in many for k in range(len(c))]
    on_front = list(zip(front.loss, front.energy_j, strict=True))
    assert set(on_front) <= set(points)
    for loss, energy in on_front:
        assert not any(l <= loss and e <= energy and (l, e) != (loss, energy) for l, e in points)  # noqa: E741
    # Nothing is left out: every point is on the front or beaten by one that is.
    for loss, energy in points:
        assert any(l <= loss and e <= energy for l, e in on_front)  # noqa: E741
    assert np.all(np.diff(front.loss) < 0)
    assert np.all(np.diff(front.energy_j) > 0)


@given(st.lists(curves(), max_size=6), st.floats(0.01, 5))
def test_a_limit_on_the_energy_cuts_the_front(many: list[Curve], max_energy_j: float) -> None:
    free, cut = pareto_front(many), pareto_front(many, max_energy_j)
    kept = free.energy_j <= max_energy_j
    assert list(zip(cut.curve, cut.k, strict=True)) == list(zip(free.curve[kept], free.k[kept], strict=True))


@given(st.lists(curves(), max_size=6))
def test_ends_are_each_curves_last_point_on_the_front(many: list[Curve]) -> None:
    front = pareto_front(many)
    ends = front.ends()
    assert sorted(i for i, _ in ends) == sorted(set(front.curve.tolist()))
    losses = [many[i].log_loss[k] for i, k in ends]
    assert losses == sorted(losses, reverse=True)
    for i, k in ends:
        assert k == max(front.k[front.curve == i])


@given(curves(least=1), st.floats(0, 1))
def test_a_crossing_is_the_interpolation_in_logs(curve: Curve, share: float) -> None:
    k = curve.improvements()
    highest, lowest = float(curve.log_loss[0]), float(curve.log_loss[-1])
    target = lowest + share * (highest - lowest)
    point = curve.crossing(float(np.exp(target)))
    assert point is not None
    # Energy in log loss over the epochs just before and at each improvement, as NumPy interpolates.
    before = np.concatenate([[0], k[1:] - 1])
    x = np.stack([curve.log_loss[before], curve.log_loss[k]], axis=1).ravel()
    y = np.stack([curve.log_energy[before], curve.log_energy[k]], axis=1).ravel()
    reached = int(np.argmax(curve.log_loss <= target + 1e-9))
    assert curve.epoch[max(reached - 1, 0)] - 1e-9 <= point.epoch <= point.stop_epoch
    if np.min(np.abs(x - target)) > 1e-6:
        assert np.isclose(point.log_energy, np.interp(-target, -x, y), atol=1e-6)


@given(curves(least=1), LOG, LOG)
def test_a_lower_loss_never_takes_less(curve: Curve, one: float, other: float) -> None:
    easy, hard = (
        curve.crossing(float(np.exp(max(one, other)))),
        curve.crossing(float(np.exp(min(one, other)))),
    )
    if hard is not None:
        assert easy is not None
        assert easy.log_energy <= hard.log_energy + 1e-9
        assert easy.stop_epoch <= hard.stop_epoch


@given(curves(), st.floats(-6, 3))
def test_a_level_below_the_best_is_not_reached(curve: Curve, target: float) -> None:
    below = not len(curve) or target < curve.log_loss[-1] - 1e-6
    if below:
        assert curve.crossing(float(np.exp(target))) is None
