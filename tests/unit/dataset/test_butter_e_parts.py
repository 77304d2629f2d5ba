"""Parts of the import against closed forms and the scalar formulas of `wattlas.networks`."""

import numpy as np
import polars as pl
import pytest

from wattlas.dataset.butter_e.features import Networks
from wattlas.dataset.butter_e.integrate import _group_noise
from wattlas.dataset.butter_e.node_effects import fit_node_effects
from wattlas.dataset.butter_e.overhead import fit_overhead
from wattlas.dataset.butter_e.quality import QcLimits, own_qc, published_qc
from wattlas.dataset.butter_e.series import Series
from wattlas.dataset.butter_e.startup import learn
from wattlas.networks import PAPER_TASKS, build_network, work, working_sets


def test_features_are_those_of_one_network_at_a_time() -> None:
    built = [
        build_network(shape, depth, 2**log2, task.n_inputs, task.n_outputs)
        for task in PAPER_TASKS.values()
        for shape, depth, log2 in (("rectangle", 2, 5), ("exponential", 9, 14), ("wide_first_4x", 20, 24))
    ]
    batch = np.full(len(built), 256)
    table = Networks.of(np.array([n.n_inputs for n in built]), [n.widths for n in built], batch)
    for i, network in enumerate(built):
        one, sets = work(network, 256), working_sets(network, 256)
        assert table.n_parameters[i] == network.n_parameters
        assert table.forward_flops[i] == 256 * one.forward_flops
        assert table.backward_flops[i] == pytest.approx(256 * one.backward_flops, rel=1e-12)
        assert table.layer_bytes[i].max() == sets.l.distributed_bytes
        assert table.backward_bytes[i] == sets.b.distributed_bytes


def test_offsets_and_scales_of_nodes_are_recovered() -> None:
    rng = np.random.default_rng(1)
    n_nodes, n_experiments = 12, 400
    idle = 220.0 + rng.normal(0, 5, n_nodes)
    offset = idle - 220 + rng.normal(0, 4, n_nodes)
    scale = 1 + rng.normal(0, 0.03, n_nodes)
    experiment = np.repeat(np.arange(n_experiments), 3)
    node = np.concatenate([rng.choice(n_nodes, 3, replace=False) for _ in range(n_experiments)])
    dynamic = np.repeat(rng.uniform(40, 160, n_experiments), 3)
    power = 220 + offset[node] + scale[node] * dynamic + rng.normal(0, 1, len(node))
    found = fit_node_effects(
        power, np.full(len(node), 1.0), experiment, node, idle, np.full(n_nodes, 220.0),
        np.zeros(n_nodes, dtype=int), 220.0,
    )  # fmt: skip
    # What all nodes share is not told by differences between them.
    away = (found.offset_w - offset) + (found.scale - scale) * 100
    assert np.std(away) < 0.6
    assert np.std((found.scale - found.scale.mean()) - (scale - scale.mean())) < 0.5 * np.std(scale)
    assert found.spread_w["ours"] < 1.2 < 4 < found.spread_w["published"]


def test_nothing_repeated_leaves_the_idle_readings() -> None:
    idle = np.array([215.0, 230.0])
    found = fit_node_effects(
        np.array([300.0, 320.0]), np.ones(2), np.array([0, 1]), np.array([0, 1]), idle,
        np.full(2, 220.0), np.zeros(2, dtype=int), 220.0,
    )  # fmt: skip
    np.testing.assert_allclose(found.offset_w, [-5.0, 10.0])
    np.testing.assert_allclose(found.scale, 1.0)


def test_the_overhead_is_the_intercept() -> None:
    rng = np.random.default_rng(2)
    steps = np.repeat([4000.0, 40_000.0, 200_000.0], 60)
    depth = rng.integers(2, 20, 180).astype(float)
    trained = steps * (2e-3 + 3e-4 * depth)
    time_s = 55 + rng.normal(0, 1, 180) + trained * rng.normal(1, 0.03, 180)
    found = fit_overhead(time_s, 265 * time_s, steps, depth)
    assert found is not None
    assert found.run_time_s == pytest.approx(55, abs=3 * found.u_run_time_s)
    assert 0.1 < found.u_run_time_s < 1.5
    assert found.energy_j == pytest.approx(265 * found.run_time_s, rel=0.05)


def test_the_start_up_is_learned_from_first_samples() -> None:
    rng = np.random.default_rng(3)
    n = 600
    since, length = rng.uniform(0, 60, n), rng.normal(50, 1.5, n)
    idle = rng.normal(220, 5, n)
    first = idle + np.where(since < length, 45, 120) + rng.normal(0, 3, n)
    second = idle + 120 + rng.normal(0, 3, n)
    found = learn(since, first, second, idle, 60.0)
    assert found is not None
    assert found.duration_s == pytest.approx(50, abs=1)
    assert 0.5 < found.u_duration_s < 4
    assert found.power_w == pytest.approx(45, abs=1)
    assert found.step_w == pytest.approx(75, abs=1)
    # Longer than a minute, no first sample shows its end.
    assert learn(since, idle + 45, idle + 46, idle, 60.0) is None


def outlier_among(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "is_gpu": [False] * n,
            "dataset": ["d"] * n,
            "size": [32] * n,
            "run_time_s": [100.0 * 1.01**k for k in range(n - 1)] + [20_000.0],
            "energy_j": [1.0] * n,
            "node_idle_w": [None] * n,
            "qc_flags": pl.Series([[]] * n, dtype=pl.List(pl.String)),
        },
        schema_overrides={"node_idle_w": pl.Float64},
    )


@pytest.mark.parametrize(("n", "published", "ours"), [(4, False, False), (10, False, True), (25, True, True)])
def test_an_outlier_does_not_hide_in_a_small_group(n: int, published: bool, ours: bool) -> None:
    runs = outlier_among(n)
    for qc, expected in ((published_qc, published), (own_qc, ours)):
        assert ("run_time_outlier" in qc(runs, QcLimits())["qc_flags"][-1]) == expected


def test_too_few_readings_leave_the_noise_an_estimate_and_never_nothing() -> None:
    """No node has the four readings in a row that tell its noise: it is not 0 for that."""
    for group in ([0, 0, 0], [0, 0, 1, 1, 2, 2]):
        n = len(group)
        index = np.arange(n, dtype=np.int32)
        series = Series(
            index, index.astype(np.int64), np.array(group, np.int32), 60 * index, np.full(n, 300.0), 3, 0
        )
        noise, cap = _group_noise(series)
        assert (noise > 0).all()
        assert np.isinf(cap).all()
