"""When and where a made-up release's runs run: Slurm jobs of one to four nodes, each with runs in a row.

A lane is one node of one job. Times are whole microseconds since `EPOCH`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.testing.butter_e_release.nodes import NODE_TYPES

EPOCH = datetime(2022, 9, 1, tzinfo=UTC)
LAST_START = datetime(2023, 3, 20, tzinfo=UTC)
FOLD = datetime(2022, 11, 6, 8, tzinfo=UTC)
"""At this instant wall clocks in Denver go back from 2:00 to 1:00."""
GAP = datetime(2023, 3, 12, 9, tzinfo=UTC)
"""At this instant wall clocks in Denver go on from 2:00 to 3:00."""
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
_RUNS_PER_JOB = 20.3
_LAYOUTS, _LAYOUT_SHARES = ("single", "interleaved", "grouped"), (0.79, 0.13, 0.08)
_TRIES = 200

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """`runs` gained `job`, `lane`, `start_us` and `end_us`; `lanes` has `job`, `node` (a row of the nodes),
    `begin_us` and `end_us`; `jobs` has `job_id`, `layout` and `written`, whether its file is there."""

    runs: pl.DataFrame
    lanes: pl.DataFrame
    jobs: pl.DataFrame


def instant_us(when: datetime) -> int:
    """Microseconds since `EPOCH`."""
    return round((when - EPOCH).total_seconds() * 1e6)


def make_schedule(runs: pl.DataFrame, nodes: pl.DataFrame, rng: np.random.Generator) -> Schedule:
    """Place every run. `runs` needs `is_gpu`, `duration_us` and `planted_defect`.

    Some jobs are placed so that their longest run spans the autumn fold, or the spring gap. No two jobs are
    on one node at one time.
    """
    jobs, lanes = _jobs_and_lanes(runs["is_gpu"].to_numpy(), rng)
    lane = _deal(runs["is_gpu"].to_numpy(), lanes["is_gpu"].to_numpy(), rng)
    order = np.argsort(lane, kind="stable")
    runs = runs.with_columns(lane=lane)[order].with_columns(job=lanes["job"].gather(lane[order]))
    start_us, end_us = _within_lanes(runs, rng)
    runs = runs.with_columns(start_us=start_us, end_us=end_us)
    length_us = runs.group_by("job").agg(pl.col("end_us").max()).sort("job")["end_us"].to_numpy()
    length_us = length_us + rng.integers(5, 150, size=len(length_us)) * SECOND_US
    begin_us, node = _place(jobs, length_us, _fixed(runs, jobs, rng), nodes, rng)
    in_job = runs["job"].to_numpy()
    lane_job = lanes["job"].to_numpy()
    return Schedule(
        runs.with_columns(start_us=start_us + begin_us[in_job], end_us=end_us + begin_us[in_job]),
        lanes.with_columns(node=node, begin_us=begin_us[lane_job], end_us=(begin_us + length_us)[lane_job]),
        jobs.with_columns(written=_written(runs, jobs, begin_us, begin_us + length_us, rng)),
    )


def _jobs_and_lanes(is_gpu: NDArray[np.bool_], rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Jobs of either hardware in random order, and one to four lanes of each."""
    parts = []
    for on_gpu in (False, True):
        n_jobs = max(4, round((is_gpu == on_gpu).sum() / _RUNS_PER_JOB))
        layout = rng.choice(len(_LAYOUTS), size=n_jobs, p=_LAYOUT_SHARES)
        layout[: len(_LAYOUTS)] = np.arange(len(_LAYOUTS))
        parts.append(pl.DataFrame({"is_gpu": np.full(n_jobs, on_gpu), "layout": layout}))
    jobs = pl.concat(parts)
    jobs = jobs[rng.permutation(jobs.height)].with_columns(
        pl.col("layout").replace_strict(dict(enumerate(_LAYOUTS))),
        job_id=10_430_000 + np.cumsum(rng.integers(1, 20, size=jobs.height)),
    )
    single = (jobs["layout"] == "single").to_numpy()
    n_lanes = np.where(single, 1, rng.integers(2, 5, size=jobs.height))
    job = np.repeat(np.arange(jobs.height), n_lanes)
    lanes = pl.DataFrame({"job": job, "is_gpu": jobs["is_gpu"].gather(job)})
    return jobs.with_columns(n_lanes=n_lanes), lanes


def _deal(is_gpu: NDArray[np.bool_], lane_is_gpu: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """A lane for each run: in turn, then at random, so that none is empty where the runs are enough."""
    lane = np.empty(len(is_gpu), dtype=np.int64)
    for on_gpu in (False, True):
        rows, choice = np.flatnonzero(is_gpu == on_gpu), np.flatnonzero(lane_is_gpu == on_gpu)
        deal = np.concatenate([rng.permutation(choice), rng.choice(choice, size=len(rows))])
        lane[rows] = deal[: len(rows)]
    return lane


def _within_lanes(runs: pl.DataFrame, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Start and end of each run after its job's begin. The pause before a run is mostly some seconds."""
    n, lane = runs.height, runs["lane"].to_numpy()
    pause_s = np.exp(rng.normal(np.log(7), 0.6, size=n))
    pause_s = np.where(rng.random(n) < 0.03, rng.uniform(60, 6000, size=n), pause_s)
    first = np.r_[True, lane[1:] != lane[:-1]]
    pause_s = np.where(first, rng.uniform(3, 240, size=n), pause_s)
    # The zero before such a run must lie in no other run.
    pause_s = np.where((runs["planted_defect"] == "edge_zero").to_numpy(), 150.0, pause_s)
    pause_us = np.rint(pause_s * 1e6).astype(np.int64)
    duration_us = runs["duration_us"].to_numpy()
    end_us = np.cumsum(pause_us + duration_us)
    before_us = np.where(first, end_us - pause_us - duration_us, 0)
    end_us = end_us - np.maximum.accumulate(before_us)
    return end_us - duration_us, end_us


def _fixed(runs: pl.DataFrame, jobs: pl.DataFrame, rng: np.random.Generator) -> dict[int, int]:
    """Begin, by job, of those whose longest run is to lie across a change of the clocks."""
    longest = runs.group_by("job").agg(pl.all().get(pl.col("duration_us").arg_max())).sort("job")
    hours = longest["duration_us"].to_numpy() / HOUR_US
    good = np.flatnonzero((hours > 1.5) & (hours < 20))
    candidates = rng.permutation(good) if len(good) >= 4 else np.argsort(np.abs(np.log(hours / 6)))
    # A job of several nodes is the harder case: one of them is first on each list.
    several = jobs["n_lanes"].to_numpy()[longest["job"].to_numpy()][candidates] > 1
    candidates = candidates[np.argsort(~several, kind="stable")]
    n_each = max(2, len(candidates) // 100)
    middle = ((longest["start_us"] + longest["end_us"]) // 2).to_numpy()
    fixed = {}
    for i, row in enumerate(candidates[: 2 * n_each]):
        fixed[int(longest["job"][int(row)])] = instant_us((FOLD, GAP)[i % 2]) - int(middle[row])
    return fixed


def _place(
    jobs: pl.DataFrame, length_us: Ints, fixed: dict[int, int], nodes: pl.DataFrame, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Begin of each job and node of each lane, with no node used twice at a time."""
    busy: list[list[tuple[int, int]]] = [[] for _ in range(nodes.height)]
    type_of = nodes["type"].to_numpy()
    members = {kind.name: np.flatnonzero(type_of == kind.name) for kind in NODE_TYPES}
    begin_us = np.zeros(jobs.height, dtype=np.int64)
    node: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * jobs.height
    last_us = instant_us(LAST_START)
    # Every type gets a job, however few there are.
    unused = {on_gpu: [kind for kind in NODE_TYPES if kind.is_gpu == on_gpu] for on_gpu in (False, True)}
    is_gpu, n_lanes = jobs["is_gpu"].to_list(), jobs["n_lanes"].to_list()
    for job in sorted(range(jobs.height), key=lambda j: j not in fixed):
        kinds = [kind for kind in NODE_TYPES if kind.is_gpu == is_gpu[job]]
        shares = np.array([kind.job_share for kind in kinds])
        for attempt in range(_TRIES):
            # Where the cluster is too small for the time given, the campaign takes longer.
            at = int(rng.integers(5 * 24 * HOUR_US, last_us * (1 + attempt // 20)))
            if attempt < _TRIES // 2:
                at = fixed.get(job, at)
            drawn = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
            kind = unused[is_gpu[job]][-1] if unused[is_gpu[job]] else drawn
            until = at + int(length_us[job])
            free = [
                row
                for row in rng.permutation(members[kind.name])
                if all(until < a or b < at for a, b in busy[row])
            ]
            if len(free) >= n_lanes[job]:
                break
        unused[is_gpu[job]] = unused[is_gpu[job]][:-1]
        begin_us[job], node[job] = at, np.array(free[: n_lanes[job]], dtype=np.int64)
        for row in node[job]:
            busy[row].append((at, until))
    return begin_us, np.concatenate(node)


def _written(
    runs: pl.DataFrame, jobs: pl.DataFrame, begin_us: Ints, end_us: Ints, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """About one file in a thousand is missing, none of them of a job that has another hard case."""
    hard = (jobs["n_lanes"] > 1).to_numpy().copy()
    hard[runs.filter(pl.col("planted_defect") != "")["job"].unique().to_numpy()] = True
    for when in (FOLD, GAP):
        at = instant_us(when)
        hard |= (begin_us < at + HOUR_US) & (end_us > at - HOUR_US)
    may_miss = np.flatnonzero(~hard)
    missing = rng.choice(may_miss, size=min(len(may_miss), max(1, round(jobs.height / 1000))), replace=False)
    written = np.ones(jobs.height, dtype=bool)
    written[missing] = False
    return written
