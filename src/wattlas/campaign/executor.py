"""Run a plan on this node: one metered training at a time, each committed before the next begins."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wattlas.campaign.messages import Compile
from wattlas.campaign.metering import ChosenMeters, Metering
from wattlas.campaign.plan import Plan, PlannedRun
from wattlas.campaign.records import (
    Outcome,
    Place,
    channel_columns,
    epoch_columns,
    failed_run,
    node_row,
    power_columns,
    settled_run,
    utc_day,
)
from wattlas.campaign.spec import SweepSpec
from wattlas.campaign.trainer import Trainer, TrainerError, worker_options
from wattlas.core.clock import Clock, UtcAnchor
from wattlas.core.errors import DataError, EngineError, SeriesError
from wattlas.dataset.store import COMPACT_AT, RunStore
from wattlas.engines.base import TrainingConfig
from wattlas.hardware.machine import Machine
from wattlas.networks.tasks import Task
from wattlas.power.uncertainty import Energy

MAX_ATTEMPTS = 3
# A process that has compiled so many programs has grown by about 7 MB each (one second to start another).
RUNS_PER_WORKER = 200
# Of failures without a success between them: then it is the machine or the spec, not a run.
MAX_FAILURES_IN_A_ROW = 10


@dataclass(frozen=True)
class Progress:
    """Where a campaign is, after each run."""

    n_pending: int
    n_settled: int
    n_failed: int
    energy_j: float
    source: str
    last: str


@dataclass
class Campaign:
    """Everything a campaign on this node needs; `run` takes the plan to its end."""

    spec: SweepSpec
    plan: Plan
    facts: Mapping[str, Task]
    store: RunStore
    machine: Machine
    chosen: ChosenMeters
    clock: Clock
    on_progress: Callable[[Progress], None]
    node: str = ""

    def pending(self) -> list[PlannedRun]:
        """Runs that the store has not settled and that have attempts left, in the plan's order."""
        done = self.store.done_run_ids()
        set_aside = {run_id for run_id, n in self.store.failed_attempts().items() if n >= MAX_ATTEMPTS}
        return [run for run in self.plan.runs if run.run_id not in done and run.run_id not in set_aside]

    def run(self) -> Progress:
        """Take every pending run. The caller holds the locks of node and store.

        Raises:
            StoreError: a run could not be written; it will be run again.
            WattlasError: the meter no longer answers, or run after run fails.
        """
        pending = self.pending()
        progress = Progress(len(pending), 0, 0, 0.0, "", "")
        if not pending:
            return progress
        threads = self.spec.engine.threads
        trainer = Trainer(worker_options(self.spec.engine.name, threads, self._cache()))
        metering = Metering(self.chosen.meters, self.spec.meter.interval_s, self.clock)
        metering.start()
        try:
            place = self._place(metering, len(trainer.cpus))
            attempts = self.store.failed_attempts()
            in_a_row = 0
            for planned in pending:
                attempt = attempts.get(planned.run_id, 0) + 1
                before = progress
                progress = self._one(trainer, metering, place, planned, attempt, progress)
                self.on_progress(progress)
                in_a_row = in_a_row + 1 if progress.n_failed > before.n_failed else 0
                if in_a_row == MAX_FAILURES_IN_A_ROW:
                    raise EngineError(
                        f"{in_a_row} runs in a row failed, the last with: {progress.last}; mend that first"
                    )
                if trainer.runs_since_start >= RUNS_PER_WORKER:
                    trainer.close()
                if progress.n_settled % COMPACT_AT == COMPACT_AT - 1:
                    self.store.compact()
        finally:
            trainer.close()
            metering.stop()
        self.store.compact()
        return progress

    def _one(
        self,
        trainer: Trainer,
        metering: Metering,
        place: Place,
        planned: PlannedRun,
        attempt: int,
        progress: Progress,
    ) -> Progress:
        anchor = UtcAnchor.of(self.clock)
        task = self.facts[planned.experiment.dataset]
        label = _label(planned)
        try:
            outcome = self._train(trainer, metering, planned)
        except (TrainerError, DataError, SeriesError) as error:
            detail = error.detail if isinstance(error, TrainerError) else str(error)
            self.store.commit_failure(failed_run(self.spec, planned, task, place, attempt, detail))
            return replace(
                progress,
                n_pending=progress.n_pending - 1,
                n_failed=progress.n_failed + 1,
                last=f"{label} failed: {error}",
            )
        run_id = planned.run_id
        self.store.commit(
            settled_run(self.spec, planned, place, outcome, anchor, attempt),
            epoch_columns(run_id, place, outcome),
            channel_columns(run_id, place, outcome.window),
            power_columns(run_id, place, outcome.window),
        )
        return Progress(
            progress.n_pending - 1,
            progress.n_settled + 1,
            progress.n_failed,
            progress.energy_j + outcome.energy.energy_j,
            place.source,
            label,
        )

    def _train(self, trainer: Trainer, metering: Metering, planned: PlannedRun) -> Outcome:
        training = self.spec.training
        table = next(t for t in self.spec.datasets if t.name == planned.experiment.dataset)
        config = TrainingConfig(
            epochs=training.epochs,
            batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            epsilon=training.epsilon,
            epsilon_convention=training.epsilon_convention,
        )
        hello = trainer.start()
        network = planned.experiment.network
        metering.forget(self.clock.monotonic_s())
        metering.sample_now()
        compiled = trainer.compile(Compile(table, training.test_fraction, network, config))
        if (compiled.task.n_inputs, compiled.task.n_outputs) != (network.n_inputs, network.n_outputs):
            raise DataError(
                f"{table.name} has {compiled.task.n_inputs} inputs and {compiled.task.n_outputs} outputs, "
                "but was "
                f"planned with {network.n_inputs} and {network.n_outputs}; its data have changed: plan again"
            )
        metering.sample_now()
        result = trainer.train(planned.seed)
        metering.sample_now()
        window = metering.window(result.start_s, result.end_s)
        energy = metering.primary_energy(window)
        epoch_energy_j, epoch_u_energy_j = metering.cumulative(window, result.start_s, result.epoch_end_s)
        compile_energy_j = None
        if compiled.end_s > compiled.start_s:
            compile_window = metering.window(compiled.start_s, compiled.end_s)
            if not compile_window.missing:
                compile_energy_j = metering.primary_energy(compile_window).energy_j
        return Outcome(
            hello, compiled, result, window, energy, compile_energy_j, epoch_energy_j, epoch_u_energy_j
        )

    def _place(self, metering: Metering, threads: int) -> Place:
        """Measure the idle baseline, unless this node has one of today, and keep what the node is."""
        place = Place(
            machine=self.machine,
            node=self.node or socket.gethostname(),
            channels=metering.channels,
            channel=metering.channel_id,
            domain=metering.domain,
            source=metering.source,
            idle_power_w=None,
            threads=threads,
        )
        today = utc_day(UtcAnchor.of(self.clock))
        for row in self.store.read("nodes").to_pylist():
            same = (row["node"], row["date"], row["machine"], row["source"])
            if (
                same == (place.node, today, place.machine.name, place.source)
                and row["idle_power_w"] is not None
            ):
                return replace(place, idle_power_w=row["idle_power_w"])
        idle: Energy | None = None
        if self.spec.meter.baseline_s > 0:
            metering.sample_now()
            start_s = self.clock.monotonic_s()
            self.clock.sleep(self.spec.meter.baseline_s)
            end_s = self.clock.monotonic_s()
            metering.sample_now()
            idle = metering.primary_energy(metering.window(start_s, end_s))
        self.store.commit_node(node_row(place, idle, self.chosen.found, today))
        return replace(place, idle_power_w=None if idle is None else idle.mean_power_w)

    def _cache(self) -> Path:
        return self.store.path / ".cache" / "xla"


def _label(planned: PlannedRun) -> str:
    network = planned.experiment.network
    return (
        f"{planned.experiment.dataset} {network.shape} depth {network.depth} "
        f"{network.n_parameters} parameters #{planned.repetition}"
    )
