"""What a machine is: processors, caches, memory; and a catalogue of known ones."""

from wattlas.hardware.catalogue import from_toml, load_machine, machine_names
from wattlas.hardware.machine import CacheLevel, Device, Gpu, Machine, Processor
from wattlas.hardware.placement import Placement, place, place_sets
from wattlas.hardware.power_scale import ModelledPower, modelled_power

__all__ = [
    "CacheLevel",
    "Device",
    "Gpu",
    "Machine",
    "ModelledPower",
    "Placement",
    "Processor",
    "from_toml",
    "load_machine",
    "machine_names",
    "modelled_power",
    "place",
    "place_sets",
]
