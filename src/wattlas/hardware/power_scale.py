"""Idle and loaded power of a machine for the modelled meter: its own figures, or scaled ones that say so."""

from dataclasses import dataclass

from wattlas.core.errors import UsageError
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.machine import Machine

# A per-core figure of a 2017 two-socket server says little about a laptop or a virtual machine: idle power
# per core differs severalfold between them. With half of the value as standard uncertainty, the interval at
# k = 2 reaches from zero to twice the value.
SCALED_U_RELATIVE = 0.5
SCALED_FROM = "eagle-cpu"
SCALED_FLAG = "power_scaled_from_eagle_cpu"


@dataclass(frozen=True)
class ModelledPower:
    """Node power in W when idle (`idle_w`) and with every core busy training (`peak_w`).

    `u_relative` is the relative standard uncertainty of both, `provenance` where they come from, and `flags`
    what a reader of any energy made from them must know.
    """

    idle_w: float
    peak_w: float
    u_relative: float
    provenance: str
    flags: tuple[str, ...] = ()


def modelled_power(machine: Machine) -> ModelledPower:
    """The machine's declared powers; else those of eagle-cpu scaled by physical cores, flagged.

    A declared training power is taken before a declared peak: the peak is a bound, not what training draws.

    Raises:
        UsageError: a GPU machine or one with no known core, for which there is nothing to scale.
    """
    loaded = machine.peak_power_w if machine.training_power_w is None else machine.training_power_w
    if machine.idle_power_w is not None and loaded is not None:
        loaded_key = "peak_power_w" if machine.training_power_w is None else "training_power_w"
        sources = [machine.provenance.get(key, "declared") for key in ("idle_power_w", loaded_key)]
        provenance = f"{machine.name}: idle: {sources[0]}; loaded: {sources[1]}"
        u_relative = SCALED_U_RELATIVE if machine.u_power_relative is None else machine.u_power_relative
        return ModelledPower(machine.idle_power_w, loaded, u_relative, provenance)
    if machine.device == "gpu" or machine.cores < 1:
        raise UsageError(
            f"no idle and loaded power is known for machine {machine.name!r}, nor can any be scaled from its "
            "cores; declare both in a machine file"
        )
    known = load_machine(SCALED_FROM)
    assert known.idle_power_w is not None
    assert known.training_power_w is not None
    return ModelledPower(
        known.idle_power_w * machine.cores / known.cores,
        known.training_power_w * machine.cores / known.cores,
        SCALED_U_RELATIVE,
        f"{known.idle_power_w:g} W idle and {known.training_power_w:g} W training of {known.name}'s "
        f"{known.cores} cores, scaled to {machine.cores}",
        (SCALED_FLAG,),
    )
