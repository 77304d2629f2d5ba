import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattlas.core.errors import ModelError, UnknownNameError, UsageError
from wattlas.model import EnergyModel, load_model


@pytest.fixture(scope="module")
def fitted(noisy: pl.DataFrame) -> EnergyModel:
    return EnergyModel(name="both [a,  b]").fit(noisy)


def test_round_trip(fitted: EnergyModel, noisy: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    fitted.save(path)
    again = load_model(path)
    assert again.name == fitted.name
    for name in ("energy_j", "lower_j", "upper_j", "extrapolated"):
        np.testing.assert_allclose(
            getattr(again.predict_interval(noisy), name),
            getattr(fitted.predict_interval(noisy), name),
            rtol=1e-12,
        )
    assert_frame_equal(again.attribute(noisy), fitted.attribute(noisy))
    assert again.costs(noisy).columns == fitted.costs(noisy).columns
    again.save(tmp_path / "again.json")
    first, second = (json.loads(p.read_text()) for p in (path, tmp_path / "again.json"))
    assert (
        second["machines"]["eagle-gpu"]["identifiability"]
        == first["machines"]["eagle-gpu"]["identifiability"]
    )
    for machine in first["machines"]:
        for name, each in first["machines"][machine]["coefficients"].items():
            assert second["machines"][machine]["coefficients"][name]["value"] == pytest.approx(each["value"])


def test_a_person_can_read_it(fitted: EnergyModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.json")
    text = (tmp_path / "model.json").read_text()
    document = json.loads(text)
    assert document["sources"] == ["measured"]
    cpu = document["machines"]["eagle-cpu"]
    flop = cpu["coefficients"]["flop"]
    assert flop["unit"] == "J/FLOP"
    assert flop["reads"].endswith("pJ/FLOP")
    assert flop["standard_error"] == pytest.approx(flop["value"] * flop["relative_u"])
    assert flop["determined"] is True
    assert cpu["coefficients"]["test_share"]["fixed"] is True
    assert list(cpu["byte_costs_j"]) == ["L1", "L2", "L3", "RAM"]
    assert cpu["range_of_validity"]["depth"] == [2.0, 10.0]
    assert cpu["held_out"]["n"] > 100
    assert cpu["data"]["n_points"] > 100
    # A matrix row is a line.
    assert len(text.splitlines()) < 600


def test_byte_costs_never_fall_outward(fitted: EnergyModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.json")
    for machine in json.loads((tmp_path / "model.json").read_text())["machines"].values():
        for traffic in ("parameter_byte", "activation_byte"):
            costs = [level[traffic] for level in machine["byte_costs_j"].values()]
            assert costs == sorted(costs)


def test_existing_files_are_kept(fitted: EnergyModel, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        fitted.save(path)
    assert path.read_text() == "mine"
    fitted.save(path, force=True)
    load_model(path)


def test_an_unfitted_model_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not fitted"):
        EnergyModel().save(tmp_path / "model.json")


def test_unknown_model() -> None:
    with pytest.raises(UnknownNameError, match="no-such-model"):
        load_model("no-such-model")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1]", "{}", "3", '{"format": "wattlas-energy-model", "version": 1}']
)
def test_malformed_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"is no energy model .*wattlas model fit") as error:
        load_model(path)
    assert "\n" not in str(error.value)


def test_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"format": "wattlas-energy-model", "version": 99}')
    with pytest.raises(ModelError, match="version 99"):
        load_model(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="is no text"):
        load_model(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("coefficients", "flop", "value"), -1.0),
        (("coefficients", "flop", "value"), "much"),
        (("coefficients", "step", "value"), None),
        (("coefficients",), []),
        (("coefficients", "nonsense"), {"value": 1.0}),
        (("log_covariance",), [[1.0]]),
        (("range_of_validity", "depth"), [1.0]),
        (("levels",), [{"name": "L1"}]),
        (("data",), {}),
    ],
)
def test_damaged_models(fitted: EnergyModel, tmp_path: Path, where: tuple[str, ...], value: object) -> None:
    path = tmp_path / "model.json"
    fitted.save(path)
    document = json.loads(path.read_text())
    at = document["machines"]["eagle-cpu"]
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="is no energy model"):
        load_model(path)


@pytest.mark.parametrize(
    ("mend", "told"),
    [
        (lambda m: m["coefficients"].update(bogus=m["coefficients"]["step"]), "no coefficient 'bogus'"),
        (lambda m: m["coefficients"]["step"].update(unit="kWh"), "the coefficient step is in 'kWh'"),
        (lambda m: m.update(levels="none"), "wrong kind"),
    ],
)
def test_a_file_edited_by_hand_says_what_is_wrong(
    fitted: EnergyModel, tmp_path: Path, mend: Callable[[dict[str, Any]], None], told: str
) -> None:
    path = tmp_path / "model.json"
    fitted.save(path)
    document = json.loads(path.read_text())
    mend(document["machines"]["eagle-cpu"])
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match=told):
        load_model(path)
