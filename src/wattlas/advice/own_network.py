"""What training one's own network would draw on a machine, what that is made of, and what would lower it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wattlas.advice.own_changes import Change, changes, step_features
from wattlas.core.errors import UnknownNameError
from wattlas.hardware.placement import place_sets
from wattlas.model.attribution import attribute
from wattlas.model.energy_model import EnergyModel
from wattlas.model.features import Features
from wattlas.model.machine_model import MachineModel
from wattlas.networks.layers import LayeredNetwork
from wattlas.networks.tasks import n_batches
from wattlas.networks.work import DEFAULT_BATCH_SIZE, Work, layered_work
from wattlas.networks.working_sets import WorkingSets, layered_working_sets

# Standard deviation of ln energy where all layers are of kinds that the model was not fitted to. No data
# say what it is: a factor of two either way is a guess, so that the interval does not claim more.
UNLIKE_LOG_SD = math.log(2)


@dataclass(frozen=True)
class OwnNetwork:
    """The answer; energies are modelled, per training datum.

    Attributes:
        batches: training and test batches of an epoch; None where the observations are not known, and energy
            and work are those of training steps alone.
        attribution: energy by cause, J (`model.attribution`); sums to `energy_j`.
        because: why it is extrapolated, a line each; empty where it is not.
        levels: where each working set lies; None: it fits nowhere.
    """

    network: LayeredNetwork
    machine: str
    model: str
    batch_size: int
    n_observations: int | None
    batches: tuple[int, int] | None
    work: Work
    sets: WorkingSets
    levels: Mapping[str, str | None]
    energy_j: float
    lower_j: float
    upper_j: float
    seconds: float | None
    attribution: Mapping[str, float]
    because: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def flops_per_datum(self) -> float:
        """Work of an epoch per training datum, tests included where their number is known."""
        return self.work.flops_per_datum(*(self.batches or (None, None)))

    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        train, test = self.batches or (None, None)
        per_epoch = None if train is None else self.energy_j * train * self.batch_size
        return {
            "machine": self.machine,
            "model": self.model,
            "batch_size": self.batch_size,
            "n_observations": self.n_observations,
            "n_train_batches": train,
            "n_test_batches": test,
            "n_inputs": self.network.n_inputs,
            "n_outputs": self.network.n_outputs,
            "n_parameters": self.network.n_parameters,
            "macs_per_datum": self.network.macs,
            "flops_per_datum": self.flops_per_datum,
            "forward_flops": self.work.forward_flops,
            "backward_flops": self.work.backward_flops,
            "working_sets": dict(self.sets.total_bytes()),
            "working_set_levels": dict(self.levels),
            "energy_per_datum_j": self.energy_j,
            "lower_j": self.lower_j,
            "upper_j": self.upper_j,
            "energy_per_epoch_j": per_epoch,
            "seconds_per_datum": self.seconds,
            "source": "modelled",
            "attribution": dict(self.attribution),
            "extrapolated": bool(self.because),
            "extrapolated_because": list(self.because),
            "advice": [change.document() for change in self.changes],
        }


def own_network(
    network: LayeredNetwork,
    model: EnergyModel,
    machine: str,
    batch_size: int = DEFAULT_BATCH_SIZE,
    n_observations: int | None = None,
    not_counted: tuple[str, ...] = (),
) -> OwnNetwork:
    """Ask an energy model about training `network` on one of its machines.

    Arguments:
        n_observations: rows of the dataset, of which a fifth is for testing. Without, energy is that of
            training steps in an epoch as long as the longest that the model knows, so that what happens once
            an epoch hardly counts.
        not_counted: what is known to be missing in `network`, a line each.

    Raises:
        UnknownNameError: the model does not know the machine.
        UsageError: a batch size or a number of observations below 1.
    """
    if machine not in model.machines_:
        raise UnknownNameError(f"machine of the model {model.name!r}", machine, model.machines_)
    fitted = model.machines_[machine]
    done = layered_work(network, batch_size)
    sets = layered_working_sets(network, batch_size, n_observations)
    f = step_features(network, fitted, batch_size, n_observations)
    p = fitted.predict(f, more_log_sd=UNLIKE_LOG_SD * _unlike_share(network))
    seconds = float(p.seconds[0])
    parts = {cause: float(part[0]) for cause, part in attribute(fitted, f).items()}
    placed = place_sets(fitted.law.levels, sets)
    return OwnNetwork(
        network=network,
        machine=machine,
        model=model.name,
        batch_size=batch_size,
        n_observations=n_observations,
        batches=None if n_observations is None else n_batches(n_observations, batch_size),
        work=done,
        sets=sets,
        levels={name: each.level_name for name, each in placed.items()},
        energy_j=float(p.energy_j[0]),
        lower_j=float(p.lower_j[0]),
        upper_j=float(p.upper_j[0]),
        seconds=None if math.isnan(seconds) else seconds,
        attribution=parts,
        because=(*_unlike(network), *_outside(fitted, f), *not_counted),
        changes=changes(network, fitted, machine, batch_size, n_observations, parts),
    )


def _unlike_share(network: LayeredNetwork) -> float:
    """How much of the network is unlike fully connected layers: in work or in layers, whichever is more."""
    unlike = [layer for layer in network.layers if not layer.fully_connected]
    of_work = sum(layer.macs for layer in unlike) / max(network.macs, 1)
    return max(of_work, len(unlike) / len(network.layers))


def _unlike(network: LayeredNetwork) -> tuple[str, ...]:
    kinds = Counter(
        "linear (at several positions of a datum)" if layer.kind == "linear" else layer.kind
        for layer in network.layers
        if not layer.fully_connected
    )
    if not kinds:
        return ()
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    return (f"layers that the model was not fitted to, only to fully connected ones: {listed}",)


def _outside(fitted: MachineModel, f: Features) -> tuple[str, ...]:
    lines = []
    for name, doublings in fitted.outside(f).items():
        if doublings[0] > 0:
            low, high = fitted.valid[name]
            lines.append(
                f"{name} is {getattr(f, name)[0]:,.0f}; the model was fitted from {low:,.0f} to {high:,.0f}"
            )
    return tuple(lines)
