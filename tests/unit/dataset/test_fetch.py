"""`wattlas dataset fetch` against a real server that drops, forgets, lies and serves hostile archives."""

import errno
import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

import pytest

from wattlas.cli.main import main
from wattlas.core.errors import DataError, StoreError, UnknownNameError, UsageError
from wattlas.dataset.download import Patience, _Redirects, download
from wattlas.dataset.fetch import RELEASES, fetch

NAME = "node_sinfo.csv"
BODY = os.urandom(700_000)


class Site:
    """What is served, how the next requests go wrong, and what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {NAME: BODY}
        self.faults: deque[str] = deque()
        self.ranges = True
        self.validator = "ETag"
        self.content_type = "text/csv"
        self.asked: list[tuple[str, str | None]] = []
        self.n_sent = 0
        self.url = ""
        self.end = threading.Event()

    def version(self, body: bytes) -> str:
        digest = hashlib.sha256(body).hexdigest()
        if self.validator == "Last-Modified":
            return f"Wed, 15 Mar 2023 10:{int(digest[:4], 16) % 60:02d}:00 GMT"
        return f'"{digest[:16]}"'


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site, name = self.site, self.path.rsplit("/", 1)[-1]
        site.asked.append((name, self.headers.get("Range")))
        fault, _, argument = (site.faults.popleft() if site.faults else "").partition(":")
        if fault == "status":
            return self.send_error(int(argument))
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", argument)
            return self.end_headers()
        if fault == "hang-up":
            return None
        if fault == "silent":
            site.end.wait(10)
            return None
        if fault == "change":
            site.files[name] = os.urandom(len(site.files[name]))
        if name not in site.files:
            return self.send_error(404)
        body, version = site.files[name], site.version(site.files[name])
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") == version
        # "stubborn" gives the rest of another file, whatever If-Range says.
        start = int(asked[6:-1]) if asked and (same or fault == "stubborn") and site.ranges else 0
        if start >= len(body):
            return self.send_error(416)
        start += fault == "shift"
        self.send_response(206 if start else 200)
        if start:
            end = len(body) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(body)}")
        if site.validator:
            self.send_header(site.validator, version)
        self.send_header("Content-Type", site.content_type)
        if fault == "encoded":
            self.send_header("Content-Encoding", "gzip")
        declared = {"short": -100, "long": 100}.get(fault, 0)
        if fault != "no-length":
            self.send_header("Content-Length", str(len(body) - start + declared))
        self.end_headers()
        sent = (
            body[start : start + int(argument)]
            if fault in ("drop", "stubborn") and argument
            else body[start:]
        )
        site.n_sent += len(sent)
        self.wfile.write(sent)
        return None


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}/files/5991"
    yield site
    site.end.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(attempts=4, timeout_s=5.0, sleep=waits.append)


def get(site: Site, dest: Path, patience: Patience, name: str = NAME) -> None:
    fetch("butter-e", dest, base_url=site.url, names=[name], patience=patience)


def packed(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_whole_release(site: Site, tmp_path: Path, patience: Patience) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("summary_by_epoch/dataset=mnist/part-0.parquet")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"PAR"))
    site.files |= {
        "butter_e_metadata.csv.zip": packed(("butter_e_metadata.csv", b"run_id\n")),
        "butter_e_energy.zip": packed(("butter_e_energy/1.csv", b"a\n"), ("butter_e_energy/2.csv", b"b\n")),
        "node_power_dist.csv": b"node,p2\n",
        "runs_with_standardized_energy.csv.zip": packed(("runs.csv", b"x\n")),
        "summary_by_epoch.tar": buffer.getvalue(),
    }
    dest = tmp_path / "new" / "dest"
    files = fetch("butter-e", dest, base_url=site.url, patience=patience)
    assert [file.name for file in files] == list(RELEASES["butter-e"].files)
    found = {str(p.relative_to(dest)): p.read_bytes() for p in dest.rglob("*") if p.is_file()}
    expected = {
        "butter_e_metadata.csv": b"run_id\n",
        "butter_e_energy/1.csv": b"a\n",
        "butter_e_energy/2.csv": b"b\n",
        "node_power_dist.csv": b"node,p2\n",
        NAME: BODY,
        "runs_with_standardized_energy.csv": b"x\n",
        "summary_by_epoch/dataset=mnist/part-0.parquet": b"PAR",
    }
    assert expected.items() <= found.items()
    assert found["pmlb.csv"].startswith(b"Dataset,n_observations,n_features,n_classes")
    kept = {f"downloads/{name}" for name in site.files if name.endswith((".zip", ".tar"))}
    assert set(found) == {*expected, *kept, "pmlb.csv", "checksums.json", "downloads/.lock"}
    records = json.loads(found["checksums.json"])["files"]
    assert set(records) == set(site.files)
    for name, record in records.items():
        assert record["sha256"] == hashlib.sha256(site.files[name]).hexdigest()
        assert record["size_bytes"] == len(site.files[name])
        assert record["url"] == f"{site.url}/{name}"
        assert record["fetched_utc"].startswith("20")
    n_asked = len(site.asked)
    assert not any(file.downloaded for file in fetch("butter-e", dest, base_url=site.url))
    assert len(site.asked) == n_asked


def test_goes_on_after_dropped_connections(
    site: Site, tmp_path: Path, patience: Patience, waits: list[float]
) -> None:
    site.faults.extend(["drop:100000", "hang-up", "drop:200000", "status:503"])
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [asked for _, asked in site.asked] == [None, *["bytes=100000-"] * 2, *["bytes=300000-"] * 2]
    assert site.n_sent == len(BODY)
    assert waits[1] == 2 * waits[0] or len(waits) == 4


def test_goes_on_with_a_date_where_there_is_no_tag(site: Site, tmp_path: Path, patience: Patience) -> None:
    site.validator = "Last-Modified"
    site.faults.append("drop:100000")
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.n_sent == len(BODY)


def test_goes_on_in_the_next_call(site: Site, tmp_path: Path, patience: Patience) -> None:
    site.faults.extend(["drop:300000", *["hang-up"] * 4])
    with pytest.raises(DataError, match=r"could not be downloaded.*run the same command again to go on"):
        get(site, tmp_path, patience)
    assert not (tmp_path / NAME).exists()
    assert not (tmp_path / "checksums.json").exists()
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.n_sent == len(BODY)
    assert sorted(p.name for p in (tmp_path / "downloads").iterdir()) == [".lock"]


@pytest.mark.parametrize("validator", ["ETag", ""])
def test_starts_again_where_ranges_are_not_served(
    site: Site, tmp_path: Path, patience: Patience, validator: str
) -> None:
    site.ranges, site.validator = False, validator
    site.faults.extend(["drop:100000", "drop:200000"])
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.n_sent == 300_000 + len(BODY)


@pytest.mark.parametrize("fault", ["change", "stubborn", "shift"])
def test_never_mixes_two_versions(site: Site, tmp_path: Path, patience: Patience, fault: str) -> None:
    site.faults.extend(["drop:100000", fault])
    if fault == "stubborn":

        def other(_: float) -> None:
            site.files[NAME] = BODY[::-1]

        patience = Patience(attempts=4, timeout_s=5.0, sleep=other)
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == site.files[NAME]


def test_gives_up_on_a_file_that_changes_each_time(
    site: Site, tmp_path: Path, waits: list[float], patience: Patience
) -> None:
    class Changing(deque[str]):
        def popleft(self) -> str:
            site.files[NAME] = os.urandom(len(BODY))
            return "drop:100000"

    site.faults = Changing(["x"])
    with pytest.raises(DataError, match="tried 4 times"):
        get(site, tmp_path, patience)
    assert len(site.asked) == 5  # one that brought something, and four in vain
    assert len(waits) == 4


def test_a_length_that_is_too_long(site: Site, tmp_path: Path, patience: Patience) -> None:
    site.faults.extend(["long"] * 9)
    with pytest.raises(DataError, match=f"ended after {len(BODY)} of {len(BODY) + 100} bytes"):
        get(site, tmp_path, patience)
    assert not (tmp_path / NAME).exists()


def test_a_length_that_is_too_short_is_seen_in_an_archive(
    site: Site, tmp_path: Path, patience: Patience
) -> None:
    name = "butter_e_energy.zip"
    site.files[name] = packed(("1.csv", os.urandom(5000)))
    site.faults.append("short")
    with pytest.raises(DataError, match="truncated or damaged"):
        get(site, tmp_path, patience, name)
    assert not (tmp_path / "butter_e_energy").exists()
    assert not (tmp_path / "checksums.json").exists()
    get(site, tmp_path, patience, name)
    assert (tmp_path / "butter_e_energy" / "1.csv").stat().st_size == 5000


def test_no_length_at_all(site: Site, tmp_path: Path, patience: Patience) -> None:
    site.faults.append("no-length")
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_server_that_says_nothing(site: Site, tmp_path: Path, waits: list[float]) -> None:
    site.faults.append("silent")
    get(site, tmp_path, Patience(timeout_s=0.2, sleep=waits.append))
    assert (tmp_path / NAME).read_bytes() == BODY
    assert waits == [1.0]


def test_404_is_not_tried_again(site: Site, tmp_path: Path, patience: Patience, waits: list[float]) -> None:
    del site.files[NAME]
    with pytest.raises(DataError, match=rf"{site.url}/{NAME} answers 404.*--url"):
        get(site, tmp_path, patience)
    assert len(site.asked) == 1
    assert waits == []


def test_500_then_the_file(site: Site, tmp_path: Path, patience: Patience, waits: list[float]) -> None:
    site.faults.extend(["status:500", "status:429", "hang-up"])
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert waits == [1.0, 2.0, 4.0]


def test_nobody_there(tmp_path: Path, patience: Patience, waits: list[float]) -> None:
    with pytest.raises(DataError, match=r"refused.*tried 4 times"):
        fetch("butter-e", tmp_path, base_url="http://127.0.0.1:9", names=[NAME], patience=patience)
    assert waits == [1.0, 2.0, 4.0]


def test_a_web_page_or_an_encoded_body_is_not_the_file(
    site: Site, tmp_path: Path, patience: Patience
) -> None:
    site.faults.append("encoded")
    with pytest.raises(DataError, match="encoded body"):
        get(site, tmp_path, patience)
    site.content_type = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="log-in page"):
        get(site, tmp_path, patience)
    assert not (tmp_path / NAME).exists()


def test_more_than_anyone_asked_for(site: Site, tmp_path: Path) -> None:
    few = Patience(max_bytes=500_000, attempts=1)
    for fault in ("", "no-length"):
        site.faults.append(fault)
        with pytest.raises(DataError, match="more than 500000"):
            get(site, tmp_path, few)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "//x/", "x"])
def test_only_http(site: Site, tmp_path: Path, patience: Patience, scheme: str) -> None:
    with pytest.raises(UsageError, match=r"no.* http or https address"):
        fetch("butter-e", tmp_path, base_url=scheme, names=[NAME])
    if ":" in scheme:
        site.faults.extend([f"redirect:{scheme}"] * 9)
        with pytest.raises(DataError):
            download(f"{site.url}/{NAME}", tmp_path / "part", patience)
        assert not (tmp_path / "part").exists()


def test_follows_a_redirect(site: Site, tmp_path: Path, patience: Patience) -> None:
    site.faults.append(f"redirect:{site.url}/elsewhere/{NAME}")
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_never_from_https_to_http() -> None:
    request = Request("https://host/x")
    follow = partial(_Redirects().redirect_request, request, io.BytesIO(), 302, "Found", HTTPMessage())
    assert follow("https://other/x") is not None
    with pytest.raises(DataError, match="redirects to http://host/x, which is not https"):
        follow("http://host/x")


def test_a_file_that_the_server_changed_later(site: Site, tmp_path: Path, patience: Patience) -> None:
    get(site, tmp_path, patience)
    (tmp_path / NAME).unlink()
    site.files[NAME] = b"another"
    with pytest.raises(DataError, match=r"no longer the file first fetched.*700000 bytes then, 7 now"):
        get(site, tmp_path, patience)
    assert not (tmp_path / NAME).exists()
    ledger = json.loads((tmp_path / "checksums.json").read_text())
    del ledger["files"][NAME]
    (tmp_path / "checksums.json").write_text(json.dumps(ledger))
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == b"another"


def test_a_file_that_changed_here(site: Site, tmp_path: Path, patience: Patience) -> None:
    get(site, tmp_path, patience)
    with (tmp_path / NAME).open("r+b") as stream:
        stream.write(bytes([BODY[0] ^ 1]))
    with pytest.raises(DataError, match="has changed since it was fetched"):
        get(site, tmp_path, patience)
    (tmp_path / NAME).unlink()
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_checksums_that_cannot_be_read(site: Site, tmp_path: Path, patience: Patience) -> None:
    for text in ("{", "[]", '{"files": {"x": {"sha": 1}}}', '{"files": [1]}'):
        (tmp_path / "checksums.json").write_text(text)
        with pytest.raises(DataError, match="checksums"):
            get(site, tmp_path, patience)


def test_a_hostile_archive_through_the_command(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "butter_e_energy.zip"
    site.files[name] = packed(("1.csv", b"1"), ("../../../victim.csv", b"evil"))
    dest = tmp_path / "a" / "b"
    arguments = ["dataset", "fetch", "butter-e", str(dest), "--url", site.url, "--file", name]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("wattlas: ")
    assert len(captured.err.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".lock", "a", "b", "downloads"]


def test_the_command_says_what_it_did(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dataset", "fetch", "butter-e", str(tmp_path), "--url", site.url, "--file", NAME]
    assert main(arguments) == 0
    assert capsys.readouterr().err == f"{NAME}: 683.6 KiB downloaded\n"
    assert main(arguments) == 0
    assert capsys.readouterr().err == f"{NAME}: 683.6 KiB there already, unchanged\n"


def test_names_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'butter-e'"):
        fetch("butter_e", tmp_path / "x")
    with pytest.raises(UnknownNameError, match=r"did you mean 'node_sinfo.csv'"):
        fetch("butter-e", tmp_path / "x", names=["node_info.csv"])
    assert not (tmp_path / "x").exists()


def test_two_at_a_time(site: Site, tmp_path: Path, patience: Patience) -> None:
    def second(_: int, __: int | None) -> None:
        with pytest.raises(StoreError, match=r"another fetch is at work"):
            get(site, tmp_path, patience)

    files = fetch(
        "butter-e", tmp_path, base_url=site.url, names=[NAME], patience=patience, on_file=lambda _: second
    )
    assert files[0].downloaded


@contextmanager
def full_disk_after(n_bytes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any file opened for appending takes that many bytes, as on a disk with no more room."""

    class Full(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if self.tell() + len(data) > n_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    real = Path.open

    def opened(self: Path, mode: str = "r", *rest: object, **named: object) -> object:
        return Full(self, "ab") if mode == "ab" else real(self, mode, *rest, **named)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        yield


def test_a_full_disk(
    site: Site,
    tmp_path: Path,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        full_disk_after(300_000, monkeypatch),
        pytest.raises(StoreError, match=r"No space left on device.*make room and run the same command"),
    ):
        get(site, tmp_path, patience)
    assert not (tmp_path / NAME).exists()
    there = (tmp_path / "downloads" / f"{NAME}.part").stat().st_size
    assert 0 < there <= 300_000
    get(site, tmp_path, patience)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.asked[-1] == (NAME, f"bytes={there}-")


def test_a_place_that_cannot_be_written(site: Site, tmp_path: Path, patience: Patience) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        get(site, tmp_path / "file" / "x", patience)
