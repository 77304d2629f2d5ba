"""Work, working sets and their places for many networks at once; the formulas of `wattlas.networks`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from wattlas.hardware.machine import CacheLevel
from wattlas.hardware.placement_table import PlacementTable, place_many
from wattlas.networks.working_sets import BYTES_PER_FLOAT

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Networks:
    """n networks, `widths` [n, D + 1] with the inputs first and zeros after the last layer.

    Attributes:
        widths: see above.
        batch_size: [n].
        n_parameters: [n] as stated by whoever built them: the published inputs do not give these widths' P.
    """

    widths: Ints
    batch_size: Ints
    n_parameters: Ints

    @classmethod
    def of(
        cls,
        n_inputs: Ints,
        widths: Sequence[Sequence[int]],
        batch_size: Ints,
        n_parameters: Ints | None = None,
    ) -> "Networks":
        """From lists of widths; P is that of the widths if it is not given."""
        lengths = np.fromiter(map(len, widths), dtype=np.int64)
        table = np.zeros((len(widths), 1 + int(lengths.max(initial=0))), dtype=np.int64)
        table[:, 0] = n_inputs
        table[:, 1:][np.arange(table.shape[1] - 1) < lengths[:, None]] = np.fromiter(
            chain.from_iterable(widths), dtype=np.int64
        )
        if n_parameters is None:
            n_parameters = ((table[:, :-1] + 1) * table[:, 1:]).sum(axis=1)
        return cls(table, np.asarray(batch_size, dtype=np.int64), n_parameters)

    @property
    def forward_flops(self) -> Ints:
        """[n] of a batch."""
        w = self.widths
        return np.asarray(self.batch_size * ((w[:, :-1] + 1) * w[:, 1:]).sum(axis=1))

    @property
    def backward_layer_flops(self) -> Ints:
        """[n] of a datum, without summing the batch's gradients."""
        w = self.widths
        weights = w[:, :-1] * w[:, 1:]
        return np.asarray(2 * w[:, 1:].sum(axis=1) + 2 * weights.sum(axis=1) - weights[:, 0])

    @property
    def reduction_flops(self) -> Ints:
        """[n] of a batch: summing its gradients, and the step."""
        return np.asarray(self.n_parameters * (1 + self.batch_size))

    @property
    def backward_flops(self) -> Ints:
        """[n] of a batch."""
        return self.batch_size * self.backward_layer_flops + self.reduction_flops

    def flops_per_epoch(self, n_train_batches: Ints, n_test_batches: Ints) -> Ints:
        """[n] training steps, and the forward pass of the test batches."""
        forward = self.forward_flops
        training = n_train_batches * (forward + self.backward_flops)
        return np.asarray(training + n_test_batches * forward)

    @property
    def layer_bytes(self) -> Ints:
        """[n, D] inter-layer bytes of each layer, 0 where there is none."""
        w = self.widths
        each = BYTES_PER_FLOAT * self.batch_size[:, None] * (w[:, :-1] + w[:, 1:])
        return np.where(w[:, 1:] > 0, each, 0)

    @property
    def backward_bytes(self) -> Ints:
        """[n] distributed bytes that the backward pass adds to the inter-layer set."""
        every = BYTES_PER_FLOAT * self.batch_size * self.widths.sum(axis=1)
        return np.asarray(every - self.layer_bytes.max(axis=1))


@dataclass(frozen=True)
class Places:
    """The working sets of n networks in one machine; l per layer as well, [n, D]."""

    layers: PlacementTable
    l: PlacementTable  # noqa: E741  (the published name)
    f: PlacementTable
    b: PlacementTable
    d: PlacementTable


def place_working_sets(
    levels: Sequence[CacheLevel], networks: Networks, data_bytes: Ints, whole_bytes: bool = False
) -> Places:
    """Place l, f and b on l, and the dataset on b. l is the per-field maximum over layers.

    With `whole_bytes`, fractions of a byte are cut off before the next set is laid on, as published.
    """
    parameters = BYTES_PER_FLOAT * networks.n_parameters
    layers = place_many(levels, 0, networks.layer_bytes)
    none = layers.level.min(axis=1) == 0
    inner = PlacementTable(
        np.where(none, 0, layers.level.max(axis=1)),
        layers.cached_bytes.max(axis=1),
        layers.occupied_bytes.max(axis=1),
        layers.singular_occupied_bytes.max(axis=1),
        layers.effective_bytes.max(axis=1),
    )
    inner = _cut(inner) if whole_bytes else inner
    forward = place_many(levels, parameters, 0, inner)
    backward = place_many(levels, 2 * parameters, networks.backward_bytes, inner)
    backward = _cut(backward) if whole_bytes else backward
    return Places(layers, inner, forward, backward, place_many(levels, 0, data_bytes, backward))


def _cut(placed: PlacementTable) -> PlacementTable:
    return PlacementTable(
        placed.level,
        np.floor(placed.cached_bytes),
        np.floor(placed.occupied_bytes),
        np.floor(placed.singular_occupied_bytes),
        np.floor(placed.effective_bytes),
    )
