"""One's own network: the model's own answer where it is fully connected, and honest where it is not."""

from dataclasses import replace

import polars as pl
import pytest
from scipy.special import stdtrit

from wattlas.advice.own_network import UNLIKE_LOG_SD, own_network
from wattlas.core.errors import UnknownNameError, UsageError
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.placement import place_sets
from wattlas.model import EnergyModel, load_model
from wattlas.networks.layers import Layer, LayeredNetwork, layered
from wattlas.networks.network import Network
from wattlas.networks.tasks import n_batches
from wattlas.networks.work import work
from wattlas.networks.working_sets import working_sets

MODEL = load_model("butter-e")
MNIST = Network("rectangle", 784, (256, 64, 10))
# (channels before, filters, side of the output) of VGG-16 (Simonyan and Zisserman 2014, configuration D).
VGG_CONVOLUTIONS = [
    *((3, 64, 224), (64, 64, 224), (64, 128, 112), (128, 128, 112)),
    *((128, 256, 56), (256, 256, 56), (256, 256, 56)),
    *((256, 512, 28), (512, 512, 28), (512, 512, 28)),
    *((512, 512, 14), (512, 512, 14), (512, 512, 14)),
]


def vgg16() -> LayeredNetwork:
    layers, parameters = [], 0
    for i, (before, filters, side) in enumerate(VGG_CONVOLUTIONS):
        units = filters * side**2
        macs = units * 9 * before
        parameters += 9 * before * filters + filters
        layers.append(
            Layer(f"c{i}", "convolution", macs, before * side**2, units, units, gradients=2 if i else 1)
        )
    for before, after in ((25088, 4096), (4096, 4096), (4096, 1000)):
        parameters += before * after + after
        layers.append(Layer(f"f{after}", "linear", before * after, before, after, after, 2))
    return LayeredNetwork(3 * 224**2, 1000, parameters, tuple(layers))


def points(network: Network, machine: str, batch: int, batches: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "machine": [machine],
            "widths": [list(network.widths)],
            "n_inputs": [network.n_inputs],
            "n_train_batches": [batches[0]],
            "n_test_batches": [batches[1]],
            "batch_size": [batch],
        }
    )


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
@pytest.mark.parametrize("observations", [None, 70_000, 300])
@pytest.mark.parametrize("batch", [256, 64])
@pytest.mark.parametrize(
    "network", [MNIST, Network("rectangle", 13, (5,)), Network("x", 4, (40,) * 20 + (3,))]
)
def test_a_fully_connected_network_gets_exactly_what_the_model_predicts(
    machine: str, observations: int | None, batch: int, network: Network
) -> None:
    answer = own_network(layered(network), MODEL, machine, batch, observations)
    # Without observations: training steps of the longest epoch of the fit, no tests.
    batches = (331, 0) if observations is None else n_batches(observations, batch)
    frame = points(network, machine, batch, batches)
    p = MODEL.predict_interval(frame)
    assert answer.energy_j == p.energy_j[0]
    assert (answer.lower_j, answer.upper_j) == (p.lower_j[0], p.upper_j[0])
    assert bool(answer.because) == p.extrapolated[0]
    parts = MODEL.attribute(frame).row(0, named=True)
    assert {f"{cause}_j": part for cause, part in answer.attribution.items()} == parts
    assert sum(answer.attribution.values()) == pytest.approx(answer.energy_j, rel=1e-12)
    document = answer.document()
    done = work(network, batch)
    assert document["flops_per_datum"] == done.flops_per_datum(*(batches if observations else (None, None)))
    assert document["working_sets"] == dict(working_sets(network, batch, observations).total_bytes())
    assert document["extrapolated"] is bool(p.extrapolated[0])


def test_the_published_counts_of_vgg_16_go_through() -> None:
    answer = own_network(vgg16(), MODEL, "eagle-gpu", 32)
    document = answer.document()
    assert document["n_parameters"] == 138_357_544
    assert document["macs_per_datum"] == 15_470_264_320
    # Forward: a bias for each output; backward: two products a layer, but one for the first.
    units = sum(f * s**2 for _, f, s in VGG_CONVOLUTIONS) + 4096 + 4096 + 1000
    first = 64 * 224**2 * 27
    assert document["forward_flops"] == 15_470_264_320 + units
    assert document["backward_flops"] == pytest.approx(
        2 * units + 2 * 15_470_264_320 - first + 138_357_544 * 33 / 32, rel=1e-15
    )
    # The widest pair is the second convolution's: 64 planes of 224 by 224 in and out.
    assert document["working_sets"]["l"] == 4 * 32 * 2 * 64 * 224**2
    assert document["working_sets"]["f"] - document["working_sets"]["l"] == 4 * 138_357_544


def test_convolutions_are_extrapolated_and_widen_the_interval() -> None:
    answer = own_network(vgg16(), MODEL, "eagle-gpu", 256)
    assert any("13 convolution" in line for line in answer.because)
    assert any(line.startswith("n_parameters is 138,357,544") for line in answer.because)
    fitted = MODEL.machines_["eagle-gpu"]
    k = float(stdtrit(max(fitted.freedom, 3), 0.975))
    # 99 % of the work is in convolutions: an interval of at least that share of a factor of two.
    assert answer.upper_j / answer.energy_j > 2 ** (0.99 * k)
    assert answer.energy_j / answer.lower_j == pytest.approx(answer.upper_j / answer.energy_j)


def test_one_unlike_layer_of_three_widens_by_its_share() -> None:
    dense = layered(MNIST)
    norm = Layer("norm", "normalisation", 64, 64, 64, 64, 2)
    mixed = replace(dense, layers=(*dense.layers, norm))
    answer = own_network(mixed, MODEL, "eagle-cpu")
    assert answer.because == (
        "layers that the model was not fitted to, only to fully connected ones: 1 normalisation",
    )
    plain = MODEL.machines_["eagle-cpu"]
    k = float(stdtrit(max(plain.freedom, 3), 0.975))
    least = k * UNLIKE_LOG_SD / 4
    assert answer.upper_j / answer.energy_j > 2.718281828**least


def test_what_is_not_counted_is_said() -> None:
    answer = own_network(layered(MNIST), MODEL, "eagle-cpu", not_counted=("2 unknown layers",))
    assert answer.document()["extrapolated_because"] == ["2 unknown layers"]


def test_what_is_outside_the_fit_is_said() -> None:
    (line,) = own_network(layered(MNIST), MODEL, "eagle-cpu", 32).because
    assert line == "batch_size is 32; the model was fitted from 256 to 256"


def advice(network: LayeredNetwork, machine: str, **options: int) -> list[dict[str, object]]:
    document = own_network(network, MODEL, machine, **options).document()  # type: ignore[arg-type]
    return list(document["advice"])


def test_the_largest_cause_comes_first() -> None:
    small = advice(layered(MNIST), "eagle-cpu")[0]
    assert (small["about"], small["cause"]) == ("cause", "launch")
    doubled = own_network(layered(MNIST), MODEL, "eagle-cpu", 512).energy_j
    assert small["energy_per_datum_j"] == pytest.approx(doubled)
    large = advice(vgg16(), "eagle-gpu")[0]
    assert (large["cause"], large["layer"]) == ("compute", "c1")
    # Seven convolutions of VGG-16 tie for the most work; the first is named.
    assert large["layer_share"] == pytest.approx(1_849_688_064 / 15_470_264_320)


def test_the_sizes_at_which_a_set_fits_are_the_largest_that_do() -> None:
    machine = load_machine("eagle-cpu")
    found = {a["working_set"]: a for a in advice(layered(MNIST), "eagle-cpu") if a["about"] == "working_set"}
    b = found["b"]
    assert (b["spills"], b["lies_in"]) == ("L2", "L3")

    def lies_in(parameters: int) -> str | None:
        # Eight bytes a parameter in every unit, and 4 B of each activation over 36 units; l lies in L1.
        sets = working_sets(MNIST)
        smaller = replace(sets.b, replicated_bytes=8 * parameters)
        return place_sets(machine.hierarchy, [smaller])["b"].level_name

    most = b["fits_at_n_parameters"]
    assert isinstance(most, int)
    assert (lies_in(most), lies_in(most + 1)) == ("L2", "L3")
    # 1.7 MB of parameters and gradients do not fit 1 MiB, however small the batch.
    assert b["fits_at_batch_size"] is None
    assert "l" not in found


def test_a_smaller_batch_that_fits() -> None:
    wide = layered(Network("rectangle", 8, (30_000, 2)))
    found = {a["working_set"]: a for a in advice(wide, "eagle-cpu") if a["about"] == "working_set"}
    # 4 B (30,000 + 8) over 36 units in 32 KiB: B = 9.
    assert found["l"]["fits_at_batch_size"] == 36 * 32768 // (4 * 30_008) == 9
    assert found["l"]["fits_at_n_parameters"] is None


def test_a_machine_that_draws_nothing_above_idle_has_no_cause_to_name() -> None:
    fitted = MODEL.machines_["eagle-cpu"]
    assert fitted.timing is not None
    always_idle = replace(fitted, timing=replace(fitted.timing, idle_w=1e6))
    model = EnergyModel(name="all idle")
    model.machines_ = {"eagle-cpu": always_idle}
    document = own_network(layered(MNIST), model, "eagle-cpu").document()
    assert document["attribution"]["idle"] == document["energy_per_datum_j"]
    assert document["advice"][0]["about"] == "idle"


def test_a_model_that_knows_what_spilling_costs_does_not_say_that_it_does_not() -> None:
    fitted = MODEL.machines_["eagle-cpu"]
    law = replace(fitted.law, fixed={**fitted.law.fixed, "parameter_byte_beyond_L2": 1e-9})
    model = EnergyModel(name="with caches")
    model.machines_ = {"eagle-cpu": replace(fitted, law=law)}
    about = [each["about"] for each in own_network(layered(MNIST), model, "eagle-cpu").document()["advice"]]
    assert "working_set" in about
    assert "caches" not in about


@pytest.mark.parametrize(
    ("machine", "batch", "observations", "error"),
    [
        ("eagle", 256, None, UnknownNameError),
        ("eagle-cpu", 0, None, UsageError),
        ("eagle-cpu", 256, 0, UsageError),
        ("eagle-cpu", 256, 1, UsageError),
    ],
)
def test_what_cannot_be_asked(
    machine: str, batch: int, observations: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        own_network(layered(MNIST), MODEL, machine, batch, observations)
