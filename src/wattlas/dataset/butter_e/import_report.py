"""`import_report.json`: what was read, left out, flagged and fitted."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wattlas.dataset.butter_e.joined import ImportOptions, Joined
from wattlas.dataset.butter_e.own_standardise import Standardised
from wattlas.dataset.butter_e.quality import EXCLUDING, POWER_ABOVE_PEAK, POWER_BELOW_IDLE
from wattlas.dataset.butter_e.summary import Summary
from wattlas.dataset.butter_e.tables_in import Metadata

_KINDS = {False: "cpu", True: "gpu"}


def import_report(
    source: Path,
    options: ImportOptions,
    metadata: Metadata,
    joined: Joined,
    done: Standardised,
    experiments: pl.DataFrame,
    summary: Summary | None,
) -> dict[str, Any]:
    """Counts by name, thresholds, and the fits with their held-out checks, as plain JSON."""
    runs, rows = done.runs, joined.rows
    jobs = runs["slurm_job_id"].unique().implode()
    report: dict[str, Any] = {
        "mode": "upstream-compatible" if options.upstream_compatible else "default",
        "source": str(source),
        "metadata": {
            "rows": metadata.n_rows,
            "excluded_batch": metadata.n_excluded_batch,
            "repeated_rows": metadata.n_repeated_rows,
            "runs": runs.height,
        },
        "power": {
            "files": len(rows.files),
            "samples": len(rows.power_w),
            "nodes": len(rows.nodes),
            "unreadable_files": [
                {"file": f.label, "reason": rows.unreadable[f.job]}
                for f in rows.files
                if f.job in rows.unreadable
            ],
            "files_of_no_run": pl.Series([f.job for f in rows.files], dtype=pl.String)
            .is_in(jobs)
            .not_()
            .sum(),
            "malformed_rows": len(rows.malformed),
            "first_malformed_rows": rows.remarks,
        },
        "status": _counts(runs["status"]),
        "qc_flags": _counts(runs["qc_flags"].explode().drop_nulls()),
        "excluding_flags": sorted(EXCLUDING),
        "excluded": _counts(runs["excluded"].drop_nulls()),
        "limits": dataclasses.asdict(options.limits),
        "experiments": experiments.height,
        "summary_rows": None if summary is None else summary.n_rows,
    }
    if options.upstream_compatible:
        for name in (POWER_ABOVE_PEAK, POWER_BELOW_IDLE):
            report["excluding_flags"].remove(name)
        return report
    assert joined.energies is not None
    report["reading"] = {
        "is": joined.reading,
        "told_from_ends_of_runs": joined.n_ends,
        "given": options.reading is not None,
    }
    report["start_up"] = {
        _KINDS[kind]: None if s is None else dataclasses.asdict(s)
        for kind, s in joined.energies.startups.items()
    }
    report["uncertainty"] = {
        "relative_median": _median(joined.energies.u_energy_j / joined.energies.energy_j),
        "terms_relative_median": {
            name: _median(term / joined.energies.energy_j) for name, term in joined.energies.terms.items()
        },
        "not_included": "accuracy of the nodes' meters, the same for all runs: column u_systematic_j",
    }
    report["standardisation"] = {
        _KINDS[kind]: {
            "reference": done.references[kind],
            "experiments_on_several_nodes": e.n_experiments,
            "prior_sd": dict(zip(("node_offset_w", "scale"), e.prior_sd, strict=True)),
            "held_out_spread_w": e.spread_w,
        }
        for kind, e in done.effects.items()
    }
    report["overhead"] = {_KINDS[kind]: dataclasses.asdict(o) for kind, o in done.overheads.items()}
    return report


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.value_counts(sort=True)
    return dict(sorted(counted.rows()))


def _median(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
