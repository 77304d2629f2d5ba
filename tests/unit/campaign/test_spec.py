"""The sweep spec: what validates, and one line with file, line and key for what does not."""

from pathlib import Path

import pytest

from wattlas.campaign.spec import load_spec, parse_spec, published_spec
from wattlas.campaign.spec_lines import key_lines, line_of
from wattlas.core.errors import SpecError, UnknownNameError

SPEC = """\
[campaign]
name = "test"

[networks]
shapes = ["rectangle", "trapezoid"]
depths = [3, 4]
sizes = [256, 1024]

[[datasets]]
name = "mnist"

[[datasets]]
name = "nursery"

[training]
epochs = 3

[engine]
name = "numpy"
"""


def test_a_good_spec_has_its_defaults() -> None:
    spec = parse_spec(SPEC)
    assert spec.training.batch_size == 256
    assert spec.training.learning_rate == 1e-4
    assert spec.training.epsilon_convention == "keras"
    assert spec.networks.size_tolerance == 0.2
    assert spec.runs.repetitions == 1
    assert spec.meter.fallback is None
    assert [d.name for d in spec.datasets] == ["mnist", "nursery"]


def test_log2_sizes_are_powers_of_two() -> None:
    spec = parse_spec(SPEC.replace("sizes = [256, 1024]", "log2_sizes = [5, 8.5, 5]"))
    assert spec.networks.target_sizes == (32, 362)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("depths = [3, 4]", "depth = [3, 4]", 6, ["networks.depth", "unknown key", "did you mean 'depths'?"]),
        ('"trapezoid"', '"trapezoids"', 5, ["networks.shapes", "did you mean 'trapezoid'?"]),
        ("depths = [3, 4]", "depths = [3, 1]", 6, ["networks.depths.1", "it is 1"]),
        ("depths = [3, 4]", "depths = [\n3,\n'x']", 6, ["networks.depths.1", "'x'"]),
        ("sizes = [256, 1024]", "", 4, ["networks", "'sizes' or 'log2_sizes'"]),
        ("sizes = [256, 1024]", "sizes = []", 7, ["networks.sizes"]),
        ("epochs = 3", "epochs = 3\nlearning_rate = nan", 17, ["training.learning_rate", "finite"]),
        ("epochs = 3", "epochs = 3.5", 16, ["training.epochs", "3.5"]),
        ("epochs = 3", "", 15, ["training.epochs", "is missing"]),
        ('name = "nursery"', 'name = "nurserey"', 13, ["datasets.1", "did you mean 'nursery'?"]),
        ('name = "nursery"', 'name = "mnist"', 9, ["datasets", "twice"]),
        ('name = "nursery"', 'name = "nursery"\ntarget = "y"', 12, ["datasets.1", "path"]),
        ('name = "numpy"', 'name = "numpi"', 19, ["engine.name", "did you mean 'numpy'?"]),
        ("[engine]", '[meter]\nfallback = "measured"\n[engine]', 19, ["meter.fallback", "modelled"]),
        ("[engine]", "[metre]\n[engine]", 18, ["metre", "unknown key", "did you mean 'meter'?"]),
    ],
)
def test_an_error_names_file_line_and_key(old: str, new: str, line: int, words: list[str]) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as caught:
        parse_spec(SPEC.replace(old, new), "my.toml")
    message = str(caught.value)
    assert message.startswith(f"my.toml:{line}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(SpecError, match=r"my\.toml: not TOML: .*line 2"):
        parse_spec("[campaign]\nname = \n", "my.toml")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="give the path of a sweep spec"):
        load_spec(tmp_path / "absent.toml")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not UTF-8"):
        load_spec(tmp_path / "spec.toml")


def test_key_lines_see_through_lists_and_strings() -> None:
    text = 'a = """\nb = 1\n"""\n[t]\nc = [\n  "d = [",\n]\n[[u]]\ne.f = 1\n[[u]]\ne = 2\n'
    lines = key_lines(text)
    assert lines[("a",)] == 1
    assert ("b",) not in lines
    assert lines[("t", "c")] == 5
    assert lines[("u", 0, "e", "f")] == 9
    assert lines[("u", 1, "e")] == 11
    assert line_of(lines, ("u", 1, "e", "nothing")) == 11
    assert line_of(lines, ("nothing",)) is None


def test_the_quickstart_is_a_good_spec() -> None:
    spec = load_spec(Path(__file__).resolve().parents[3] / "examples" / "quickstart.toml")
    assert len(spec.datasets) >= 2
    assert len(spec.networks.shapes) >= 3
    assert len(spec.networks.depths) >= 3
    assert {2**6, 2**18} <= set(spec.networks.target_sizes)
    assert len(spec.networks.target_sizes) >= 6
    assert spec.runs.repetitions >= 2
    assert spec.meter.fallback == "modelled"


def test_the_papers_sweep_is_all_of_it() -> None:
    networks = parse_spec(published_spec("butter-e")).networks
    spec = parse_spec(published_spec("butter-e"))
    # 13 × 20 × (5 shapes × 9 depths + 5 × 5 more + 3 shapes × 14): facts of BUTTER-E, section 7.
    combinations = (
        len(networks.shapes) * len(networks.depths) * len(networks.target_sizes) * len(spec.datasets)
    )
    assert combinations == 29_120
    assert (spec.training.epochs, spec.training.batch_size, spec.training.learning_rate) == (3000, 256, 1e-4)
    with pytest.raises(UnknownNameError, match="known: butter-e"):
        published_spec("butter")
