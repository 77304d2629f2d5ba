"""A Keras model's graph without Keras: what `readers.keras` asks of one, for tests that do without it."""

from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True, eq=False)
class Array:
    """A tensor, whose first dimension is the batch, or a variable."""

    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Node:
    """An operation applied to some tensors."""

    operation: Any
    input_tensors: list[Array]
    output_tensors: list[Array]


def operation(kind: str, where: str, *weights: tuple[int, ...], **attributes: Any) -> Any:
    """An instance of `keras.src.WHERE.KIND` with weights of these shapes; the first one is its kernel."""
    made = type(kind, (), {"__module__": f"keras.src.{where}"})()
    made.name, made.trainable = kind.lower(), True
    made.weights = made.trainable_weights = [Array(shape) for shape in weights]
    if weights:
        made.kernel = made.weights[0]
    vars(made).update(attributes)
    return made


def dense(n_inputs: int, n_outputs: int, **attributes: Any) -> Any:
    """A `Dense` layer with a bias."""
    weights = ((n_inputs, n_outputs), (n_outputs,))
    return operation("Dense", "layers.core.dense", *weights, **{"use_bias": True, **attributes})


class Functional:
    """A model of operations in a row, each with the shape of a datum that it makes."""

    __module__ = "keras.src.models.functional"

    def __init__(self, input_shape: tuple[int | None, ...], *steps: tuple[Any, tuple[int, ...]]) -> None:
        self.name, self.built, self.trainable = "functional", True, True
        tensor = Array((None, *input_shape))
        self.inputs = [tensor]
        nodes = [Node(operation("InputLayer", "layers.core.input_layer"), [], [tensor])]
        for each, shape in steps:
            made = Array((None, *shape))
            nodes.append(Node(each, [tensor], [made]))
            tensor = made
        self.outputs = [tensor]
        self._nodes_by_depth = {len(nodes) - i: [node] for i, node in enumerate(nodes)}
        weights = {id(w): w for each, _ in steps for w in getattr(each, "trainable_weights", [])}
        self.trainable_weights = self.weights = list(weights.values())

    def count_params(self) -> int:
        """Number of its parameters."""
        return sum(prod(size or 0 for size in w.shape) for w in self.weights)


def dense_model(n_inputs: int, *widths: int) -> Functional:
    """A fully connected model with activations."""
    before = (n_inputs, *widths[:-1])
    relu = operation("ReLU", "layers.activations.relu")
    steps = [
        each for a, b in zip(before, widths, strict=True) for each in ((dense(a, b), (b,)), (relu, (b,)))
    ]
    return Functional((n_inputs,), *steps[:-1])
