"""Where a sweep is, read from its store."""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.compute as pc

from wattlas.campaign.executor import MAX_ATTEMPTS
from wattlas.campaign.lock import is_locked
from wattlas.core.errors import StoreError
from wattlas.dataset.store import RunStore


@dataclass(frozen=True)
class Status:
    """Runs by state, counted against the spec last run in this store.

    `done` counts settled runs, diverged ones too; `failed` those whose last attempt failed; of these
    `set_aside` have no attempts left. `energy_j` is of the settled runs, by source in `energy_by_source_j`
    where there are several.
    """

    planned: int
    done: int
    diverged: int
    failed: int
    set_aside: int
    running: int
    pending: int
    energy_j: float
    source: str
    energy_by_source_j: dict[str, float]
    campaign: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `sweep status --json`."""
        return asdict(self)


def read_status(store: RunStore) -> Status:
    """Count the runs of the current spec; raises `StoreError` if none was ever run here."""
    campaign = store.campaign()
    if campaign is None:
        raise StoreError(
            f"{store.path} has no campaign yet; start one with 'wattlas sweep run SPEC --store DIR'"
        )
    planned = set(campaign[1]["run_id"].to_pylist())
    runs = store.read("runs")
    ours = runs.filter(pc.is_in(runs["run_id"], campaign[1]["run_id"].combine_chunks()))
    states = ours["status"].to_pylist()
    attempts = {run_id: n for run_id, n in store.failed_attempts().items() if run_id in planned}
    settled = ours.filter(pc.not_equal(ours["status"], "failed"))
    by_source: dict[str, float] = {}
    for source, energy_j in zip(settled["source"].to_pylist(), settled["energy_j"].to_pylist(), strict=True):
        by_source[source] = by_source.get(source, 0.0) + energy_j
    failed = states.count("failed")
    open_runs = len(planned) - len(states)
    at_work = is_locked(store.path)
    running = 1 if at_work and open_runs else 0
    return Status(
        planned=len(planned),
        done=len(states) - failed,
        diverged=states.count("diverged"),
        failed=failed,
        set_aside=sum(n >= MAX_ATTEMPTS for n in attempts.values()),
        running=running,
        pending=open_runs - running,
        energy_j=sum(by_source.values()),
        source="+".join(sorted(by_source)),
        energy_by_source_j=by_source,
        campaign=(ours["campaign"].to_pylist() or [""])[-1],
    )
