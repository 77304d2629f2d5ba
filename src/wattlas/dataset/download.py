"""One file over HTTP, continued where it stopped, until it is whole."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import wattlas
from wattlas.core.errors import DataError, StoreError, UsageError

_BLOCK_BYTES = 1 << 18
# Statuses that a server gives when it may do better in a moment.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where the server says it, the bytes of the whole."""


@dataclass(frozen=True)
class Patience:
    """How long to try: attempts in a row without a new byte, waits between them, and how much may come."""

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    timeout_s: float = 60.0
    max_bytes: int = 32 * 2**30
    sleep: Callable[[float], None] = time.sleep


class _TransientError(Exception):
    """This attempt failed and the next may not."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http: nothing else vouches for what is downloaded."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow with, as the base class makes it."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DataError(f"{req.full_url} redirects to {newurl}, which is not https; give another --url")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_url(url: str) -> None:
    """Refuse what is not http or https.

    Raises:
        UsageError: another scheme, or no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not an http or https address; give one such as https://host/folder/")


def download(
    url: str, part: Path, patience: Patience | None = None, on_bytes: OnBytes = lambda done, total: None
) -> None:
    """Bring the file at `url` to `part`, continuing what is there if the server still has the same file.

    A continued download asks for the rest only if the file's strong ETag or modification date is unchanged,
    and starts again where the server sends the whole or names another. What is there stays there when the
    attempts are used up, so that the next call goes on.

    Raises:
        UsageError: no http or https address.
        DataError: the server does not have it, sends something else, or kept failing.
        StoreError: the disk is full or `part` cannot be written.
    """
    check_url(url)
    patience = patience or Patience()
    failures, furthest = 0, _size(part)
    while True:
        try:
            _attempt(url, part, patience, on_bytes)
        except _TransientError as error:
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures >= patience.attempts:
                raise DataError(
                    f"{url} could not be downloaded ({error}; tried {failures} times in vain); run the same "
                    "command again to go on from what has come"
                ) from error
            patience.sleep(min(patience.first_wait_s * 2.0 ** (failures - 1), patience.longest_wait_s))
        else:
            _mark(part).unlink(missing_ok=True)
            return


def _attempt(url: str, part: Path, patience: Patience, on_bytes: OnBytes) -> None:
    there, version = _size(part), _version_of(part)
    request = urllib.request.Request(
        url, headers={"User-Agent": f"wattlas/{wattlas.__version__}", "Accept-Encoding": "identity"}
    )
    if there and version:
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", version)
    try:
        with _opener().open(request, timeout=patience.timeout_s) as response:
            _receive(url, response, part, there if version else 0, version, patience, on_bytes)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code not in _PASSING:
            raise DataError(
                f"{url} answers {error.code} {error.reason}; check the address, or give another with --url"
            ) from error
        raise _TransientError(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _TransientError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(str(error) or type(error).__name__) from error


def _receive(
    url: str,
    response: http.client.HTTPResponse,
    part: Path,
    there: int,
    version: str | None,
    patience: Patience,
    on_bytes: OnBytes,
) -> None:
    headers = response.headers
    if headers.get("Content-Encoding", "identity") != "identity" or headers.get_content_type() == "text/html":
        raise DataError(
            f"{url} sends a {headers.get_content_type()} page or an encoded body, not the file; check the "
            "address and the network's log-in page, or give another address with --url"
        )
    now = _version(headers)
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if match is None or int(match[1]) != there or now != version:
            part.unlink(missing_ok=True)
            raise _TransientError("the server sent another part, or a part of another file")
        total = None if match[2] == "*" else int(match[2])
    else:
        there = 0
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    if (total or 0) > patience.max_bytes:
        raise DataError(f"{url} has {total} bytes, more than {patience.max_bytes}; give another --url")
    try:
        # The mark goes first: a part without one is never continued.
        if not there:
            part.unlink(missing_ok=True)
            _mark(part).write_text(json.dumps({"version": now}))
        # Unbuffered: nothing is left to write, and to fail, when it is closed.
        stream = part.open("ab", buffering=0)
    except OSError as error:
        raise _disk(part, error) from error
    with stream:
        on_bytes(there, total)
        while block := response.read1(_BLOCK_BYTES):
            there += len(block)
            if there > patience.max_bytes:
                raise DataError(f"{url} sends more than {patience.max_bytes} bytes; give another --url")
            try:
                rest = memoryview(block)
                while rest:
                    rest = rest[stream.write(rest) :]
            except OSError as error:
                raise _disk(part, error) from error
            on_bytes(there, total)
    if total is not None and there != total:
        raise _TransientError(f"the connection ended after {there} of {total} bytes")


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: it would add handlers for file: and ftp: addresses that a redirect could lead to.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _version(headers: http.client.HTTPMessage) -> str | None:
    """What If-Range may name: a strong ETag, else the modification date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _mark(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _version_of(part: Path) -> str | None:
    try:
        version = json.loads(_mark(part).read_text())["version"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # A mark that was not written whole: the part starts again.
        return None
    return version if isinstance(version, str) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _disk(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} could not be written ({error.strerror or error}); make room and run the same command again: "
        "it goes on from what has come"
    )
