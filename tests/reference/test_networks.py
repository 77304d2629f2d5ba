"""Networks of BUTTER-E come out with exactly the published parameters and widths.

Source: parameter counts read from the published vector figures (arXiv 2403.08151) to better than half a
parameter; the hidden layers of these two families have one width.
"""

import pytest

from wattlas.networks import PAPER_TASKS, build_network, build_networks, work, working_sets

# (dataset, shape, depth, n_inputs, n_outputs): {log2 size: (parameters, hidden width)}
PUBLISHED = {
    ("201_pol", "rectangle", 2, 26, 11): {
        7: (125, 3),
        8: (239, 6),
        9: (505, 13),
        10: (1037, 27),
        11: (2063, 54),
        12: (4115, 108),
        13: (8181, 215),
        14: (16389, 431),
        15: (32767, 862),
        16: (65523, 1724),
        17: (131073, 3449),
        18: (262135, 6898),
        19: (524297, 13797),
        20: (1048583, 27594),
        21: (2097155, 55188),
        22: (4194299, 110376),
        23: (8388625, 220753),
        24: (16777201, 441505),
    },
    ("mnist", "rectangle", 6, 784, 10): {
        11: (2443, 3),
        12: (4105, 5),
        13: (8400, 10),
        14: (16635, 19),
        16: (64924, 62),
        17: (131299, 107),
        18: (262335, 175),
        19: (525238, 276),
        20: (1049524, 422),
        21: (2096823, 631),
        22: (4194445, 929),
        23: (8391874, 1352),
        24: (16784463, 1951),
    },
}
ROWS = [
    (*family, log2_size, parameters, (*[hidden] * (family[2] - 1), family[4]))
    for family, sizes in PUBLISHED.items()
    for log2_size, (parameters, hidden) in sizes.items()
]


@pytest.mark.parametrize(
    ("dataset", "shape", "depth", "n_inputs", "n_outputs", "log2_size", "parameters", "widths"), ROWS
)
def test_published_networks(
    dataset: str,
    shape: str,
    depth: int,
    n_inputs: int,
    n_outputs: int,
    log2_size: int,
    parameters: int,
    widths: tuple[int, ...],
) -> None:
    network = build_network(shape, depth, 2**log2_size, n_inputs, n_outputs)
    assert network.widths == widths
    assert network.n_parameters == parameters
    assert (PAPER_TASKS[dataset].n_inputs, PAPER_TASKS[dataset].n_outputs) == (n_inputs, n_outputs)


def test_published_networks_built_together() -> None:
    _, shapes, depths, inputs, outputs, logs, _, widths = zip(*ROWS, strict=True)
    built = build_networks(shapes, depths, [2**z for z in logs], inputs, outputs)
    assert [n.widths for n in built] == list(widths)


def test_training_rows_of_figure_3a() -> None:
    # Training steps × 256 as the published figure has them on its axis.
    published = {
        "splice": 2560, "529_pollen": 3328, "wine_quality_white": 4096, "banana": 4352,
        "294_satellite_image": 5376, "nursery": 10496, "201_pol": 12032, "537_houses": 16640,
        "adult": 39168, "connect_4": 54272, "mnist": 56064, "sleep": 84736,
    }  # fmt: skip
    assert {n: PAPER_TASKS[n].n_train_batches(256) * 256 for n in published} == published


def test_test_batches_of_published_points() -> None:
    assert PAPER_TASKS["201_pol"].n_test_batches(256) == 12
    assert PAPER_TASKS["mnist"].n_test_batches(256) == 55


def test_example_of_the_command_line_reference() -> None:
    network = build_network("trapezoid", 4, 4096, 126, 3)
    assert network.widths == (26, 18, 11, 3)
    assert network.n_parameters == 4033


def test_work_and_working_sets_by_hand() -> None:
    # connect_4, 126 → 26 → 18 → 11 → 3, B = 256. Weights 126·26 + 26·18 + 18·11 + 11·3 = 3975; 58 biases.
    network = build_network("trapezoid", 4, 4096, 126, 3)
    done = work(network, 256)
    assert done.forward_flops == 3975 + 58
    layers = 2 * 58 + 3975 + (3975 - 126 * 26)
    assert done.backward_flops == pytest.approx(layers + 4033 * 257 / 256)
    # 67,557 rows: 212 training steps and 53 test batches.
    task = PAPER_TASKS["connect_4"]
    batches = (task.n_train_batches(256), task.n_test_batches(256))
    assert batches == (212, 53)
    assert done.flops_per_datum(*batches) == pytest.approx(4033 * 1.25 + done.backward_flops)
    sets = working_sets(network, 256, task.n_observations)
    assert (sets.l.replicated_bytes, sets.l.distributed_bytes) == (0, 4 * 256 * (126 + 26))
    assert (sets.f.replicated_bytes, sets.f.distributed_bytes) == (4 * 4033, 0)
    assert sets.b.replicated_bytes == 8 * 4033
    assert sets.b.distributed_bytes == 4 * 256 * (126 + 58) - 4 * 256 * 152
    assert sets.d is not None
    assert (sets.d.replicated_bytes, sets.d.distributed_bytes) == (0, 67557 * 4 * (126 + 3))
    assert dict(sets.total_bytes()) == {
        "l": 155_648,
        "f": 155_648 + 16_132,
        "b": 32_264 + 188_416,
        "d": 32_264 + 188_416 + 34_859_412,
    }
    assert dict(working_sets(network).total_bytes())["d"] is None
