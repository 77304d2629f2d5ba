"""What other hardware would change: the same advice with every energy scaled by an energy model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from wattlas.advice.advise import Advice, advise
from wattlas.advice.change import Change, energy_ratio
from wattlas.advice.target import Limits, Target
from wattlas.core.units import format_energy
from wattlas.dataset.machines import machines_of
from wattlas.dataset.tables import Tables
from wattlas.model.energy_model import EnergyModel
from wattlas.model.features import Vector
from wattlas.model.machine_model import MachineModel
from wattlas.model.points import ENERGY, check_points, with_idle_power


def fitted_model(tables: Tables, machine: str, source: str, domain: str | None) -> MachineModel:
    """An energy model of one machine of a dataset, from its own runs.

    Raises:
        ModelError: too few of them.
    """
    own = tables.experiments.filter(
        (pl.col("machine") == machine)
        & (pl.col("source") == source)
        & pl.col("domain").eq_missing(pl.lit(domain, dtype=pl.String))
        & pl.col(ENERGY).is_not_null()
    )
    model = EnergyModel(machines=machines_of(tables.nodes), allow=(source,))
    return model.fit(with_idle_power(own, tables.nodes)).machines_[machine]


def changed_tables(tables: Tables, own: pl.DataFrame, ratio: Vector) -> Tables:
    """The tables with the energies of the experiments `own`, of one machine, times `ratio`."""
    machine = str(own["machine"][0])
    # An experiment has a row for each source and domain of its energies, and one ratio.
    of_experiment = (
        own.select("experiment_id").with_columns(pl.Series("ratio", ratio)).unique("experiment_id")
    )
    of_run = (
        tables.runs.filter(pl.col("machine") == machine)
        .select("run_id", "experiment_id")
        .join(of_experiment, on="experiment_id")
        .select("run_id", "ratio")
    )

    def scaled(frame: pl.DataFrame, by: pl.DataFrame, key: str, *names: str) -> pl.DataFrame:
        if frame.is_empty():
            return frame
        joined = frame.join(by, on=key, how="left", maintain_order="left")
        here = pl.col("machine") == machine if "machine" in frame.columns else pl.lit(value=True)
        factor = pl.when(here).then(pl.col("ratio")).fill_null(1.0)
        return joined.with_columns(pl.col(n) * factor for n in names if n in frame.columns).drop("ratio")

    experiments = tuple(
        name for name in tables.experiments.columns if name.endswith("_j") or name == "mean_power_w"
    )
    return replace(
        tables,
        experiments=scaled(tables.experiments, of_experiment, "experiment_id", *experiments),
        runs=scaled(tables.runs, of_run, "run_id", "energy_j", "u_energy_j"),
        epochs=scaled(tables.epochs, of_run, "run_id", "energy_j", "u_energy_j"),
        channels=scaled(tables.channels, of_run, "run_id", "energy_j", "u_energy_j"),
    )


@dataclass(frozen=True)
class WhatIf:
    """Advice before and after a change of the machine; energies after it are modelled.

    `least` and `largest` are the energy per datum after over before, over all the networks of the dataset.
    """

    texts: tuple[str, ...]
    before: Advice
    after: Advice
    least: float
    largest: float

    @property
    def same_design(self) -> bool:
        """Whether the best design stays the best."""
        first, second = (a.designs[0].configuration["experiment_id"] for a in (self.before, self.after))
        return bool(first == second)

    @property
    def energy_ratio(self) -> float:
        """Energy of the best design after the change over that of the best design before."""
        return self.after.designs[0].energy_j / self.before.designs[0].energy_j

    def document(self) -> dict[str, Any]:
        """For `what_if` in the JSON document of `wattlas advise`."""
        after = self.after.document()
        return {
            "changes": list(self.texts),
            "source": "modelled",
            "same_design": self.same_design,
            "energy_ratio": self.energy_ratio,
            "ratio_range": [self.least, self.largest],
            "note": self._note(),
            **{key: after[key] for key in ("designs", "pareto", "baseline", "saving")},
        }

    def sentences(self) -> list[str]:
        """What changes, for people."""
        best = self.after.designs[0]
        c = best.configuration
        stays = "the same design stays best" if self.same_design else "another design is best"
        said = [
            f"{stays}: {c['shape']} of depth {c['depth']}, {best.n_parameters:,} parameters, {best.epochs} "
            f"epochs, {format_energy(best.energy_j)} ({self.energy_ratio - 1:+.1%})",
            f"over all networks here, energy per datum changes by {self.least - 1:+.1%} to "
            f"{self.largest - 1:+.1%}",
        ]
        note = self._note()
        return [*said, note] if note else said

    def _note(self) -> str | None:
        if max(abs(self.least - 1), abs(self.largest - 1)) > 1e-9:
            return None
        return (
            "nothing changes: no cost of the energy model depends on it, because the measurements that it "
            "was fitted to do not show one"
        )


def what_if(
    tables: Tables,
    advice: Advice,
    model: MachineModel,
    changes: Sequence[Change],
    target: Target,
    limits: Limits | None = None,
) -> WhatIf:
    """The advice once more, on a changed machine.

    Raises:
        UsageError: the model has no such quantity.
        DataError: no design is within the limits any more.
    """
    own = tables.experiments.filter((pl.col("machine") == advice.machine) & pl.col(ENERGY).is_not_null())
    ratio = energy_ratio(model, changes, check_points(own))
    after = advise(
        changed_tables(tables, own, ratio),
        advice.dataset,
        target,
        machine=advice.machine,
        source=advice.source,
        domain=advice.domain,
        limits=limits,
    )
    texts = tuple(change.text for change in changes)
    return WhatIf(texts, advice, after, float(ratio.min()), float(ratio.max()))
