"""Placement of working sets in the hierarchies of BUTTER-E, worked by hand from the published constants."""

import math
from itertools import pairwise

import pytest

from wattlas.core.errors import UsageError
from wattlas.hardware import CacheLevel, load_machine, place, place_sets
from wattlas.networks import build_network, working_sets

KIB, MIB, GIB = 1024, 1024**2, 1024**3
CPU, GPU = load_machine("eagle-cpu").hierarchy, load_machine("eagle-gpu").hierarchy


def test_published_constants() -> None:
    cpu = [(32 * KIB, 36), (MIB, 36), (24 * MIB + 768 * KIB, 2), (96 * GIB, 1)]
    gpu = [(112 * KIB, 168), (6 * MIB, 2), (16 * GIB, 2)]
    assert [(level.capacity_bytes, level.units) for level in CPU] == cpu
    assert [(level.capacity_bytes, level.units) for level in GPU] == gpu
    assert [level.name for level in CPU] == ["L1", "L2", "L3", "RAM"]
    assert [level.name for level in GPU] == ["L1", "L2", "RAM"]


@pytest.mark.parametrize(
    ("hierarchy", "occupied", "replicated", "distributed", "level", "cached", "occupied_after"),
    [
        # 36 KiB dealt out over 36 cores are 1 KiB each.
        (CPU, 0, 0, 36 * KIB, "L1", KIB, KIB),
        # Exactly full fits; one byte more moves outward, over a full L1 of 32 KiB.
        (CPU, 0, 32 * KIB, 0, "L1", 32 * KIB, 32 * KIB),
        (CPU, 0, 32 * KIB + 1, 0, "L2", 32 * KIB + 1, 64 * KIB + 1),
        # On 20 KiB, 16 KiB more do not fit in 32: the whole 16 KiB lie in L2.
        (CPU, 20 * KIB, 16 * KIB, 0, "L2", 16 * KIB, 48 * KIB),
        # L1 is full exactly (C <= o): it is passed over and what is occupied stays.
        (CPU, 32 * KIB, 0, 36, "L2", 1, 32 * KIB + 1),
        # 2 MiB replicated: beyond L2, on 1 MiB + 32 KiB that count as full.
        (CPU, 0, 2 * MIB, 0, "L3", 2 * MIB, 3 * MIB + 32 * KIB),
        # Half of what is dealt out lies in each of the two L3.
        (CPU, 0, 0, 46 * MIB, "L3", 23 * MIB, 24 * MIB + 32 * KIB),
        # 25 MiB in each L3, on the full 1 MiB + 32 KiB, would be more than C = 25.78 MiB.
        (CPU, 0, 0, 50 * MIB, "RAM", 50 * MIB, 50 * MIB + 25 * MIB + 800 * KIB),
        (CPU, 0, 30 * MIB, 0, "RAM", 30 * MIB, 30 * MIB + 25 * MIB + 768 * KIB + 32 * KIB),
        (GPU, 0, 112 * KIB, 0, "L1", 112 * KIB, 112 * KIB),
        (GPU, 0, 0, 12 * MIB, "L1", 12 * MIB / 168, 12 * MIB / 168),
        (GPU, 0, 113 * KIB, 0, "L2", 113 * KIB, 225 * KIB),
        (GPU, 0, 7 * MIB, 0, "RAM", 7 * MIB, 13 * MIB + 112 * KIB),
    ],
)
def test_hand_worked(
    hierarchy: tuple[CacheLevel, ...],
    occupied: int,
    replicated: int,
    distributed: int,
    level: str,
    cached: float,
    occupied_after: float,
) -> None:
    placed = place(hierarchy, occupied, replicated, distributed, effective=5.0)
    assert placed.level_name == level
    assert placed.cached_bytes == pytest.approx(cached)
    assert placed.occupied_bytes == pytest.approx(occupied_after)
    assert placed.singular_bytes == replicated + distributed
    assert placed.effective_bytes == pytest.approx(5 + cached)


def test_a_set_too_big_for_the_last_level_has_no_answer() -> None:
    placed = place(GPU, 0, 17 * GIB, 0)
    assert placed.level_name is None
    assert placed.occupied_bytes == 16 * GIB + 6 * MIB + 112 * KIB
    assert math.isnan(placed.cached_bytes)
    assert math.isnan(placed.effective_bytes)
    assert place(GPU, placed.occupied_bytes, 1, 0).level_name is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError):
        place((), 0, 1, 1)
    with pytest.raises(UsageError):
        place(CPU, -1, 1, 1)


def test_the_sets_of_a_network_on_the_cpu_node() -> None:
    # connect_4, 126 → 26 → 18 → 11 → 3: l is 155,648 B over 36 cores, f adds 16,132 B to each core,
    # b lies on l: 32,264 B each and 32,768 B dealt out: 4,323.6 + 32,264 + 910.2 > 32,768, so in L2.
    network = build_network("trapezoid", 4, 4096, 126, 3)
    placed = place_sets(CPU, working_sets(network, 256, 67557))
    assert {name: p.level_name for name, p in placed.items()} == {"l": "L1", "f": "L1", "b": "L2", "d": "L2"}
    assert placed["l"].occupied_bytes == pytest.approx(155_648 / 36)
    assert placed["f"].occupied_bytes == pytest.approx(155_648 / 36 + 16_132)
    in_b = 32_264 + 32_768 / 36
    assert placed["b"].occupied_bytes == pytest.approx(32 * KIB + in_b)
    assert placed["b"].effective_bytes == pytest.approx(155_648 / 36 + in_b)
    assert placed["d"].occupied_bytes == pytest.approx(32 * KIB + in_b + 34_859_412 / 36)


def test_the_largest_layer_stands_for_all() -> None:
    network = build_network("wide_first_4x", 6, 2**18, 784, 10)
    layers = (network.n_inputs, *network.widths)
    for hierarchy in (CPU, GPU):
        each = [place(hierarchy, 0, 0, 4 * 256 * (a + b)) for a, b in pairwise(layers)]
        one = place_sets(hierarchy, working_sets(network))["l"]
        for field in ("cached_bytes", "occupied_bytes", "singular_bytes", "effective_bytes"):
            assert getattr(one, field) == max(getattr(p, field) for p in each)
