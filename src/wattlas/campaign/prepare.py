"""Everything of a sweep that comes before its first run: spec, facts, machine and plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from wattlas.campaign.estimate import Estimator, Observed
from wattlas.campaign.facts import dataset_facts
from wattlas.campaign.only import only
from wattlas.campaign.plan import Plan, make_plan
from wattlas.campaign.spec import EngineTable, SweepSpec, load_spec
from wattlas.core.errors import UnknownNameError
from wattlas.dataset.store import RunStore
from wattlas.engines.data import data_names
from wattlas.engines.registry import engine_names
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.machine import Machine
from wattlas.networks.tasks import Task
from wattlas.probe.machine import probe_machine


@dataclass(frozen=True)
class Prepared:
    """A spec with its plan on a machine."""

    spec: SweepSpec
    text: str
    facts: dict[str, Task]
    machine: Machine
    plan: Plan

    @property
    def spec_hash(self) -> str:
        """Names the snapshot: the spec as it is run, options of the command line included, and its runs."""
        parts = (self.spec.model_dump_json(), *(run.run_id for run in self.plan.runs))
        return sha256(" ".join(parts).encode()).hexdigest()[:20]

    def estimator(self, store: RunStore | None = None) -> Estimator:
        """A forecaster for this plan, which has learnt from the store's runs if there is one."""
        machine = self.machine
        estimator = Estimator(self.spec, self.plan, self.facts, max(machine.cores, 1), machine.peak_power_w)
        if store is not None:
            runs = [row for row in store.read("runs").to_pylist() if row["status"] == "done"]
            estimator.learn(
                Observed(
                    {row["run_id"]: row["duration_s"] for row in runs},
                    {row["run_id"]: row["energy_j"] for row in runs},
                )
            )
        return estimator


def prepare(
    path: Path, engine: str | None = None, meters: Sequence[str] = (), table: Path | None = None
) -> Prepared:
    """Read a spec, put the command line's engine and meters in their place, and plan it for this machine.

    With a `table` of runs, only those that it names.

    Raises:
        SpecError: the spec does not validate, or no network meets any size.
        UnknownNameError: no such engine or machine.
        DataError: a dataset cannot be loaded.
    """
    spec = load_spec(path)
    if engine is not None:
        if engine not in engine_names():
            raise UnknownNameError("engine", engine, engine_names())
        spec = spec.model_copy(update={"engine": EngineTable(name=engine, threads=spec.engine.threads)})
    if meters:
        spec = spec.model_copy(update={"meter": spec.meter.model_copy(update={"names": list(meters)})})
    machine = load_machine(spec.machine.name) if spec.machine.name else probe_machine()
    facts = dataset_facts(spec)
    plan = make_plan(spec, facts, machine.name)
    return Prepared(spec, path.read_text(), facts, machine, plan if table is None else only(plan, table))


def check_data(spec: SweepSpec) -> None:
    """Refuse a dataset that can be planned but has no data here.

    Raises:
        UnknownNameError: the dataset arrives with no installed package.
    """
    for table in spec.datasets:
        if table.path is None and table.name not in data_names():
            raise UnknownNameError("dataset with data on this machine", table.name, data_names())
