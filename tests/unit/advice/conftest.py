"""A dataset of a few designs whose losses and energies are written down epoch by epoch."""

from collections.abc import Callable, Sequence

import polars as pl
import pytest

from wattlas.dataset.tables import Tables
from wattlas.testing.tables import Law, make_tables

# The runs of a design: of each its (test loss, cumulative joules) after every epoch.
Runs = Sequence[Sequence[tuple[float | None, float]]]
Case = Callable[..., Tables]


def _tables(
    *designs: Runs,
    source: str = "measured",
    machine: str = "bench",
    u_relative: float = 0.0,
    initial: float = 5.0,
) -> Tables:
    """Design i is a rectangle of 2^(8 + i) parameters; the loss before training is `initial`."""
    parts = []
    for i, runs in enumerate(designs):
        made = make_tables(
            datasets={"digits": (1797, 64, 10)},
            shapes=("rectangle",),
            depths=(2,),
            log2_sizes=(8 + i,),
            repetitions=len(runs),
            epochs=len(runs[0]),
            source=source,
            machine=machine,
            law=Law(u_relative=u_relative),
        )
        values = [point for run in runs for point in ((initial, 0.0), *run)]
        made["epochs"] = made["epochs"].with_columns(
            pl.Series("test_loss", [loss for loss, _ in values], dtype=pl.Float64),
            pl.Series("energy_j", [energy for _, energy in values], dtype=pl.Float64),
        )
        energy = pl.Series("energy_j", [run[-1][1] for run in runs], dtype=pl.Float64)
        made["runs"] = made["runs"].with_columns(energy, (energy * u_relative).alias("u_energy_j"))
        parts.append(made)
    return Tables(**{name: pl.concat([part[name] for part in parts]) for name in parts[0]})


@pytest.fixture
def case() -> Case:
    return _tables
