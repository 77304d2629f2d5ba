"""Working sets: the bytes that each phase of training touches, for 4-byte floats and a batch of B.

| set | phase | replicated in every unit | distributed over the units | lies on |
|---|---|---|---|---|
| l | one layer to the next | | max_i 4 B (w[i-1] + w[i]) | |
| f | forward pass | 4 P | | l |
| b | backward pass | 8 P | 4 B sum_{i>=0} w[i] - max_i 4 B (w[i-1] + w[i]) | l |
| d | the dataset, an epoch | | N · 4 (n_inputs + n_outputs) | b |

For any network, w[i-1] is what layer i reads and w[i] what it writes (`networks.layers`).

`replicated_bytes` and `distributed_bytes` are what a set adds to the one it lies on: placing sets in a cache
hierarchy needs the two apart (`hardware.placement`). `total_bytes` is a set's own number, the one that tables
and figures show: everything it needs present at once, the sets below it included, replicated parts counted
once. So f = l + 4 P, b = 8 P + 4 B sum w, and d = b + data. They do not depend on a machine.

Reference: BUTTER-E's published analysis, with the inputs after encoding instead of the raw feature count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wattlas.core.errors import UsageError
from wattlas.networks.layers import LayeredNetwork
from wattlas.networks.network import Network
from wattlas.networks.work import DEFAULT_BATCH_SIZE

BYTES_PER_FLOAT = 4


@dataclass(frozen=True)
class WorkingSet:
    """What one phase adds to the set it lies on (`below`), and the total with everything below, in bytes."""

    name: str
    replicated_bytes: int
    distributed_bytes: int
    below: "WorkingSet | None" = None

    @property
    def total_bytes(self) -> int:
        """Bytes of this set and of all sets below it, replicated parts counted once."""
        under = 0 if self.below is None else self.below.total_bytes
        return under + self.replicated_bytes + self.distributed_bytes


@dataclass(frozen=True)
class WorkingSets:
    """The four working sets; `d` is None where the number of observations is not known."""

    l: WorkingSet  # noqa: E741  (the published name)
    f: WorkingSet
    b: WorkingSet
    d: WorkingSet | None

    def __iter__(self) -> Iterator[WorkingSet]:
        """The known sets, inside out."""
        return iter(s for s in (self.l, self.f, self.b, self.d) if s is not None)

    def total_bytes(self) -> Mapping[str, int | None]:
        """Total bytes by name of the set; None for an unknown `d`."""
        return {"l": self.l.total_bytes, "f": self.f.total_bytes, "b": self.b.total_bytes} | {
            "d": None if self.d is None else self.d.total_bytes
        }


def working_sets(
    network: Network, batch_size: int = DEFAULT_BATCH_SIZE, n_observations: int | None = None
) -> WorkingSets:
    """The working sets of training `network` on `n_observations` data (both splits) in batches.

    Raises:
        UsageError: a batch size or a number of observations below 1.

    >>> from wattlas.networks.network import Network
    >>> sets = working_sets(Network("rectangle", 2, (3, 1)), batch_size=1, n_observations=10)
    >>> dict(sets.total_bytes())
    {'l': 20, 'f': 72, 'b': 128, 'd': 248}
    """
    before = (network.n_inputs, *network.widths[:-1])
    pair = max(a + b for a, b in zip(before, network.widths, strict=True))
    every = network.n_inputs + sum(network.widths)
    per_datum = network.n_inputs + network.n_outputs
    return _working_sets(pair, every, network.n_parameters, per_datum, batch_size, n_observations)


def layered_working_sets(
    network: LayeredNetwork, batch_size: int = DEFAULT_BATCH_SIZE, n_observations: int | None = None
) -> WorkingSets:
    """`working_sets` of a network of any kind.

    Raises:
        UsageError: a batch size or a number of observations below 1.
    """
    pair = network.widest_pair
    # What is read may have been enlarged on the way, by an upsampling that is no layer.
    every = max(network.n_inputs + network.units, pair)
    per_datum = network.n_inputs + network.n_outputs
    return _working_sets(pair, every, network.n_parameters, per_datum, batch_size, n_observations)


def _working_sets(
    pair: int, every: int, n_parameters: int, per_datum: int, batch_size: int, n_observations: int | None
) -> WorkingSets:
    """The sets from elements a datum: of the widest pair, of all activations, of inputs and outputs."""
    if batch_size < 1 or (n_observations is not None and n_observations < 1):
        raise UsageError(
            f"batch size {batch_size} and {n_observations} observations; give whole numbers of at least 1"
        )
    batch_bytes, parameters = BYTES_PER_FLOAT * batch_size, BYTES_PER_FLOAT * n_parameters
    inter_layer = WorkingSet("l", 0, batch_bytes * pair)
    forward = WorkingSet("f", parameters, 0, inter_layer)
    backward = WorkingSet("b", 2 * parameters, batch_bytes * (every - pair), inter_layer)
    data = None
    if n_observations is not None:
        data = WorkingSet("d", 0, n_observations * BYTES_PER_FLOAT * per_datum, backward)
    return WorkingSets(inter_layer, forward, backward, data)
