"""What the meters of a made-up release read: about one sample a minute and node, some lost and some zero."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.testing.butter_e_release.law import Law
from wattlas.testing.butter_e_release.schedule import EPOCH, SECOND_US, Ints, Schedule

_PERIOD_S = 60
_CHUNK = 400_000
# More than any time in microseconds since EPOCH: a lane and a time make one sortable number.
_LANE_BITS = 45


def samples(
    schedule: Schedule, nodes: pl.DataFrame, law: Law, rng: np.random.Generator
) -> Iterator[tuple[pl.DataFrame, Ints]]:
    """The power samples of some jobs at a time, and how many of them each run of these jobs has.

    The frame has `job`, `timestamp` (wall time in Denver), `node` and `watts`, and the rows of a job are in
    the order of its file. A sample is the node's power at its time, to the second.
    """
    lanes = schedule.lanes
    offset_s = rng.integers(0, _PERIOD_S, size=lanes.height)
    n_samples = (lanes["end_us"] - lanes["begin_us"]).to_numpy() // (_PERIOD_S * SECOND_US)
    per_job = np.bincount(lanes["job"].to_numpy(), weights=n_samples)
    chunk_of_job = (np.cumsum(per_job) // _CHUNK).astype(np.int64)
    lane_chunk = chunk_of_job[lanes["job"].to_numpy()]
    run_chunk = chunk_of_job[schedule.runs["job"].to_numpy()]
    interleaved = (schedule.jobs["layout"] == "interleaved").to_numpy()
    for chunk in np.unique(chunk_of_job):
        rows = np.flatnonzero(lane_chunk == chunk)
        lane, t_us = _times(rows, lanes["begin_us"].to_numpy()[rows], offset_s[rows], n_samples[rows], rng)
        runs = schedule.runs.filter(run_chunk == chunk)
        node = lanes["node"].to_numpy()[lane]
        watts, keep, counts = _read(runs, lane, t_us, nodes, node, law, rng)
        job = lanes["job"].to_numpy()[lane]
        order = np.lexsort((lane, np.where(interleaved[job], t_us, 0), job))
        order = order[keep[order]]
        utc = EPOCH.replace(tzinfo=None) + pl.Series(t_us[order]).cast(pl.Duration("us"))
        wall = utc.dt.replace_time_zone("UTC").dt.convert_time_zone("America/Denver")
        frame = pl.DataFrame(
            {
                "job": job[order],
                "timestamp": wall.dt.replace_time_zone(None),
                "node": nodes["node"].gather(node[order]),
                "watts": watts[order],
            }
        )
        yield frame, counts


def _times(
    lanes: Ints, begin_us: Ints, offset_s: Ints, n_samples: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Lane and time of each sample: whole seconds, now and then one early or late."""
    lane = np.repeat(lanes, n_samples)
    k = np.arange(len(lane)) - np.repeat(np.cumsum(n_samples) - n_samples, n_samples)
    jitter_s = rng.choice([-1, 0, 1], p=[0.03, 0.94, 0.03], size=len(lane))
    first_s = begin_us // SECOND_US + 2 + offset_s
    return lane, (np.repeat(first_s, n_samples) + _PERIOD_S * k + jitter_s) * SECOND_US


def _read(
    runs: pl.DataFrame,
    lane: Ints,
    t_us: Ints,
    nodes: pl.DataFrame,
    node: Ints,
    law: Law,
    rng: np.random.Generator,
) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """Watts of each sample, whether it is kept, and the kept samples of each run; runs are in lane order."""
    key = (lane << _LANE_BITS) + t_us
    start = (runs["lane"].to_numpy() << _LANE_BITS) + runs["start_us"].to_numpy()
    end = (runs["lane"].to_numpy() << _LANE_BITS) + runs["end_us"].to_numpy()
    run = np.searchsorted(start, key, side="right") - 1
    in_run = (run >= 0) & (key < end[run])
    since_s = (key - start[run]) / 1e6
    startup_s, startup_w, train_w = (
        runs[name].to_numpy()[run] for name in ("startup_s", "startup_w", "train_w")
    )
    dynamic_w = np.where(in_run, law.dynamic_w(since_s, startup_s, startup_w, train_w), 0.0)
    power_w = nodes["idle_w"].to_numpy()[node] + nodes["gain"].to_numpy()[node] * dynamic_w
    power_w += law.noise_w * rng.standard_normal(len(key))
    watts = np.clip(np.rint(power_w), 0, None).astype(np.int64)
    first, after = np.searchsorted(key, start), np.searchsorted(key, end, side="right")
    keep = _spoil(runs["planted_defect"], first, after, watts, rng)
    kept_before = np.r_[0, np.cumsum(keep)]
    return watts, keep, kept_before[after] - kept_before[first]


def _spoil(
    planted: pl.Series, first: Ints, after: Ints, watts: Ints, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Plant the defects: zeros go into `watts`, and the samples that are not lost are returned."""
    keep = np.ones(len(watts), dtype=bool)
    inside = first + (rng.random(len(first)) * (after - first)).astype(np.int64)
    defect = planted.to_numpy()
    watts[inside[defect == "zero"]] = 0
    watts[first[defect == "edge_zero"] - 1] = 0
    for row in np.flatnonzero(np.isin(defect, ("absent", "gap1", "gap2"))):
        if defect[row] == "absent":
            keep[first[row] : after[row]] = False
            continue
        n_lost = 1 if defect[row] == "gap1" else int(rng.integers(3, 9))
        # A gap has a sample of the run on both sides.
        begin = first[row] + 1 + int(rng.integers(0, after[row] - first[row] - n_lost - 1))
        keep[begin : begin + n_lost] = False
    return keep
