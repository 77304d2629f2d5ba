import pytest

from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.networks.network import Network
from wattlas.networks.work import work
from wattlas.networks.working_sets import working_sets


def test_work_and_bytes_are_those_of_the_networks_package() -> None:
    points = grid_points("eagle-cpu", depths=(2, 5, 20), log2_sizes=(7, 14, 20))
    f = features(points)
    assert points.height > 300
    for i, row in enumerate(points.iter_rows(named=True)):
        network = Network(row["shape"], row["n_inputs"], tuple(row["widths"]))
        done = work(network, 256)
        assert f.n_parameters[i] == network.n_parameters == row["n_parameters"]
        assert f.flops[i] == pytest.approx(256 * (done.forward_flops + done.backward_flops), rel=1e-12)
        assert f.forward_flops[i] == 256 * done.forward_flops
        sets = working_sets(network, 256)
        assert f.interlayer_bytes[i] == sets.l.total_bytes
        assert 2 * f.parameter_bytes[i] == sets.b.replicated_bytes
        assert f.activation_bytes[i] + f.input_bytes[i] == sets.b.distributed_bytes + sets.l.distributed_bytes


def test_rows_are_taken_together() -> None:
    f = features(grid_points("eagle-cpu", depths=(3,), log2_sizes=(14, 15)))
    few = f.take(f.n_inputs == 784)
    assert len(few) == 2 * 8
    assert (few.n_inputs == 784).all()
    assert few.macs.shape == (16, 3)
