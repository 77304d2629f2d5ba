"""Where the kernel's `/sys` and `/proc` are: injected, so that a tree of files can stand in for a machine.

And where a user's data is kept.
"""

import os
from collections.abc import Mapping
from pathlib import Path

SYSFS_ROOT_VARIABLE = "WATTLAS_SYSFS_ROOT"
PROC_ROOT_VARIABLE = "WATTLAS_PROC_ROOT"
DATA_VARIABLE = "WATTLAS_DATA"


def sysfs_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds sysfs: `WATTLAS_SYSFS_ROOT` if set, else `/sys`."""
    return Path(environ.get(SYSFS_ROOT_VARIABLE) or "/sys")


def proc_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds procfs: `WATTLAS_PROC_ROOT` if set, else `/proc`."""
    return Path(environ.get(PROC_ROOT_VARIABLE) or "/proc")


def data_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for what is kept between runs: `WATTLAS_DATA` if set, else where XDG puts a user's data."""
    if named := environ.get(DATA_VARIABLE):
        return Path(named)
    home = environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "wattlas"
