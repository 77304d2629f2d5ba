"""The energy model: seconds to fit and to ask, and error against the number of runs on a new machine.

New machines, each known by few of its runs and asked about the others:
  made      `butter-e`'s CPU node with every price scattered by a factor of two, runs repeating to 3 %
  --points  the points of a table or a dataset directory, such as bench/measure_grid.py or a generated release

    python bench/bench_model.py [--points FILE] [--machine NAME|FILE] [--from NAME] [--trials 5]

Runs are designed, by either criterion, or drawn at random; the model is calibrated from `butter-e` or fitted
from scratch. Medians over trials of the mean absolute error on all the points, and the worst trial.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from wattlas.hardware.catalogue import load_machine
from wattlas.model import EnergyModel, load_model
from wattlas.model.experiment import CRITERIA, design_experiment
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.model.law import SHAPES, columns, evaluate_law
from wattlas.model.points import read_points_file
from wattlas.model.train import fit_machine
from wattlas.model.transfer import choose_source, transfer
from wattlas.probe.machine import probe_machine

COUNTS = (5, 10, 20, 40)
ROWS = 30_000


def speed(repeat: int = 5) -> None:
    grid = grid_points("eagle-gpu")
    grid = pl.concat([grid, grid])[:ROWS]
    model = load_model("butter-e")
    energy = model.predict(grid) * np.exp(0.05 * np.random.default_rng(0).normal(size=ROWS))
    points = grid.with_columns(energy_per_datum_j=pl.Series(energy))
    for name, call in (
        ("fit", lambda: EnergyModel().fit(points)),
        ("predict", lambda: model.predict_interval(grid)),
    ):
        took = []
        for _ in range(repeat):
            start = time.perf_counter()
            call()
            took.append(time.perf_counter() - start)
        print(f"{name} of {ROWS:,} rows: median {statistics.median(took):.3f} s, worst {max(took):.3f} s")


def made(trial: int):
    source = load_model("butter-e").machines_["eagle-cpu"]
    random = np.random.default_rng(trial)
    points = grid_points("new")
    price = np.array([name not in SHAPES for name in source.law.free])
    x = source.x + price * np.log(2) * random.normal(size=len(source.x))
    energy = evaluate_law(source.law, x, columns(source.law, features(points)))[0]
    return points, energy * np.exp(0.03 * random.normal(size=len(energy)))


def curve(name: str, machine, case, source: str | None, trials: int) -> None:
    model = load_model("butter-e")
    known = model.machines_[choose_source(model, machine, source)]
    print(f"\n{name}: error on all points by number of runs; median (worst) of {trials} trials")
    print(
        f"{'runs':>5} "
        + " ".join(f"{h + ', ' + m:>22}" for h in (*CRITERIA, "random") for m in ("calibrated", "scratch"))
    )
    for n in COUNTS:
        errors: dict[tuple[str, str], list[float]] = {}
        for trial in range(trials):
            points, energy = case(trial)
            f = features(points)
            key = points.with_row_index("row")
            random = np.random.default_rng(trial).choice(len(energy), n, replace=False)
            designs = {
                criterion: design_experiment(known, key, machine, n, criterion, trial)["row"].to_numpy()
                for criterion in CRITERIA
            }
            for how, rows in (*designs.items(), ("random", random)):
                few = points[rows]
                for means, fitted in (
                    ("calibrated", transfer(known, few, energy[rows], machine)),
                    ("scratch", fit_machine(few, energy[rows], machine)),
                ):
                    error = np.abs(fitted.predict(f).energy_j / energy - 1).mean()
                    errors.setdefault((how, means), []).append(float(error))
        cells = [f"{statistics.median(e):.1%} ({max(e):.1%})" for e in errors.values()]
        print(f"{n:>5} " + " ".join(f"{cell:>22}" for cell in cells), flush=True)


def this_core():
    """One core of this machine, for the points of bench/measure_grid.py."""
    here = probe_machine()
    processors = (replace(here.processors[0], cores=1, sockets=1),)
    return replace(here, processors=processors, caches=tuple(replace(c, units=1) for c in here.caches))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=Path, help="points of the new machine, one machine in them")
    parser.add_argument("--machine", help="its description, if it is not in the catalogue or the dataset")
    parser.add_argument("--from", dest="source", help="machine of butter-e to start from")
    parser.add_argument("--trials", type=int, default=5)
    given = parser.parse_args()
    if given.points is None:
        speed()
        curve("made", replace(load_machine("eagle-cpu"), name="new"), made, None, given.trials)
        return
    read = read_points_file(given.points)
    name = str(read.points["machine"][0])
    own = read.points.filter(pl.col("machine") == name)
    if name == "this-core":
        machine = this_core()
    else:
        machine = (
            load_machine(given.machine) if given.machine else read.machines.get(name) or load_machine(name)
        )
    energy = own["energy_per_datum_j"].to_numpy()
    held_out = fit_machine(own, energy, machine).held_out
    print(f"{given.points}: all {own.height} fitted, left out {held_out['left_out']}:")
    print(f"  mean {held_out['mape']:.1%}, median {held_out['median_ape']:.1%}; kept {held_out['kept']}")
    print("  mean |ln| of each law: " + ", ".join(f"{k} {v:.3f}" for k, v in held_out["tried"].items()))
    curve(str(given.points), replace(machine, name=name), lambda _: (own, energy), given.source, given.trials)


if __name__ == "__main__":
    main()
