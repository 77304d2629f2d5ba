"""A Keras graph as layers, without Keras: sizes of layers by hand."""

from typing import Any

import pytest

from wattlas.core.errors import DataError, UsageError
from wattlas.networks.layers import dense_layers
from wattlas.readers.read import read_made
from wattlas.testing.keras_graph import Functional, dense, dense_model, operation

CONVOLUTIONAL = "layers.convolutional.x"


def test_a_fully_connected_model_has_the_layers_of_its_widths() -> None:
    reading = read_made(dense_model(784, 64, 32, 10))
    found = reading.network
    assert [(x.macs, x.inputs, x.outputs, x.biases, x.gradients) for x in found.layers] == [
        (x.macs, x.inputs, x.outputs, x.biases, x.gradients) for x in dense_layers(784, (64, 32, 10))
    ]
    assert (found.n_inputs, found.n_outputs, found.n_parameters) == (784, 10, 52_650)
    assert (reading.framework, dict(reading.free_layers), reading.unknown_layers) == (
        "keras",
        {"ReLU": 2},
        (),
    )


@pytest.mark.parametrize(
    ("kind", "weights", "input_shape", "output_shape", "macs"),
    [
        # VGG-16's second convolution: 1.85 G of its 15.47 G.
        ("Conv2D", [(3, 3, 64, 64), (64,)], (224, 224, 64), (224, 224, 64), 1_849_688_064),
        # Half the channels are read by each filter: AlexNet's second convolution, in two groups.
        ("Conv2D", [(5, 5, 48, 256), (256,)], (27, 27, 96), (27, 27, 256), 223_948_800),
        ("Conv1D", [(5, 3, 7), (7,)], (20, 3), (16, 7), 16 * 7 * 15),
        ("Conv3D", [(2, 2, 2, 3, 7), (7,)], (4, 4, 4, 3), (3, 3, 3, 7), 27 * 7 * 24),
        ("Conv2DTranspose", [(2, 2, 4, 3), (4,)], (8, 8, 3), (16, 16, 4), 64 * 3 * 16),
        ("DepthwiseConv2D", [(3, 3, 16, 2), (32,)], (10, 10, 16), (8, 8, 32), 64 * 32 * 9),
    ],
)
def test_convolutions(
    kind: str,
    weights: list[tuple[int, ...]],
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    macs: int,
) -> None:
    layer = operation(kind, CONVOLUTIONAL, *weights, use_bias=True)
    network = read_made(Functional(input_shape, (layer, output_shape))).network
    assert network.macs == macs
    assert network.layers[0].kind == "convolution"


def test_a_separable_convolution_is_two_layers() -> None:
    """The first of MobileNet's blocks: 3 by 3 on each of 32 channels of 112 by 112, then 1 by 1 to 64."""
    layer = operation(
        "SeparableConv2D", CONVOLUTIONAL, (3, 3, 32, 1), (1, 1, 32, 64), (64,), filters=64, use_bias=True
    )
    layer.depthwise_kernel = layer.weights[0]
    network = read_made(Functional((112, 112, 32), (layer, (112, 112, 64)))).network
    assert [x.macs for x in network.layers] == [3_612_672, 25_690_112]
    assert [x.gradients for x in network.layers] == [1, 2]


def test_a_model_within_a_model_and_a_layer_used_twice() -> None:
    shared = dense(8, 8)
    inner = Functional((8,), (dense(8, 4), (4,)))
    reading = read_made(Functional((8,), (shared, (8,)), (shared, (8,)), (inner, (4,))))
    assert [x.name for x in reading.network.layers] == ["dense", "dense", "functional/dense"]
    assert [x.gradients for x in reading.network.layers] == [1, 2, 2]
    assert reading.network.n_parameters == 72 + 36


def test_a_frozen_layer_gets_no_gradient() -> None:
    frozen = dense(8, 8, trainable=False, trainable_weights=[])
    reading = read_made(Functional((8,), (frozen, (8,)), (dense(8, 2), (2,))))
    assert [x.gradients for x in reading.network.layers] == [0, 1]
    assert (reading.network.n_parameters, reading.n_frozen_parameters) == (18, 72)


@pytest.mark.parametrize(
    "odd",
    [
        operation("LSTM", "layers.rnn.lstm", (8, 32)),
        operation("Matmul", "ops.numpy"),
        operation("PReLU", "layers.activations.prelu", (8,)),
        operation("Dot", "layers.merging.dot"),
        operation("Lambda", "layers.core.lambda_layer"),
    ],
)
def test_what_is_unknown_is_named(odd: Any) -> None:
    reading = read_made(Functional((8,), (dense(8, 8), (8,)), (odd, (8,))))
    name = type(odd).__name__
    assert reading.unknown_layers == (f"{name.lower()} ({name}): it is not counted",)
    assert not reading.free_layers


def test_ones_own_layer_is_unknown_whatever_it_is_called() -> None:
    own = dense(8, 8)
    type(own).__module__ = "mine"
    assert read_made(Functional((8,), (dense(8, 8), (8,)), (own, (8,)))).unknown_layers == (
        "dense (Dense): it is not counted",
    )


def test_a_sequential_model_is_built_when_it_is_told_its_input() -> None:
    class Sequential(Functional):
        __module__ = "keras.src.models.sequential"

        def build(self, shape: tuple[int | None, ...]) -> None:
            assert shape == (None, 8)
            self.built = True

    model = Sequential((8,), (dense(8, 2), (2,)))
    model.built = False
    with pytest.raises(UsageError, match="give --input-shape"):
        read_made(model)
    assert read_made(model, (8,)).network.macs == 16


class Subclassed:
    __module__ = "keras.src.models.model"
    built = True

    def count_params(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("made", "shape", "error", "said"),
    [
        (dense_model(8, 2), (8,), UsageError, "leave out --input-shape"),
        ((dense_model(8, 2), [1.0]), None, UsageError, "return the model alone"),
        (Subclassed(), None, DataError, "Subclassed is no functional or sequential model"),
        (Functional((None, 8), (dense(8, 2), (2,))), None, DataError, r"a dimension of any size \(None, 8\)"),
        (
            Functional((8,), (operation("ReLU", "layers.activations.relu"), (8,))),
            None,
            DataError,
            "no trainable",
        ),
        (
            Functional((8,), (operation("LSTM", "layers.rnn.lstm", (8, 32)), (8,))),
            None,
            DataError,
            "no layer of the model is known",
        ),
    ],
)
def test_what_cannot_be_read(
    made: Any, shape: tuple[int, ...] | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_made(made, shape)
