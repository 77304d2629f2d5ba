"""Errors, ids, clocks and units."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattlas.core import units
from wattlas.core.clock import ManualClock, SystemClock, UtcAnchor
from wattlas.core.errors import MeterUnavailableError, UnknownNameError, UsageError, WattlasError
from wattlas.core.ids import ID_HEX_DIGITS, content_id

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_content_id_ignores_key_order_and_sees_every_value(value: dict) -> None:
    reordered = dict(reversed(list(value.items())))
    assert content_id(value) == content_id(reordered)
    assert content_id(value) != content_id({**value, "one more": 1})
    assert len(content_id(value)) == ID_HEX_DIGITS


def test_content_id_is_stable_between_versions() -> None:
    # A change here would make every existing store look unfinished.
    assert content_id({"shape": "rectangle", "depth": 4, "rate": 1e-4}) == "40bb39b7a9cc003f5375"


def test_content_id_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id({"rate": math.nan})


def test_unknown_name_says_what_is_known_and_what_was_probably_meant() -> None:
    error = UnknownNameError("shape", "rectangel", ["trapezoid", "rectangle"])
    assert isinstance(error, UsageError)
    assert str(error) == ("unknown shape 'rectangel'; did you mean 'rectangle'? known: rectangle, trapezoid")


def test_exit_statuses() -> None:
    assert (WattlasError.exit_status, UsageError.exit_status) == (1, 2)
    assert MeterUnavailableError("no meter", "plug one in").exit_status == 1


def test_manual_clock_sleeps_at_once_and_anchors() -> None:
    clock = ManualClock(10.0, utc_offset_s=100.0)
    anchor = UtcAnchor.of(clock)
    clock.sleep(2.5)
    assert clock.monotonic_s() == 12.5
    assert anchor.to_utc_s(12.5) == 112.5
    assert anchor.to_datetime(-100.0).isoformat() == "1970-01-01T00:00:00+00:00"


def test_system_clock_advances_and_sleeps() -> None:
    clock = SystemClock()
    before = clock.monotonic_s()
    clock.sleep(0.002)
    assert clock.monotonic_s() - before >= 0.002
    assert clock.utc_s() > 1.7e9


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0.0, "0 J"),
        (0.0123456, "12.35 mJ"),
        (999.96, "1 kJ"),
        (12345.0, "12.35 kJ"),
        (7.2e6, "2 kWh"),
        (-0.5, "-500 mJ"),
        (math.nan, "nan J"),
    ],
)
def test_format_energy(energy_j: float, text: str) -> None:
    assert units.format_energy(energy_j) == text


@pytest.mark.parametrize(
    ("energy_j", "u_j", "text"),
    [
        (12.345, 0.61, "12.3 ± 1.2 J (k=2)"),
        (12345.0, 61.0, "12.35 ± 0.12 kJ (k=2)"),
        (3.6e7, 3.6e6, "10.0 ± 2.0 kWh (k=2)"),
        (0.0042, 0.04, "4 ± 80 mJ (k=2)"),
        (5.0, math.nan, "5 J (uncertainty unknown)"),
    ],
)
def test_format_energy_with_uncertainty(energy_j: float, u_j: float, text: str) -> None:
    assert units.format_energy_u(energy_j, u_j) == text


@given(st.floats(1e-9, 1e12))
def test_formatted_energy_reads_back_within_its_digits(energy_j: float) -> None:
    number, unit = units.format_energy(energy_j).split()
    factor = {"kWh": 3.6e6, "J": 1, "kJ": 1e3, "mJ": 1e-3, "µJ": 1e-6, "nJ": 1e-9}[unit]
    assert float(number) * factor == pytest.approx(energy_j, rel=6e-4)


@pytest.mark.parametrize(
    ("value", "text"), [(0.012, "12 ms"), (5.25, "5.25 s"), (61, "1 min 01 s"), (4000, "1 h 06 min")]
)
def test_format_duration(value: float, text: str) -> None:
    assert units.format_duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12 B"), (32768, "32 KiB"), (25952256, "24.75 MiB"), (2**34, "16 GiB")]
)
def test_format_bytes(value: float, text: str) -> None:
    assert units.format_bytes(value) == text
