"""What to change in one's own network: the largest cause of its energy, and the caches that it spills."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wattlas.core.units import format_bytes, format_energy
from wattlas.hardware.placement import place_sets
from wattlas.model.features import Features, layered_features
from wattlas.model.law import columns, evaluate_law
from wattlas.model.machine_model import MachineModel
from wattlas.networks.layers import LayeredNetwork
from wattlas.networks.tasks import n_batches
from wattlas.networks.working_sets import WorkingSets, layered_working_sets

MEANINGS = {"l": "layer to layer", "f": "forward pass", "b": "backward pass", "d": "dataset"}


@dataclass(frozen=True)
class Change:
    """A piece of advice, in words and numbers; `about` is `cause`, `idle`, `working_set` or `caches`."""

    about: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {"about": self.about, "text": self.text, **self.facts}


def step_features(
    network: LayeredNetwork, fitted: MachineModel, batch_size: int, n_observations: int | None
) -> Features:
    """Features of training in batches; without observations in a long epoch without tests."""
    if n_observations is None:
        return layered_features(network, batch_size, int(fitted.valid["train_batches"][1]), 0)
    return layered_features(network, batch_size, *n_batches(n_observations, batch_size))


def changes(
    network: LayeredNetwork,
    fitted: MachineModel,
    machine: str,
    batch_size: int,
    n_observations: int | None,
    parts: Mapping[str, float],
) -> tuple[Change, ...]:
    """Advice for a network whose energy per datum is made of `parts` by cause, J."""
    whole = sum(parts.values())
    double = step_features(network, fitted, 2 * batch_size, n_observations)
    doubled = float(evaluate_law(fitted.law, fitted.x, columns(fitted.law, double))[0][0])
    extrapolated = bool(fitted.doublings_outside(double)[0] > 0)
    change = f"{doubled / whole - 1:+.0%}{', extrapolated' if extrapolated else ''}"
    larger = (
        f"a batch of {2 * batch_size} would make it {format_energy(doubled)} a datum ({change}), if it "
        "learns as well"
    )
    facts = {
        "larger_batch_size": 2 * batch_size,
        "energy_per_datum_j": doubled,
        "extrapolated": extrapolated,
    }
    # Where idle power times time is all of the energy, nothing is left to have a cause.
    made = [_cause(network, parts, larger, facts)] if parts["idle"] < whole else []
    if parts["idle"] > 0:
        share = parts["idle"] / whole
        made.append(
            Change(
                "idle",
                f"{share:.0%} of the energy is what {machine} draws idle meanwhile: whatever shortens the "
                "training saves that as well",
                {"share": share},
            )
        )
    spills = _spills(network, fitted, machine, batch_size, n_observations)
    if spills and not any("_beyond_" in name for name in fitted.values):
        made.append(
            Change(
                "caches",
                f"the model has found no cost of spilling a cache on {machine}: its figures do not change "
                "when a set fits, and what that saves is not known",
            )
        )
    return (*made, *spills)


def _cause(
    network: LayeredNetwork, parts: Mapping[str, float], larger: str, facts: Mapping[str, Any]
) -> Change:
    """The largest cause, idle power apart: idle is drawn during all of them alike."""
    dynamic = {cause: part for cause, part in parts.items() if cause != "idle"}
    cause = max(dynamic, key=lambda each: dynamic[each])
    share = dynamic[cause] / sum(dynamic.values())
    facts = {"cause": cause, "share": share, **facts}
    if cause == "launch":
        what, to_do = "launching steps and layers", "fewer and wider layers launch less"
    elif cause == "compute":
        most = max(network.layers, key=lambda layer: layer.macs)
        of_all = most.macs / max(network.macs, 1)
        facts |= {"layer": most.name, "layer_share": of_all}
        what, to_do = "computing", f"layer {most.name} ({most.kind}) does {of_all:.0%} of it"
    else:
        what = f"moving bytes of working sets that lie in {cause}"
        to_do = "fewer parameters and fewer outputs of layers move less"
    return Change("cause", f"{what} takes {share:.0%} of the draw above idle: {to_do}; {larger}", facts)


def _spills(
    network: LayeredNetwork,
    fitted: MachineModel,
    machine: str,
    batch_size: int,
    n_observations: int | None,
) -> list[Change]:
    """Each working set that does not lie in the nearest level, and when it would fit one level nearer."""
    levels = fitted.law.levels
    names: list[str | None] = [*(level.name for level in levels), None]

    def lies(sets: WorkingSets, name: str) -> int:
        return names.index(place_sets(levels, sets)[name].level_name)

    made = []
    sets = layered_working_sets(network, batch_size, n_observations)
    for each in sets:
        place = lies(sets, each.name)
        if place == 0:
            continue

        def by_batch(batch: int, name: str = each.name, nearer: int = place - 1) -> bool:
            return lies(layered_working_sets(network, batch, n_observations), name) <= nearer

        def by_parameters(n: int, name: str = each.name, nearer: int = place - 1) -> bool:
            smaller = replace(network, n_parameters=n)
            return lies(layered_working_sets(smaller, batch_size, n_observations), name) <= nearer

        batch = _largest(by_batch, batch_size)
        parameters = _largest(by_parameters, network.n_parameters)
        fits = [
            *([f"at a batch of {batch}"] if batch else []),
            *([f"with {parameters:,} parameters"] if parameters else []),
        ]
        when = (
            f"it fits {' or '.join(fits)}"
            if fits
            else "neither a smaller batch nor fewer parameters is enough"
        )
        where = f"lies in {names[place]}" if names[place] else "fits no level"
        made.append(
            Change(
                "working_set",
                f"working set {each.name} ({MEANINGS[each.name]}, {format_bytes(each.total_bytes)}) spills "
                f"{names[place - 1]} of {machine} and {where}; {when}",
                {
                    "working_set": each.name,
                    "total_bytes": each.total_bytes,
                    "spills": names[place - 1],
                    "lies_in": names[place],
                    "fits_at_batch_size": batch,
                    "fits_at_n_parameters": parameters,
                },
            )
        )
    return made


def _largest(fits: Callable[[int], bool], below: int) -> int | None:
    """The largest number from 1 that fits and is less than `below`, where all that are smaller fit too.

    >>> _largest(lambda n: n <= 5, 100)
    5
    """
    low, high = 0, below
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low or None
