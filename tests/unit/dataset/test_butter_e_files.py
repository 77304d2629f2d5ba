"""Published files that are not as they should be: one clear error, or a flag on the runs concerned."""

import json
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest

from wattlas.core.errors import DataError, StoreError, UsageError
from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e
from wattlas.dataset.butter_e.quality import QcLimits

WATTS = 300
HEADER = "timestamp,node,watts\n"
METADATA = (
    "run_id,experiment_id,old_experiment_id,slurm_job_id,start_time,update_time,host_name,size,depth,shape,"
    "dataset,learning_rate,batch_size,optimizer,is_gpu,run_data,batch\n"
)


def samples(node: str = "a", minutes: int = 20, watts: int = WATTS) -> list[str]:
    """A minute apart, from 12:00:30 of Denver's summer: 18:00:30 UTC."""
    return [f"2022-09-01T12:{m:02d}:30Z,{node},{watts}\n" for m in range(minutes)]


def row(run: str, job: int, start: str = "18:02:00", end: str = "18:12:00", node: str = "a") -> str:
    day = "2022-09-01 "
    return (
        f"{run},x,7,{job},{day}{start}.000000+00:00,{day}{end}.500000+00:00,{node},1024,3,rectangle,"
        f"505_tecator,0.0001,256,Adam,False,{{}},energy_2_cpu\n"
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two jobs of one run each, at 300 W on node a: 600.5 s, 180,150 J."""
    source = tmp_path / "release"
    (source / "butter_e_energy").mkdir(parents=True)
    (source / "butter_e_metadata.csv").write_text(METADATA + row("r1", 1) + row("r2", 2))
    for job in (1, 2):
        (source / "butter_e_energy" / f"{job}.csv").write_text(HEADER + "".join(samples()))
    (source / "node_sinfo.csv").write_text(
        "HOSTNAMES, CPUS, MEMORY, TMP_DISK, GRES\na, 36, 85248, 900000, (null)\n"
    )
    (source / "node_power_dist.csv").write_text("node,count,p2\na,10,220\n")
    (source / "pmlb.csv").write_text("Dataset,n_observations,n_features,n_classes,Endpoint,Imbalance,Task\n")
    return source


def imported(source: Path, **options: object) -> pl.DataFrame:
    dest = source.parent / "dest"
    import_butter_e(source, dest, ImportOptions(**options), force=True)  # type: ignore[arg-type]
    return pl.read_parquet(dest / "runs.parquet").sort("run_id")


def first(source: Path, content: str | bytes) -> pl.DataFrame:
    path = source / "butter_e_energy" / "1.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return imported(source)


def report(source: Path) -> dict[str, object]:
    found = json.loads((source.parent / "dest" / "import_report.json").read_text())
    assert isinstance(found, dict)
    return found


def good(runs: pl.DataFrame, run: str = "r1") -> bool:
    own = runs.filter(pl.col("run_id") == run).row(0, named=True)
    return own["status"] == "done" and own["energy_j"] == pytest.approx(600.5 * WATTS, rel=1e-12)


def flags(runs: pl.DataFrame, run: str = "r1") -> list[str]:
    """Flags of a run, but for the one that all have: no summary here says how long they trained."""
    found = runs.filter(pl.col("run_id") == run)["qc_flags"][0].to_list()
    found.remove("epochs_assumed")
    return found  # type: ignore[no-any-return]


def test_a_steady_power_gives_its_energy_exactly(release: Path) -> None:
    runs = imported(release)
    assert good(runs, "r1")
    assert good(runs, "r2")
    assert flags(runs) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r\n", 3),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("timestamp,node,watts", '"timestamp", "node", "watts"'),
    ],
    ids=["bom", "crlf", "mixed ends", "no last end", "blank lines", "quoted header"],
)
def test_forms_that_say_the_same(release: Path, spoil: object) -> None:
    runs = first(release, spoil(HEADER + "".join(samples())))  # type: ignore[operator]
    assert good(runs)
    assert flags(runs) == []


def test_columns_in_another_order(release: Path) -> None:
    swapped = "".join(",".join([s.split(",")[2].strip(), *s.split(",")[:2]]) + "\n" for s in samples())
    assert good(first(release, "watts,timestamp,node\n" + swapped))


def test_duplicated_rows_are_flagged_and_count_once(release: Path) -> None:
    rows = samples()
    runs = first(release, HEADER + "".join(rows[:8] + rows[5:]))
    assert good(runs)
    assert "duplicate_samples" in flags(runs)


def test_unsorted_rows_are_flagged(release: Path) -> None:
    runs = first(release, HEADER + "".join(reversed(samples())))
    assert good(runs)
    assert flags(runs) == ["unsorted_samples"]
    assert flags(runs, "r2") == []


def test_rows_of_another_node_between_are_not_counted(release: Path) -> None:
    mixed = [line for pair in zip(samples(), samples("b", watts=900), strict=True) for line in pair]
    assert good(first(release, HEADER + "".join(mixed)))


def test_a_file_of_another_job_has_no_samples_of_the_run(release: Path) -> None:
    runs = first(release, HEADER + "".join(samples("b")))
    assert runs["status"].to_list() == ["no_samples", "done"]
    assert runs["energy_j"][0] is None
    assert "file_of_another_job" in flags(runs)


def test_zero_watts_at_the_edge_is_no_reading(release: Path) -> None:
    rows = samples()
    rows[1] = rows[1].replace(",300", ",0")  # the one before the run
    runs = first(release, HEADER + "".join(rows))
    assert good(runs)
    assert flags(runs) == ["zero_power"]


def test_a_lost_minute_is_a_gap_with_an_uncertainty(release: Path) -> None:
    rows = samples()
    whole = first(release, HEADER + "".join(rows))
    runs = first(release, HEADER + "".join(rows[:6] + rows[8:]))
    assert flags(runs) == ["gap"]
    assert runs["energy_j"][0] == pytest.approx(whole["energy_j"][0], rel=0.01)
    assert runs["u_energy_j"][0] >= whole["u_energy_j"][0]


def test_a_run_that_is_mostly_gap_has_no_energy(release: Path) -> None:
    runs = first(release, HEADER + "".join(samples()[:4] + samples()[11:]))
    assert runs["status"][0] == "missing_samples"
    assert runs["energy_j"][0] is None


def test_a_bad_line_is_left_out_and_named(release: Path) -> None:
    rows = samples()
    rows[4] = "2022-09-01T12:04:30Z,a,plenty\n"
    rows[6] = "yesterday,a,300\n"
    rows[15] = "2022-09-01T12:15:30Z,a,300,7\n"
    runs = first(release, HEADER + "".join(rows))
    assert "malformed_samples" in flags(runs)
    assert "malformed_samples" not in flags(runs, "r2")
    remarks = report(release)["power"]["first_malformed_rows"]  # type: ignore[index]
    assert "butter_e_energy/1.csv, line 6: '2022-09-01T12:04:30Z,a" in remarks[0].replace(
        "12:04:30.000000", "12:04:30"
    )
    assert "line 8" in remarks[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"timestamp,watts\n2022-09-01T12:00:30Z,1\n", "line 1 names no column 'node'"),
        (HEADER.encode() + b"7" * 100_000_000, "line 2 has 100000000 bytes"),
        (b"\x00" * 4096, "line 1 has 4096 bytes"),
    ],
    ids=["empty", "missing column", "100 MB in one line", "zeros"],
)
def test_an_unreadable_file_is_named_and_its_runs_have_no_energy(
    release: Path, content: bytes, reason: str
) -> None:
    runs = first(release, content)
    assert runs["status"].to_list() == ["no_file", "done"]
    assert reason in runs["error"][0]
    (named,) = report(release)["power"]["unreadable_files"]  # type: ignore[index]
    assert named["file"] == "butter_e_energy/1.csv"
    assert reason in named["reason"]


def test_a_file_of_a_header_only_has_no_samples(release: Path) -> None:
    assert first(release, HEADER)["status"].to_list() == ["no_samples", "done"]


def test_a_run_that_ends_before_it_starts(release: Path) -> None:
    (release / "butter_e_metadata.csv").write_text(
        METADATA + row("r1", 1, "18:12:00", "18:02:00") + row("r2", 2)
    )
    runs = imported(release)
    assert runs["status"].to_list() == ["bad_window", "done"]
    assert runs["energy_j"][0] is None


def test_rows_of_metadata_given_twice(release: Path) -> None:
    path = release / "butter_e_metadata.csv"
    path.write_text(METADATA + row("r1", 1) + row("r2", 2) + row("r1", 1))
    assert imported(release)["run_id"].to_list() == ["r1", "r2"]
    assert report(release)["metadata"]["repeated_rows"] == 1  # type: ignore[index]
    path.write_text(METADATA + row("r1", 1) + row("r2", 2) + row("r1", 2))
    with pytest.raises(DataError, match=r"butter_e_metadata.csv, row 4: run r1 is there before"):
        imported(release)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "butter_e_metadata.csv",
            "run_id,size\nr1,5\n",
            r"butter_e_metadata.csv, line 1: no column 'experiment_id'",
        ),
        ("butter_e_metadata.csv", "", r"butter_e_metadata.csv, line 1: the file is empty"),
        ("butter_e_metadata.csv", METADATA, r"butter_e_metadata.csv, line 2: no rows"),
        ("butter_e_metadata.csv", METADATA + "x" * 2_000_000, r"line 2: 2000000 bytes in one line"),
        ("butter_e_metadata.csv", METADATA + row("r1", 1).replace("1024", "big"), r"line 2: size is 'big'"),
        ("node_sinfo.csv", "HOSTNAMES,CPUS\na,36\n", r"node_sinfo.csv, line 1: no column 'MEMORY'"),
        ("node_power_dist.csv", "node,p2\na,few\n", r"node_power_dist.csv, line 2: p2 is 'few'"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_error(
    release: Path, name: str, content: str, message: str
) -> None:
    (release / name).write_text(content)
    with pytest.raises(DataError, match=message):
        imported(release)
    assert not (release.parent / "dest").exists()
    assert list(release.parent.glob(".dest*")) == []


@pytest.mark.parametrize("name", ["butter_e_metadata.csv", "node_sinfo.csv", "node_power_dist.csv"])
def test_a_missing_table_is_named(release: Path, name: str) -> None:
    (release / name).unlink()
    with pytest.raises(StoreError, match=f"neither {name} nor {name}.zip"):
        imported(release)


def zip_power(release: Path) -> Path:
    path = release / "butter_e_energy.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((release / "butter_e_energy").iterdir()):
            archive.write(file, f"butter_e_energy/{file.name}")
    shutil.rmtree(release / "butter_e_energy")
    return path


def test_zips_say_the_same_as_folders(release: Path) -> None:
    zip_power(release)
    path = release / "butter_e_metadata.csv"
    with zipfile.ZipFile(release / "butter_e_metadata.csv.zip", "w") as archive:
        archive.write(path, path.name)
    path.unlink()
    runs = imported(release)
    assert good(runs, "r1")
    assert good(runs, "r2")


def test_a_truncated_zip_is_one_error(release: Path) -> None:
    path = zip_power(release)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"butter_e_energy.zip is no complete zip archive"):
        imported(release)


def test_a_damaged_member_concerns_its_own_job(release: Path) -> None:
    path = zip_power(release)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(bytes(content))
    runs = imported(release)
    assert runs["status"].to_list() == ["no_file", "done"]
    assert "is damaged" in runs["error"][0]


def test_no_readable_file_at_all(release: Path) -> None:
    for path in (release / "butter_e_energy").iterdir():
        path.write_text("nothing\n")
    with pytest.raises(
        DataError, match=r"none of the 2 power files can be read; the first, butter_e_energy/1.csv"
    ):
        imported(release)


def test_dest_is_not_overwritten(release: Path, tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    with pytest.raises(StoreError, match="is there already"):
        import_butter_e(release, tmp_path / "dest")


def test_limits_are_checked_and_used(release: Path) -> None:
    assert flags(imported(release, limits=QcLimits(max_run_time_s=500))) == ["long_run"]
    with pytest.raises(UsageError, match="max_gap_s"):
        QcLimits(max_gap_s=0)
