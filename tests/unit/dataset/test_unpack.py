"""Archives that are hostile, damaged or just as they should be."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from wattlas.core.errors import DataError, StoreError
from wattlas.dataset.unpack import Limits, unpack

Entry = tuple[str | zipfile.ZipInfo, bytes]


def make_zip(path: Path, *entries: Entry) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(archive: Path, match: str, limits: Limits | None = None) -> None:
    """It is refused with one line, and nothing of it is anywhere."""
    around = archive.parent
    before = sorted(around.rglob("*"))
    with pytest.raises(DataError, match=match) as caught:
        unpack(archive, around / "target", limits)
    assert "\n" not in str(caught.value)
    assert archive.name in str(caught.value)
    assert sorted(around.rglob("*")) == before


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    """A folder with a file beside it that a hostile archive would like to change."""
    (tmp_path / "victim").write_bytes(b"untouched")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "../../victim",
        "x/../../../victim",
        "/tmp/wattlas-victim",
        "..\\victim",
        "c:/victim",
        "x//y",
        "x\ny",
        "..",
    ],
)
def test_paths_that_leave_the_folder(inner: Path, name: str) -> None:
    refused(make_zip(inner / "evil.zip", ("good.csv", b"1"), (name, b"evil")), "no plain path")
    (inner / "evil.zip").unlink()
    good = (tar_member("good.csv"), b"1")
    refused(make_tar(inner / "evil.tar", good, (tar_member(name), b"evil")), "no plain path")
    assert (inner / "../../victim").read_bytes() == b"untouched"
    assert not Path("/tmp/wattlas-victim").exists()


def zip_link(name: str, kind: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info


def test_a_link_and_a_write_through_it(inner: Path) -> None:
    refused(
        make_zip(inner / "evil.zip", (zip_link("sub"), b"../.."), ("sub/victim", b"evil")), "link or device"
    )
    (inner / "evil.zip").unlink()
    link = (tar_member("sub", tarfile.SYMTYPE, "../.."), b"")
    refused(make_tar(inner / "evil.tar", link, (tar_member("sub/victim"), b"evil")), "link or device")
    assert (inner / "../../victim").read_bytes() == b"untouched"


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_hard_links_and_devices(inner: Path, kind: bytes) -> None:
    refused(make_tar(inner / "evil.tar", (tar_member("x", kind, "../../victim"), b"")), "link or device")


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_devices_in_a_zip(inner: Path, kind: int) -> None:
    refused(make_zip(inner / "evil.zip", (zip_link("x", kind), b"")), "link or device")


@pytest.mark.parametrize(
    "names", [("a.csv", "a.csv"), ("a.csv", "A.CSV"), ("e\u0301", "\u00e9"), ("a", "a/b"), ("a/b", "a")]
)
def test_names_that_come_twice(inner: Path, names: tuple[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # zipfile warns of what is made here
        archive = make_zip(inner / "twice.zip", *((name, b"1") for name in names))
    refused(archive, "twice")
    archive.unlink()
    refused(make_tar(inner / "twice.tar", *((tar_member(name), b"1") for name in names)), "twice")


def test_a_bomb(inner: Path) -> None:
    zeros = bytes(1 << 20)
    bomb = make_zip(inner / "bomb.zip", *((f"{i}.csv", zeros) for i in range(40)))
    assert bomb.stat().st_size < 100_000
    refused(bomb, "grows beyond all measure")


def test_a_bomb_that_says_it_is_small(inner: Path) -> None:
    """What is written is counted, not what is declared: here each member says it has ten bytes."""
    bomb = make_zip(inner / "bomb.zip", *((f"{i}.csv", bytes(1 << 20)) for i in range(4)))
    data = bomb.read_bytes().replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    bomb.write_bytes(data)
    refused(bomb, "damaged|grows")


def test_limits_on_bytes_and_members(inner: Path) -> None:
    files = [(f"{i}.csv", os.urandom(1000)) for i in range(10)]
    archive = make_zip(inner / "many.zip", *files)
    refused(archive, "more than 9 members", Limits(max_members=9))
    refused(archive, "grows beyond", Limits(max_bytes=9_999))
    unpack(archive, inner / "target", Limits(max_bytes=10_000, max_members=10))
    assert tree(inner / "target") == dict(files)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated_archives(inner: Path, keep: float) -> None:
    files = [(f"{i}.csv", os.urandom(3000)) for i in range(5)]
    for archive in (
        make_zip(inner / "cut.zip", *files),
        make_tar(inner / "cut.tar", *((tar_member(name), content) for name, content in files)),
    ):
        data = archive.read_bytes()
        # A tar ends with 10 KiB of padding that nobody misses.
        whole = data.rstrip(b"\0") if archive.suffix == ".tar" else data
        archive.write_bytes(whole[: int(keep * len(whole))])
        refused(archive, "truncated or damaged")
        archive.unlink()


def test_a_tar_cut_between_members(inner: Path) -> None:
    archive = make_tar(inner / "cut.tar", (tar_member("a"), bytes(512)), (tar_member("b"), bytes(512)))
    archive.write_bytes(archive.read_bytes()[:1024])
    refused(archive, "truncated or damaged")


def test_a_flipped_byte(inner: Path) -> None:
    archive = make_zip(inner / "flip.zip", ("a.csv", os.urandom(5000)))
    data = bytearray(archive.read_bytes())
    data[2500] ^= 1
    archive.write_bytes(data)
    refused(archive, "truncated or damaged")


def test_no_archive_and_an_empty_one(inner: Path) -> None:
    (inner / "page.zip").write_text("<html>log in first</html>")
    refused(inner / "page.zip", "truncated or damaged")
    (inner / "page.zip").unlink()
    refused(make_zip(inner / "empty.zip"), "nothing in it")


def test_an_encrypted_zip(inner: Path) -> None:
    archive = make_zip(inner / "secret.zip", ("a.csv", b"1"))
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    refused(archive, "encrypted")


def test_a_folder_of_its_own_name_is_not_nested(tmp_path: Path) -> None:
    archive = make_zip(
        tmp_path / "energy.zip", ("energy/", b""), ("energy/1.csv", b"1"), ("energy/2.csv", b"2")
    )
    unpack(archive, tmp_path / "energy")
    assert tree(tmp_path / "energy") == {"1.csv": b"1", "2.csv": b"2"}


def test_loose_files_get_a_folder_and_a_lone_table_its_name(tmp_path: Path) -> None:
    unpack(make_zip(tmp_path / "energy.zip", ("1.csv", b"1")), tmp_path / "energy")
    assert tree(tmp_path / "energy") == {"1.csv": b"1"}
    unpack(make_zip(tmp_path / "t.csv.zip", ("2022/table.csv", b"1")), tmp_path / "t.csv")
    assert tree(tmp_path / "t.csv") == {"table.csv": b"1"}
    unpack(make_zip(tmp_path / "u.csv.zip", ("table.csv", b"1")), tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_bytes() == b"1"


def test_a_partition_stays_a_folder(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "summary.tar", (tar_member("./dataset=mnist/part-0.parquet"), b"1"))
    unpack(archive, tmp_path / "summary")
    assert tree(tmp_path / "summary") == {"dataset=mnist/part-0.parquet": b"1"}


def test_what_a_killed_unpack_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".energy.unpacking"
    left.mkdir()
    (left / "half.csv").write_bytes(b"ha")
    unpack(make_zip(tmp_path / "energy.zip", ("1.csv", b"1")), tmp_path / "energy")
    assert tree(tmp_path / "energy") == {"1.csv": b"1"}
    assert not left.exists()


def test_permissions_of_members_are_not_taken_over(tmp_path: Path) -> None:
    setuid = zip_link("run", stat.S_IFREG | stat.S_ISUID)
    unpack(make_zip(tmp_path / "x.zip", (setuid, b"#!"), ("y", b"")), tmp_path / "x")
    assert stat.S_IMODE((tmp_path / "x" / "run").stat().st_mode) & 0o7111 == 0


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "x.zip", ("a", b"1"), ("b", b"2"))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", full)
    with pytest.raises(StoreError, match=r"No space left on device.*make room"):
        unpack(archive, tmp_path / "x")
    assert list(tmp_path.iterdir()) == [archive]
