"""A rough forecast of a sweep's time and energy, before it is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from wattlas.campaign.plan import Plan, PlannedRun
from wattlas.campaign.spec import SweepSpec
from wattlas.networks.tasks import Task
from wattlas.networks.work import work

# Without runs to learn from. Order of magnitude of a recent desktop or server core under XLA, float32: see
# bench/bench_sweep.py, which prints what they are on the machine it runs on.
STEP_S = 30e-6
LAYER_S = 8e-6
MACS_PER_S_AND_CORE = 2e10
COMPILE_S = 1.0
POWER_W_PER_CORE = 10.0


@dataclass(frozen=True)
class Estimate:
    """A forecast; `source` is always modelled. `basis` says in a sentence what it rests on."""

    duration_s: float
    energy_j: float
    basis: str
    source: str = "modelled"


@dataclass(frozen=True)
class Observed:
    """What finished runs of the same machine say: their run ids, durations and energies."""

    durations_s: Mapping[str, float]
    energies_j: Mapping[str, float]


class Estimator:
    """Seconds and joules of planned runs: steps, layers and work at assumed or learnt rates."""

    def __init__(
        self, spec: SweepSpec, plan: Plan, facts: Mapping[str, Task], cores: int, power_w: float | None
    ):
        self._spec, self._facts, self._plan = spec, facts, plan
        self._cores = min(spec.engine.threads or cores, cores)
        self.power_w = power_w if power_w is not None else POWER_W_PER_CORE * self._cores
        self.scale = 1.0
        self._train_s_of: dict[str, float] = {}
        known = "the machine's peak power" if power_w is not None else f"{POWER_W_PER_CORE:g} W a core"
        self.basis = (
            f"assumed: {STEP_S * 1e6:g} µs a step and {LAYER_S * 1e6:g} µs a layer, "
            f"{MACS_PER_S_AND_CORE:.0e} "
            f"multiply-accumulates a second and core, {COMPILE_S:g} s a compile, {known}"
        )

    def learn(self, observed: Observed) -> None:
        """Scale to what runs of this plan took, where there are any."""
        planned = {run.run_id: run for run in self._plan.runs}
        ratios = [
            duration / self._train_s(planned[run_id])
            for run_id, duration in observed.durations_s.items()
            if run_id in planned
        ]
        powers = [
            energy / observed.durations_s[run_id]
            for run_id, energy in observed.energies_j.items()
            if observed.durations_s.get(run_id, 0) > 0
        ]
        if ratios and powers:
            self.scale, self.power_w = median(ratios), median(powers)
            self.basis = f"scaled to {len(ratios)} runs of this store, at their median power"

    def run_s(self, run: PlannedRun) -> float:
        """Seconds of one run with its compile (the first repetition's; later ones find it in the cache)."""
        return self._train_s(run) * self.scale + (COMPILE_S if run.repetition == 0 else 0.1)

    def estimate(self, runs: tuple[PlannedRun, ...]) -> Estimate:
        """Forecast of these runs."""
        duration_s = sum(self.run_s(run) for run in runs)
        return Estimate(duration_s, duration_s * self.power_w, self.basis)

    def _train_s(self, run: PlannedRun) -> float:
        known = self._train_s_of.get(run.experiment.experiment_id)
        if known is None:
            known = self._train_s_of[run.experiment.experiment_id] = self._assumed_train_s(run)
        return known

    def _assumed_train_s(self, run: PlannedRun) -> float:
        training, network = self._spec.training, run.experiment.network
        task = self._facts[run.experiment.dataset]
        batches = task.n_train_batches(training.batch_size, training.test_fraction)
        test_batches = task.n_test_batches(training.batch_size, training.test_fraction)
        done = work(network, training.batch_size)
        macs = training.batch_size * (
            batches * (done.forward_flops + done.backward_flops) + test_batches * done.forward_flops
        )
        epoch_s = batches * (STEP_S + LAYER_S * network.depth) + macs / (MACS_PER_S_AND_CORE * self._cores)
        return training.epochs * epoch_s
