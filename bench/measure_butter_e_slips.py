"""What each slip of the published BUTTER-E pipeline does, and what the default import does instead.

    python bench/measure_butter_e_slips.py CASE

CASE has `inputs` in the published formats and `truth/runs.parquet` with the true energies, as the releases
made by `wattlas.testing.butter_e_release` have. Prints the tables of docs/butter-e.md.
"""

import json
import sys
import tempfile
from pathlib import Path

import polars as pl
import polars.selectors as cs

from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e

LENGTHS = [
    ("under 5 min", 0, 300),
    ("5 to 30 min", 300, 1800),
    ("30 min to 2 h", 1800, 7200),
    ("over 2 h", 7200, 1e9),
]


def joined(case: Path, folder: Path) -> pl.DataFrame:
    """Runs with the true, the published and our energy."""
    import_butter_e(case / "inputs", folder / "published", ImportOptions(upstream_compatible=True))
    import_butter_e(case / "inputs", folder / "ours")
    truth = pl.read_parquet(case / "truth" / "runs.parquet")
    published = pl.read_parquet(folder / "published" / "runs.parquet")
    ours = pl.read_parquet(folder / "ours" / "runs.parquet")
    wanted = ["status", "energy_j", "std_energy_j", "non_overhead_energy_j", "qc_flags", "excluded"]
    return (
        ours.join(
            # Only a made release tells which runs cross a change of the clock.
            truth.select(
                "run_id",
                "file_layout",
                "planted_defect",
                pl.col("energy_j").alias("true_j"),
                cs.by_name("crosses", require_all=False),
            ),
            on="run_id",
        )
        .join(published.select("run_id", *(pl.col(n).alias(f"pub_{n}") for n in wanted)), on="run_id")
        .with_columns(
            (pl.col("pub_energy_j") / pl.col("true_j") - 1).alias("pub_error"),
            (pl.col("energy_j") / pl.col("true_j") - 1).alias("error"),
            ((pl.col("energy_j") - pl.col("true_j")) / pl.col("u_energy_j")).alias("z"),
        )
    )


def rms(name: str) -> pl.Expr:
    return pl.col(name).pow(2).mean().sqrt()


def energies(runs: pl.DataFrame) -> None:
    print("| runs | n | published: mean, rms error | ours: mean, rms error | z rms | within 95 % |")
    print("|---|---|---|---|---|---|")
    both = runs.filter(pl.col("error").is_not_null() & pl.col("pub_error").is_not_null())
    kinds = [("all", pl.lit(value=True))]
    kinds += [
        (f"{layout} files", pl.col("file_layout") == layout)
        for layout in ("single", "grouped", "interleaved")
    ]
    single = pl.col("file_layout") == "single"
    kinds += [(f"single files, {name}", single & pl.col("run_time_s").is_between(a, b))
              for name, a, b in LENGTHS]  # fmt: skip
    kinds += [(defect, pl.col("planted_defect") == defect) for defect in ("edge_zero", "gap1")]
    if "crosses" in runs.columns:
        kinds.append(("across a clock change", pl.col("crosses") != ""))
    for name, which in kinds:
        own = both.filter(which)
        if own.height:
            p_mean, p_rms, mean, r, z, inside = own.select(
                pl.col("pub_error").mean(), rms("pub_error").alias("b"), pl.col("error").mean(),
                rms("error").alias("d"), rms("z"), (pl.col("z").abs() < 1.96).mean().alias("inside"),
            ).row(0)  # fmt: skip
            print(
                f"| {name} | {own.height} | {p_mean:+.2%}, {p_rms:.2%} | {mean:+.2%}, {r:.2%} "
                f"| {z:.2f} | {inside:.1%} |"
            )
    lost = runs.filter(pl.col("pub_energy_j").is_null() & pl.col("energy_j").is_not_null())
    error = lost.select(rms("error")).item()
    print(f"\n{lost.height} runs without a published energy have ours: rms error {error:.2%}, "
          f"z rms {lost.select(rms('z')).item():.2f}.")  # fmt: skip


def features(folder: Path) -> None:
    published, ours = (
        pl.read_parquet(folder / name / "experiments.parquet") for name in ("published", "ours")
    )
    both = ours.join(published, on=["experiment_id", "machine"], suffix="_pub")
    ratio = pl.col("flops_per_datum_pub") / pl.col("flops_per_datum")
    print("\n| dataset | inputs published | ours | FLOPs a datum, published / ours, smallest to largest |")
    print("|---|---|---|---|")
    rows = both.group_by("dataset").agg(
        pl.col("n_inputs_pub").first(),
        pl.col("n_inputs").first(),
        ratio.min().alias("a"),
        ratio.max().alias("b"),
    )
    for row in rows.sort("dataset").rows():
        print("| {} | {} | {} | {:.3f} to {:.3f} |".format(*row))
    level = both.select((pl.col("ws_b_level") != pl.col("ws_b_level_pub")).sum()).item()
    epochs = both.select((pl.col("epochs") != 3000).sum()).item()
    print(f"\nOf {both.height} experiments in both, {level} have b in another cache level and {epochs} other "
          f"epochs than 3,000; {ours.height} of ours, {published.height} published.")  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = joined(Path(sys.argv[1]), folder)
        energies(runs)
        features(folder)
        report = json.loads((folder / "ours" / "import_report.json").read_text())
        print(
            "\n"
            + json.dumps(
                {key: report[key] for key in ("standardisation", "overhead", "start_up", "qc_flags")}
            )
        )
        overhead = runs.join(pl.read_parquet(folder / "published" / "runs.parquet").select(
            "run_id", "energy_overhead_j", "runtime_overhead_s"), on="run_id", suffix="_pub")  # fmt: skip
        print(
            overhead.group_by("has_gpu")
            .agg(pl.col("energy_overhead_j_pub", "runtime_overhead_s_pub").max())
            .rows()
        )


if __name__ == "__main__":
    main()
