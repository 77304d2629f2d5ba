"""Denver's wall time: the offsets of the zone, the hour that is missing and the one that comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from wattlas.dataset.butter_e.times import mend_repeated_hour, to_utc

DENVER = ZoneInfo("America/Denver")


def wall(moments: list[datetime]) -> np.ndarray:
    """Seconds of the wall clock as if they were UTC."""
    return np.array([int(m.astimezone(DENVER).replace(tzinfo=UTC).timestamp()) for m in moments])


def minutes(start: datetime, n: int) -> list[datetime]:
    return [start + timedelta(minutes=k) for k in range(n)]


def utc(moments: list[datetime]) -> list[int]:
    return [int(m.timestamp()) for m in moments]


@pytest.mark.parametrize(
    "start", ["2022-07-01T00:00", "2023-01-10T00:00", "2023-03-12T06:00", "2022-11-05T20:00"]
)
def test_wall_time_is_undone(start: str) -> None:
    moments = minutes(datetime.fromisoformat(start).replace(tzinfo=UTC), 600)
    assert to_utc(wall(moments)).tolist() == utc(moments)


def mended(moments: list[datetime], order: list[int] | None = None) -> tuple[list[int], int]:
    order = order or list(range(len(moments)))
    local = wall(moments)[order]
    found = to_utc(local)
    unsure = mend_repeated_hour(found, np.zeros(len(local), dtype=np.int64), local)
    return found.tolist(), int(unsure.sum())


# 07:00 to 08:00 UTC is the first pass of 1 to 2 o'clock, 08:00 to 09:00 the second.
FOLD = datetime(2022, 11, 6, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins_min", "n"),
    [(-60, 240), (-60, 90), (70, 120), (30, 60), (-200, 600)],
    ids=["both passes", "first only", "second only", "the turn", "hours around"],
)
def test_the_repeated_hour_is_told_apart(begins_min: int, n: int) -> None:
    moments = minutes(FOLD + timedelta(minutes=begins_min), n)
    assert mended(moments) == (utc(moments), 0)


def test_a_pass_that_nothing_tells_is_said_to_be_unsure() -> None:
    moments = minutes(FOLD + timedelta(minutes=10), 20)
    found, unsure = mended(moments)
    assert found == utc(moments)
    assert unsure == 20


def test_two_nodes_are_told_apart_each_by_itself() -> None:
    moments = minutes(FOLD - timedelta(minutes=30), 180)
    local = np.repeat(wall(moments), 2)
    group = np.tile([0, 1], len(moments))
    found = to_utc(local)
    mend_repeated_hour(found, group, local)
    assert found[group == 0].tolist() == found[group == 1].tolist() == utc(moments)
