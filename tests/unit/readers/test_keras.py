"""Models of Keras itself, where it is installed."""

import os
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install keras")
from wattlas.readers.read import read_made  # noqa: E402


def vgg16() -> Any:
    layers: list[Any] = [keras.Input((224, 224, 3))]
    for times, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        layers += [keras.layers.Conv2D(width, 3, padding="same", activation="relu") for _ in range(times)]
        layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.Flatten(), *(keras.layers.Dense(n) for n in (4096, 4096, 1000))]
    return keras.Sequential(layers)


def test_published_counts() -> None:
    reading = read_made(vgg16())
    assert reading.network.n_parameters == 138_357_544
    assert reading.network.macs == 15_470_264_320
    assert reading.free_layers == {"MaxPooling2D": 5, "Flatten": 1}
    assert reading.unknown_layers == ()


def test_a_graph_with_branches_and_groups() -> None:
    layers = keras.layers
    image = keras.Input((16, 16, 8))
    x = layers.Conv2D(8, 3, padding="same", groups=4, use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    y = layers.SeparableConv2D(8, 3, padding="same")(keras.ops.relu(x))
    x = layers.GlobalAveragePooling2D()(layers.add([x, y]))
    model = keras.Model(image, layers.Dense(3)(x))
    reading = read_made(model)
    assert [layer.macs for layer in reading.network.layers] == [
        256 * 8 * 2 * 9,
        256 * 8,
        256 * 8 * 9,
        256 * 8 * 8,
        8 * 3,
    ]
    assert [layer.gradients for layer in reading.network.layers] == [1, 2, 2, 2, 2]
    assert reading.network.n_parameters == model.count_params() - 16  # the norm's running statistics
    assert reading.unknown_layers == ()
    model.layers[1].trainable = False
    assert [layer.gradients for layer in read_made(model).network.layers][:2] == [0, 1]


def test_what_is_unknown_is_named() -> None:
    model = keras.Sequential([keras.Input((5, 8)), keras.layers.Dense(8), keras.layers.LSTM(4)])
    (named,) = read_made(model).unknown_layers
    assert "(LSTM)" in named


def test_a_model_that_is_not_built() -> None:
    reading = read_made(keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)]), (5,))
    assert reading.network.macs == 18
