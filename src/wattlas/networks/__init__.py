"""Shapes, the size search, floating-point work and working sets of fully connected networks."""

from wattlas.networks.network import Network
from wattlas.networks.shapes import SHAPES, Shape, register_shape, shape_names
from wattlas.networks.size import build_network, build_networks, check_size, relative_size_error
from wattlas.networks.tasks import PAPER_TASKS, Task
from wattlas.networks.work import Work, work
from wattlas.networks.working_sets import WorkingSet, WorkingSets, working_sets

__all__ = [
    "PAPER_TASKS",
    "SHAPES",
    "Network",
    "Shape",
    "Task",
    "Work",
    "WorkingSet",
    "WorkingSets",
    "build_network",
    "build_networks",
    "check_size",
    "register_shape",
    "relative_size_error",
    "shape_names",
    "work",
    "working_sets",
]
