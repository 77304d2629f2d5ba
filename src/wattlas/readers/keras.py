"""Reads a functional or sequential model of Keras 3 from its graph; nothing is run, Keras is not imported."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from wattlas.core.errors import DataError, UsageError
from wattlas.networks.layers import Layer, LayeredNetwork
from wattlas.readers.reading import Reading, check_known
from wattlas.readers.source import explain

_FREE_PACKAGES = frozenset(("activations", "merging", "pooling", "regularization", "reshaping"))
_FREE = frozenset(("Identity", "InputLayer", "Masking", "Normalization", "Rescaling"))
_FREE_OPERATIONS = frozenset(
    (
        *(
            "Abs",
            "Add",
            "Cast",
            "Clip",
            "Concatenate",
            "Divide",
            "Exp",
            "ExpandDims",
            "Flip",
            "Gelu",
            "GetItem",
        ),
        *(
            "Log",
            "LogSoftmax",
            "Max",
            "Maximum",
            "Mean",
            "Min",
            "Minimum",
            "Multiply",
            "Negative",
            "Pad",
            "Power",
        ),
        *("Relu", "Relu6", "Reshape", "Rsqrt", "Sigmoid", "Silu", "Softmax", "Softplus", "Sqrt", "Square"),
        *("Squeeze", "Stack", "Subtract", "Sum", "Tanh", "Transpose", "TrueDivide"),
    )
)


@dataclass(frozen=True)
class _Part:
    """A layer's work per datum; a separable convolution has two parts."""

    kind: str
    macs: int
    inputs: int
    outputs: int
    biased: bool = False


def _dense(layer: Any, x: int, y: int) -> list[_Part]:
    return [_Part("linear", y * layer.kernel.shape[0], x, y, layer.use_bias)]


def _convolution(layer: Any, x: int, y: int) -> list[_Part]:
    # The kernel is (window …, channels read by an output, outputs).
    return [_Part("convolution", y * prod(layer.kernel.shape[:-1]), x, y, layer.use_bias)]


def _transposed(layer: Any, x: int, y: int) -> list[_Part]:
    # The kernel is (window …, outputs, inputs), applied to each input.
    return [_Part("convolution", x * prod(layer.kernel.shape[:-1]), x, y, layer.use_bias)]


def _depthwise(layer: Any, x: int, y: int) -> list[_Part]:
    return [_Part("convolution", y * prod(layer.kernel.shape[:-2]), x, y, layer.use_bias)]


def _separable(layer: Any, x: int, y: int) -> list[_Part]:
    *window, channels, multiplier = layer.depthwise_kernel.shape
    between = y // layer.filters * channels * multiplier
    return [
        _Part("convolution", between * prod(window), x, between),
        _Part("convolution", y * channels * multiplier, between, y, layer.use_bias),
    ]


def _normalisation(layer: Any, x: int, y: int) -> list[_Part]:
    return [_Part("normalisation", y, x, y, bool(getattr(layer, "center", False)))]


def _embedding(layer: Any, x: int, y: int) -> list[_Part]:
    return [_Part("embedding", 0, x, y)]


_COUNTED: Mapping[str, Callable[[Any, int, int], list[_Part]]] = {
    "Dense": _dense,
    **{f"Conv{n}D": _convolution for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _transposed for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": _depthwise for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable for n in (1, 2)},
    **{f"{name}Normalization": _normalisation for name in ("Batch", "Group", "Layer", "RMS")},
    "Embedding": _embedding,
}


class _Graph:
    """What has been seen of a model's graph; `needs` says which tensors need a gradient."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.free: Counter[str] = Counter()
        self.unknown: dict[str, str] = {}
        self.needs: dict[int, bool] = {}
        self.frozen: dict[int, int] = {}

    def walk(self, model: Any, prefix: str = "") -> None:
        """Every operation of a model, inputs first, those of models within it too."""
        by_depth = model._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                self._visit(node, prefix)

    def _visit(self, node: Any, prefix: str) -> None:
        operation, inputs, outputs = node.operation, node.input_tensors, node.output_tensors
        name, kind = f"{prefix}{operation.name}", type(operation).__name__
        needed = any(self.needs.get(id(t), False) for t in inputs)
        trained = bool(getattr(operation, "trainable_weights", ()))
        # An input layer of a model within another was told already.
        for tensor in outputs:
            self.needs.setdefault(id(tensor), needed or trained)
        if (inner := graph_of(operation)) is not None:
            for own, given in zip(inner.inputs, inputs, strict=True):
                self.needs[id(own)] = self.needs.get(id(given), False)
            self.walk(inner, f"{name}/")
            return
        if not getattr(operation, "trainable", True):
            self.frozen |= {id(w): prod(w.shape) for w in operation.weights}
        if type(operation).__module__.startswith("keras.") and kind in _COUNTED:
            x, y = _elements(inputs, name), _elements(outputs, name)
            for i, part in enumerate(_COUNTED[kind](operation, x, y)):
                biases = part.outputs if part.biased else 0
                gradients = trained + (needed or (trained and i > 0))
                self.layers.append(
                    Layer(name, part.kind, part.macs, part.inputs, part.outputs, biases, gradients)
                )
        elif _is_free(operation) and not trained:
            self.free[kind] += kind != "InputLayer"
        else:
            self.unknown.setdefault(f"{name} ({kind})", "it is not counted")


def read(model: Any, example: Any, input_shape: Sequence[int] | None) -> Reading:
    """The layers of a Keras model; `input_shape` of a datum is for a sequential one that is not built yet.

    Raises:
        UsageError: an example, or a shape that is missing or one too many.
        DataError: a model that keeps its layers to itself, or has nothing to train.
    """
    if example is not None:
        raise UsageError("a Keras model knows its input; return the model alone")
    if not model.built and input_shape is not None:
        try:
            model.build((None, *input_shape))
        except Exception as error:
            raise DataError(
                f"the model cannot be built for --input-shape {','.join(map(str, input_shape))}: "
                f"{explain(error)}; give the shape of one datum, without the batch"
            ) from error
    elif input_shape is not None:
        raise UsageError("this Keras model knows its input; leave out --input-shape")
    elif not model.built:
        raise UsageError("the Keras model does not know its input; give --input-shape, or add keras.Input")
    function = graph_of(model)
    if function is None:
        raise DataError(
            f"{type(model).__name__} is no functional or sequential model of Keras 3, and its layers cannot "
            "be followed; build it from keras.Input"
        )
    graph = _Graph()
    graph.walk(function)
    unknown = tuple(f"{where}: {why}" for where, why in graph.unknown.items())
    trained = sum(prod(w.shape) for w in model.trainable_weights)
    check_known(len(graph.layers), trained, unknown)
    network = LayeredNetwork(
        n_inputs=_elements(function.inputs, "the input"),
        n_outputs=_elements(function.outputs, "the output"),
        n_parameters=trained,
        layers=tuple(graph.layers),
    )
    free = {kind: n for kind, n in graph.free.items() if n}
    return Reading("keras", network, sum(graph.frozen.values()), free, unknown)


def graph_of(model: Any) -> Any:
    """The functional model that a functional or sequential one is, or None."""
    function = getattr(model, "_functional", None) or model
    return function if hasattr(function, "_nodes_by_depth") else None


def _is_free(operation: Any) -> bool:
    kind, where = type(operation).__name__, type(operation).__module__.split(".")
    if where[0] != "keras":
        return False
    if "ops" in where:
        return kind in _FREE_OPERATIONS
    return kind in _FREE or (kind != "Dot" and not _FREE_PACKAGES.isdisjoint(where))


def _elements(tensors: Sequence[Any], where: str) -> int:
    """Elements a datum of some tensors, the batch dimension left out."""
    shapes = [tuple(t.shape[1:]) for t in tensors]
    if any(size is None for shape in shapes for size in shape):
        raise DataError(
            f"{where} has a dimension of any size {shapes[0]}; give keras.Input a shape of whole numbers"
        )
    return sum(prod(shape) for shape in shapes)
