"""What holds for every shape, size and task."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattlas.core.errors import NetworkSizeError, UnknownNameError, UsageError
from wattlas.networks import (
    SHAPES,
    Network,
    build_network,
    build_networks,
    check_size,
    register_shape,
    relative_size_error,
    shape_names,
    work,
    working_sets,
)

BUILT_IN = (
    *("rectangle", "rectangle_residual", "trapezoid", "exponential"),
    *("wide_first_2x", "wide_first_4x", "wide_first_8x", "wide_first_16x"),
)
shapes = st.sampled_from(BUILT_IN)
depths = st.integers(2, 24)
sizes = st.integers(0, 26).flatmap(lambda z: st.integers(2**z, 2 ** (z + 1)))
inputs, outputs = st.integers(1, 2000), st.integers(1, 40)
requests = st.tuples(shapes, depths, sizes, inputs, outputs)


@given(shapes, st.integers(1, 2**31), depths, outputs)
def test_widths_end_at_the_outputs_and_are_whole(shape: str, scale: int, depth: int, n_outputs: int) -> None:
    widths = SHAPES[shape].widths(scale, depth, n_outputs)
    assert len(widths) == depth
    assert widths[-1] == n_outputs
    assert min(widths) >= 1


@given(shapes, st.integers(1, 10**6), depths, inputs, outputs)
def test_parameters_never_fall_as_the_scale_grows(
    shape: str, scale: int, depth: int, n_inputs: int, n_outputs: int
) -> None:
    of = SHAPES[shape].widths
    smaller, larger = (Network(shape, n_inputs, of(s, depth, n_outputs)) for s in (scale, scale + 1))
    assert smaller.n_parameters <= larger.n_parameters


@given(requests)
def test_parameters_are_counted_one_by_one(request: tuple[str, int, int, int, int]) -> None:
    network = build_network("rectangle", 3, min(request[2], 5000), min(request[3], 60), request[4])
    layers = (network.n_inputs, *network.widths)
    weights = sum(1 for a, b in pairwise(layers) for _ in range(a) for _ in range(b))
    assert network.n_parameters == weights + sum(network.widths)


@settings(max_examples=60)
@given(st.lists(requests, min_size=1, max_size=40))
def test_together_is_one_by_one(rows: list[tuple[str, int, int, int, int]]) -> None:
    assert build_networks(*zip(*rows, strict=True)) == [build_network(*row) for row in rows]


@settings(max_examples=60)
@given(shapes, st.integers(2, 40), st.integers(2**50, 2**70), inputs, outputs)
def test_together_is_one_by_one_where_64_bits_would_overflow(
    shape: str, depth: int, size: int, n_inputs: int, n_outputs: int
) -> None:
    row = (shape, depth, size, n_inputs, n_outputs)
    assert build_networks(*([value] for value in row)) == [build_network(*row)]


@given(requests)
def test_the_search_is_no_worse_than_the_smallest_scale_that_reaches_the_size(
    request: tuple[str, int, int, int, int],
) -> None:
    shape, depth, size, n_inputs, n_outputs = request
    size = min(size, 20_000)
    counts = (
        Network(shape, n_inputs, SHAPES[shape].widths(s, depth, n_outputs)).n_parameters
        for s in range(1, 2**30)
    )
    reached = next(count for count in counts if count >= size)
    found = build_network(shape, depth, size, n_inputs, n_outputs)
    assert abs(found.n_parameters - size) <= reached - size


@given(requests)
def test_at_depth_two_all_shapes_coincide_but_where_exponential_is_clamped(
    request: tuple[str, int, int, int, int],
) -> None:
    _, _, size, n_inputs, n_outputs = request
    built = {s: build_network(s, 2, size, n_inputs, n_outputs).widths for s in BUILT_IN}
    clamped = built.pop("exponential")
    assert len(set(built.values())) == 1
    if built["rectangle"][0] >= n_outputs:
        assert clamped == built["rectangle"]
    else:
        assert clamped == (n_outputs, n_outputs)


@given(requests, st.integers(1, 4096), st.integers(1, 10**6))
def test_work_and_working_sets_add_up(
    request: tuple[str, int, int, int, int], batch_size: int, n_observations: int
) -> None:
    network = build_network(*request)
    layers = (network.n_inputs, *network.widths)
    done = work(network, batch_size)
    assert done.forward_flops == network.n_parameters
    brute = (
        sum(2 * b + a * b + (a * b if i > 0 else 0) for i, (a, b) in enumerate(pairwise(layers)))
        + network.n_parameters * (1 + batch_size) / batch_size
    )
    assert done.backward_flops == pytest.approx(brute)
    sets = working_sets(network, batch_size, n_observations)
    total = dict(sets.total_bytes())
    assert total["l"] == max(4 * batch_size * (a + b) for a, b in pairwise(layers))
    assert total["f"] == total["l"] + 4 * network.n_parameters
    assert total["b"] == 8 * network.n_parameters + 4 * batch_size * sum(layers)
    assert total["d"] == total["b"] + 4 * n_observations * (network.n_inputs + network.n_outputs)
    assert total["l"] < total["f"]
    assert total["l"] <= total["b"] < total["d"]


def test_a_registered_shape_is_built_like_the_others() -> None:
    @register_shape("halving_for_this_test")
    def halving(scale: int, depth: int, n_outputs: int) -> list[int]:
        return [*(max(1, scale >> k) for k in range(depth - 1)), n_outputs]

    try:
        assert "halving_for_this_test" in shape_names()
        one = build_network("halving_for_this_test", 4, 4096, 10, 2)
        assert one.widths == (one.widths[0], one.widths[0] >> 1, one.widths[0] >> 2, 2)
        assert relative_size_error(one, 4096) < 0.05
        assert build_networks(["halving_for_this_test"], [4], [4096], [10], [2]) == [one]
        with pytest.raises(UsageError, match="already registered"):
            register_shape("halving_for_this_test")(halving)
    finally:
        del SHAPES["halving_for_this_test"]


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (("round", 4, 64, 3, 1), UnknownNameError, "unknown shape"),
        (("rectangle", 1, 64, 3, 1), UsageError, "depth 1"),
        (("rectangle", 4, 0, 3, 1), UsageError, "size is 0"),
        (("rectangle", 4, 64, 0, 1), UsageError, "inputs is 0"),
        (("rectangle", 4, 64, 3, 0), UsageError, "outputs is 0"),
    ],
)
def test_what_cannot_be_built_is_refused(row: tuple, error: type[Exception], message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(error, match=message):
        build_network(*row)
    with pytest.raises(error, match=message):
        build_networks(*([value] for value in row))


def test_a_size_out_of_reach_names_the_closest() -> None:
    network = build_network("rectangle", 10, 32, 126, 3)
    with pytest.raises(NetworkSizeError, match=f"closest has {network.n_parameters} "):
        check_size(network, 32)
    check_size(network, 32, tolerance=100)


def test_a_shape_that_breaks_its_promise_is_named() -> None:
    @register_shape("broken_for_this_test")
    def broken(scale: int, depth: int, n_outputs: int) -> list[int]:
        return [scale] * depth

    try:
        with pytest.raises(UsageError, match="broken_for_this_test"):
            build_network("broken_for_this_test", 3, 100, 4, 2)
    finally:
        del SHAPES["broken_for_this_test"]
