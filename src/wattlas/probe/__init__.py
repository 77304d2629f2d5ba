"""Finding out what this machine is, from `/sys` and `/proc`; both can be trees of files."""

from wattlas.probe.machine import probe_machine

__all__ = ["probe_machine"]
