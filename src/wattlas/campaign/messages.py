"""What driver and worker say to each other."""

from dataclasses import dataclass, field

from wattlas.campaign.spec import DatasetTable
from wattlas.engines.base import TrainingConfig, TrainingResult
from wattlas.networks.network import Network
from wattlas.networks.tasks import Task


@dataclass(frozen=True)
class Hello:
    """Worker → driver, once: the engine is loaded."""

    versions: dict[str, str]
    affinity: tuple[int, ...]


@dataclass(frozen=True)
class Compile:
    """Driver → worker: make this training ready."""

    dataset: DatasetTable
    test_fraction: float
    network: Network
    config: TrainingConfig


@dataclass(frozen=True)
class Compiled:
    """Worker → driver: it is ready. Times are monotonic."""

    start_s: float
    end_s: float
    task: Task
    n_train: int
    n_test: int
    fingerprint: str


@dataclass(frozen=True)
class Train:
    """Driver → worker: start what was compiled last, from this seed."""

    seed: int


@dataclass(frozen=True)
class Trained:
    """Worker → driver: it ran to its end, or diverged."""

    result: TrainingResult


@dataclass(frozen=True)
class WorkerOptions:
    """How to start a worker: the engine, the CPUs it is pinned to, and its environment."""

    engine: str
    cpus: tuple[int, ...]
    environment: dict[str, str] = field(default_factory=dict)
