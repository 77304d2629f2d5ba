"""What a release must not tell is found and replaced, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattlas.dataset.private import is_private, last_line, rename, scrub

NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("cannot read /home/eve/data.csv: gone", "cannot read <path>: gone"),
        ("File '/home/eve/My Data/run.py', line 3", "File '<path>', line 3"),
        ('{"file": "/home/eve"}', '{"file": "<path>"}'),
        ("replay?file=/scratch/eve/r.csv", "replay?file=<path>"),
        ("file:///home/eve/x.csv", "file://<path>"),
        ("~eve/runs/a.csv", "<path>"),
        (r"C:\Users\eve\x.csv", "<path>"),
        ("redfish://eve:pw@bmc-3/redfish", "redfish://bmc-3/redfish"),
        ("snmp://pdu?community=private&x=1", "snmp://pdu?community=<removed>&x=1"),
        ('{"api_key": "abc def"}', '{"api_key": <removed>}'),
        ("WATTLAS_PASSWORD=hunter2 set", "WATTLAS_PASSWORD=<removed> set"),
        ("ask eve@example.org", "ask <address>"),
    ],
)
def test_private_text_is_replaced(text: str, without: str) -> None:
    assert scrub(text) == without
    assert is_private(text)
    assert not is_private(without)


@pytest.mark.parametrize(
    "text",
    [
        "/sys/devices/system/cpu: cache/index* of 2 online CPUs, as the hypervisor reports it",
        "no RAPL zone under /sys/class/powercap",
        "/proc/meminfo: MemTotal, which leaves out what the kernel reserved at boot",
        "J/datum and 3 / 4, and/or, n/a, 250 W/m",
        "see https://example.org/a/b and arXiv 2403.08151",
        '{"accuracy": 0.1, "update_end": 7.7e-05}',
        "fake:package-0+fake:package-1",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert scrub(text) == text


@given(
    st.lists(NAME, min_size=1, max_size=4), st.sampled_from(["", " ", "'", '"', "(", "=", ": "]), st.text()
)
def test_no_home_directory_survives(parts: list[str], before: str, after: str) -> None:
    path = "/home/" + "/".join(parts)
    assert f"{path}/" not in scrub(f"{before}{path}/ {after}")


@given(st.text())
def test_scrubbed_text_is_clean(text: str) -> None:
    assert not is_private(scrub(text))


def test_of_a_traceback_the_exception_stays() -> None:
    assert last_line("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
    assert last_line("") == ""


def test_names_of_hosts_are_replaced_with_their_domains() -> None:
    renamed = rename({"vm": "node-1", "r1i3n3": "node-2", "r1i3n33": "node-3"})
    assert renamed("vm: vm.lab.example, 'vm' amd-epyc-2c-vm vm2 my.vm vm. vm") == (
        "node-1: node-1, 'node-1' amd-epyc-2c-vm vm2 my.vm node-1. node-1"
    )
    assert renamed("bmc-r1i3n3, r1i3n33.lab, r1i3n3_pdu xr1i3n3 r1i3n333") == (
        "bmc-node-2, node-3, node-2_pdu xr1i3n3 r1i3n333"
    )


def test_hosts_that_exchange_names_do_not_meet() -> None:
    assert rename({"node-1": "node-2", "node-2": "node-1"})("node-1 node-2") == "node-2 node-1"
