"""What reading a person's own model gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattlas.core.errors import DataError
from wattlas.networks.layers import LayeredNetwork

UNNAMED = "(model)"


@dataclass(frozen=True)
class Reading:
    """A model as its layers, and what was seen beside them.

    Attributes:
        framework: `torch` or `keras`.
        network: the layers whose work is counted.
        n_frozen_parameters: those that are not trained.
        free_layers: how often each kind of layer or operation came by that has no work of its own to count:
            activations, pooling, dropout, reshaping, sums.
        unknown_layers: what is not counted and is not free either, a line each: where (what): why.
    """

    framework: str
    network: LayeredNetwork
    n_frozen_parameters: int
    free_layers: Mapping[str, int]
    unknown_layers: tuple[str, ...]


def check_known(n_layers: int, n_parameters: int, unknown: Sequence[str]) -> None:
    """Refuse a model of which nothing can be told.

    Raises:
        DataError: it has nothing to train, or no layer that is known.
    """
    if n_parameters == 0:
        raise DataError("the model has no trainable parameters; give one that can be trained")
    if n_layers == 0:
        raise DataError(
            f"no layer of the model is known ({'; '.join(unknown) or 'nothing was run'}); Wattlas counts "
            "linear, convolution, normalisation, embedding and attention layers"
        )
