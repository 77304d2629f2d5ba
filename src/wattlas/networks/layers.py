"""A network of any kind as the layers that do its work: what work, working sets and the energy model need."""

from collections.abc import Sequence
from dataclasses import dataclass

from wattlas.core.errors import UsageError
from wattlas.networks.network import Network


@dataclass(frozen=True)
class Layer:
    """One layer, per datum; a multiply-accumulate is one operation.

    Attributes:
        name: where it is in the network.
        kind: `linear`, `convolution`, `normalisation`, `embedding`, `attention` or `matmul`.
        macs: multiply-accumulates of the forward pass.
        inputs: elements that it reads, parameters left out.
        outputs: elements that it writes.
        biases: outputs that a bias is added to.
        gradients: operands whose gradient the backward pass works out, of the two (weights or the other
            factor, and inputs): 1 for the first layer of a network, 0 for a frozen one before any other.
    """

    name: str
    kind: str
    macs: int
    inputs: int
    outputs: int
    biases: int
    gradients: int

    def __post_init__(self) -> None:
        if (
            min(self.macs, self.biases) < 0
            or min(self.inputs, self.outputs) < 1
            or self.gradients not in (0, 1, 2)
        ):
            raise UsageError(f"layer {self.name!r} ({self.kind}) has a size that no layer has: {self}")

    @property
    def fully_connected(self) -> bool:
        """Whether each weight is used once a datum, as in the networks that `Network` describes."""
        return self.kind == "linear" and self.macs == self.inputs * self.outputs


@dataclass(frozen=True)
class LayeredNetwork:
    """Layers between `n_inputs` and `n_outputs` elements a datum, with `n_parameters` trainable ones."""

    n_inputs: int
    n_outputs: int
    n_parameters: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers or min(self.n_inputs, self.n_outputs, self.n_parameters) < 1:
            raise UsageError(
                f"a network of {self.n_inputs} inputs, {len(self.layers)} layers, {self.n_parameters} "
                f"trainable parameters and {self.n_outputs} outputs trains nothing; give one that has some"
            )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the forward pass, per datum."""
        return sum(layer.macs for layer in self.layers)

    @property
    def gradient_macs(self) -> int:
        """Multiply-accumulates of the backward pass, per datum."""
        return sum(layer.macs * layer.gradients for layer in self.layers)

    @property
    def units(self) -> int:
        """Elements that all layers write, per datum."""
        return sum(layer.outputs for layer in self.layers)

    @property
    def biases(self) -> int:
        """Elements that a bias is added to, per datum."""
        return sum(layer.biases for layer in self.layers)

    @property
    def widest_pair(self) -> int:
        """Most elements that one layer reads and writes, per datum."""
        return max(layer.inputs + layer.outputs for layer in self.layers)


def dense_layers(n_inputs: int, widths: Sequence[int]) -> tuple[Layer, ...]:
    """The layers of a fully connected network with biases.

    >>> dense_layers(3, (2, 1))[1]
    Layer(name='2', kind='linear', macs=2, inputs=2, outputs=1, biases=1, gradients=2)
    """
    before = (n_inputs, *widths[:-1])
    return tuple(
        # Nobody needs the gradient of the network's inputs.
        Layer(str(i), "linear", a * b, a, b, b, gradients=1 if i == 1 else 2)
        for i, (a, b) in enumerate(zip(before, widths, strict=True), 1)
    )


def layered(network: Network) -> LayeredNetwork:
    """A fully connected network as its layers."""
    layers = dense_layers(network.n_inputs, network.widths)
    return LayeredNetwork(network.n_inputs, network.n_outputs, network.n_parameters, layers)
