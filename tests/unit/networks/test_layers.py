"""Networks of any kind as layers: those of `Network` where they are fully connected, by hand where not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattlas.core.errors import UsageError
from wattlas.networks.layers import Layer, LayeredNetwork, layered
from wattlas.networks.network import Network
from wattlas.networks.work import layered_work, work
from wattlas.networks.working_sets import layered_working_sets, working_sets

# One grey image of 4 by 4, two filters of 3 by 3 with padding, then three outputs: P = 20 + 99.
SMALL = LayeredNetwork(
    16,
    3,
    119,
    (
        Layer("conv", "convolution", 2 * 16 * 9, 16, 32, 32, gradients=1),
        Layer("last", "linear", 96, 32, 3, 3, gradients=2),
    ),
)


@given(
    st.integers(1, 900),
    st.lists(st.integers(1, 300), min_size=1, max_size=8),
    st.integers(1, 512),
    st.none() | st.integers(1, 10**6),
)
def test_a_fully_connected_network_is_the_same_as_layers(
    n_inputs: int, widths: list[int], batch: int, observations: int | None
) -> None:
    network = Network("rectangle", n_inputs, tuple(widths))
    assert layered_work(layered(network), batch) == work(network, batch)
    assert layered_working_sets(layered(network), batch, observations) == working_sets(
        network, batch, observations
    )
    assert all(layer.fully_connected for layer in layered(network).layers)


def test_work_of_a_convolution_by_hand() -> None:
    done = layered_work(SMALL, batch_size=4)
    assert done.forward_flops == 288 + 32 + 96 + 3
    # Outputs and biases of both layers; the first passes no gradient on, the last one twice its products.
    assert done.backward_flops == 64 + 6 + 288 + 192 + 119 * 5 / 4


def test_working_sets_of_a_convolution_by_hand() -> None:
    sets = layered_working_sets(SMALL, batch_size=4, n_observations=10)
    pair, every, parameters = 4 * 4 * (16 + 32), 4 * 4 * (16 + 32 + 3), 4 * 119
    assert dict(sets.total_bytes()) == {
        "l": pair,
        "f": pair + parameters,
        "b": every + 2 * parameters,
        "d": every + 2 * parameters + 10 * 4 * 19,
    }


def test_what_an_upsampling_enlarges_is_no_negative_size() -> None:
    wide = replace(SMALL, layers=(Layer("conv", "convolution", 9000, 1000, 4, 4, 1),))
    assert layered_working_sets(wide, 1).b.distributed_bytes == 0


def test_weights_that_are_used_at_several_positions_are_not_fully_connected() -> None:
    assert not Layer("tokens", "linear", 5 * 8 * 4, 5 * 8, 5 * 4, 5 * 4, 2).fully_connected


@pytest.mark.parametrize(
    "change", [{"macs": -1}, {"inputs": 0}, {"outputs": 0}, {"biases": -1}, {"gradients": 3}]
)
def test_an_impossible_layer_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="'conv'"):
        replace(SMALL.layers[0], **change)


@pytest.mark.parametrize("change", [{"layers": ()}, {"n_parameters": 0}, {"n_outputs": 0}])
def test_a_network_with_nothing_in_it_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="trains nothing"):
        replace(SMALL, **change)  # type: ignore[arg-type]
