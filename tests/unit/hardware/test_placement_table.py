"""Placing many sets at once is placing each of them."""

import math

import numpy as np
import pytest

from wattlas.hardware import load_machine, place
from wattlas.hardware.placement_table import place_many


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_as_one_by_one(machine: str) -> None:
    levels = load_machine(machine).hierarchy
    rng = np.random.default_rng(0)
    first, second = (np.floor(2 ** rng.uniform(4, 38, (2, 500))) for _ in range(2))
    below = place_many(levels, *first)
    above = place_many(levels, *second, below)
    names = [None, *(level.name for level in levels)]
    assert set(above.level) == set(range(len(names)))
    for i in range(500):
        one = place(levels, 0, first[0, i], first[1, i])
        two = place(levels, one.occupied_bytes, second[0, i], second[1, i], one.effective_bytes)
        for table, scalar in ((below, one), (above, two)):
            assert names[table.level[i]] == scalar.level_name
            assert table.occupied_bytes[i] == scalar.occupied_bytes
            for ours, theirs in (
                (table.cached_bytes[i], scalar.cached_bytes),
                (table.effective_bytes[i], scalar.effective_bytes),
            ):
                assert ours == theirs or (math.isnan(ours) and math.isnan(theirs))
