"""The nodes of a made-up cluster: six types, and a true idle power and gain each."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class NodeType:
    """What `sinfo` says of a type, its nominal idle power, and its share of the nodes and of the jobs."""

    name: str
    memory_mb: int
    scratch_mb: int
    gres: str
    idle_w: float
    node_share: float
    job_share: float

    @property
    def is_gpu(self) -> bool:
        """Whether its nodes have GPUs."""
        return self.gres.startswith("gpu")


NODE_TYPES = (
    NodeType("cpu1", 85248, 900000, "(null)", 220.0, 0.66, 0.35),
    NodeType("cpu2", 180224, 900000, "(null)", 230.0, 0.25, 0.25),
    NodeType("cpu3", 751616, 1500000, "(null)", 309.0, 0.03, 0.22),
    NodeType("cpu4", 751616, 2400000, "(null)", 388.0, 0.02, 0.18),
    NodeType("gpu1", 751616, 1500000, "gpu:v100:2", 374.0, 0.025, 0.65),
    NodeType("gpu2", 751616, 2400000, "gpu:v100:2", 403.0, 0.015, 0.35),
)
FEWEST_NODES = 6
"""Of a type: a job has up to four nodes, and two jobs may have to run at one time."""

_REFERENCE_IDLE_W = {False: NODE_TYPES[0].idle_w, True: NODE_TYPES[4].idle_w}
_IDLE_SPREAD_W = 4.0
_GAIN_SPREAD = 0.03
_LOW = ("p000001", "p00001", "p0001", "p001")
_HIGH = ("p999", "p9999", "p99999", "p999999")


def draw_nodes(n_nodes: int, rng: np.random.Generator) -> pl.DataFrame:
    """One row a node, types together: `node`, `type`, its true `idle_w` and `gain`, and what `sinfo` says.

    A node draws idle_w + gain · (watts above idle of the reference node, which has the nominal idle power of
    its type and gain 1): its offset against the reference is idle_w − gain · `nominal_idle_w`.
    """
    counts = [max(FEWEST_NODES, math.floor(kind.node_share * n_nodes)) for kind in NODE_TYPES]
    counts[0] = max(FEWEST_NODES, n_nodes - sum(counts[1:]))
    kinds = [kind for kind, count in zip(NODE_TYPES, counts, strict=True) for _ in range(count)]
    nominal_w = np.array([kind.idle_w for kind in kinds])
    return pl.DataFrame(
        {
            "node": [_name(i, kind) for i, kind in enumerate(kinds)],
            "type": [kind.name for kind in kinds],
            "is_gpu": [kind.is_gpu for kind in kinds],
            "memory_mb": [kind.memory_mb for kind in kinds],
            "scratch_mb": [kind.scratch_mb for kind in kinds],
            "gres": [kind.gres for kind in kinds],
            "nominal_idle_w": nominal_w,
            "reference_idle_w": [_REFERENCE_IDLE_W[kind.is_gpu] for kind in kinds],
            "idle_w": nominal_w + _IDLE_SPREAD_W * rng.standard_normal(len(kinds)),
            "gain": np.exp(_GAIN_SPREAD * rng.standard_normal(len(kinds))),
        }
    )


def _name(i: int, kind: NodeType) -> str:
    if kind.memory_mb > 700_000:
        return f"r{100 + i // 36}u{i % 36}"
    return f"r{1 + i // 144}i{i // 36 % 4}n{i % 36}"


def sinfo_csv(nodes: pl.DataFrame) -> str:
    """`node_sinfo.csv`, whose separator is a comma and a space."""
    rows = nodes.select("node", pl.lit(36), "memory_mb", "scratch_mb", "gres").rows()
    lines = [", ".join(map(str, row)) for row in rows]
    return "\n".join(["HOSTNAMES, CPUS, MEMORY, TMP_DISK, GRES", *lines, ""])


def power_distribution(nodes: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """`node_power_dist.csv`: percentiles of a node idle a tenth of its time and busy to all degrees else."""
    percentiles = np.array([0.0] * len(_LOW) + [*range(1, 100)] + [100.0] * len(_HIGH))
    busy = np.clip((percentiles - 10) / 90, 0, None) ** 0.8
    names = [*_LOW, *(f"p{q}" for q in range(1, 100)), *_HIGH]
    idle_w, n = nodes["idle_w"].to_numpy(), nodes.height
    peak_w = 220.0 * nodes["gain"].to_numpy()
    watts = np.rint(idle_w[:, None] + peak_w[:, None] * busy).astype(np.int64)
    return pl.DataFrame(
        {
            "node": nodes["node"],
            "count": rng.integers(200_000, 240_000, size=n),
            "min": watts[:, 0] - rng.integers(0, 130, size=n),
            **dict(zip(names, watts.T, strict=True)),
            "max": watts[:, -1] + rng.integers(5, 60, size=n),
        }
    )
