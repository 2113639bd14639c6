"""Whom to cite: what was run decides."""

import json
import re
from pathlib import Path

import pytest

import tsoar
from tests.ecosystem.conftest import record
from tsoar.config import load, to_dict
from tsoar.ecosystem.citing import Citation, references
from tsoar.errors import InputError
from tsoar.fitting.planets import known_planets


def keys(folder, fit=None, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record(**changes)))
    if fit is not None:
        (folder / "diagnostics").mkdir(exist_ok=True)
        (folder / "diagnostics" / "fit.json").write_text(json.dumps(fit))
    found = tsoar.cite(folder)
    return [c.key for c in found.papers], [c.key for c in found.software], found


def config(*overrides):
    return to_dict(load(overrides=overrides))


def test_the_default_chain(tmp_path):
    papers, software, found = keys(tmp_path)
    assert {"albert2023", "baines2023a", "brandt2024"} <= set(papers)
    assert not {"anderson2011", "fixsen2000", "horne1986", "kreidberg2015"} & set(papers)
    assert software == ["tsoar", "crds", "numpy", "scipy", "numba"]
    assert any("jwst_niriss_mask_0017.fits" in n for n in found.notes)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["jump.method=two_point"], {"anderson2011", "brandt2024"}),
        (["ramp_fit.method=ols"], {"fixsen2000"}),
        (["extract.method=optimal"], {"horne1986", "brandt2024"}),
    ],
)
def test_a_method_brings_its_paper(tmp_path, overrides, expected):
    papers, _, _ = keys(tmp_path, config=config(*overrides))
    chosen = {"anderson2011", "brandt2024", "fixsen2000", "horne1986"} & set(papers)
    assert chosen == expected


def test_a_step_left_out_is_not_cited(tmp_path):
    steps = [s for s in record()["steps"] if s not in ("jump", "clean")]
    papers, _, found = keys(tmp_path, steps=steps, config=config("jump.method=two_point"))
    assert "anderson2011" not in papers
    assert "outliers" not in found.text()


def test_the_fields_own_methods_name_its_programs(tmp_path):
    _, software, _ = keys(tmp_path, config=config("jump.method=two_point_file", "ramp_fit.method=ols_file"))
    assert {"jwst", "stcal"} <= set(software)
    _, software, _ = keys(tmp_path, kind="rateints", steps=["motion", "extract"])
    assert "jwst" in software and "stcal" not in software


def test_a_given_baseline_needs_no_search(tmp_path):
    papers, _, _ = keys(tmp_path, options={"baseline": "0:4,8:"})
    assert "kovacs2002" not in papers


def test_a_fit_brings_batman_and_its_orbit(tmp_path):
    fit = {"event": "transit", "planet": "WASP-39 b", "source": "Feinstein et al. 2023 and its notebooks", "settings": {}}
    fit["white_light"] = {"t0": {}, "q1_order1": {}}
    papers, _, found = keys(tmp_path, fit)
    assert {"kreidberg2015", "kipping2013", "feinstein2023"} <= set(papers) and "speagle2020" not in papers
    assert any(n.startswith("orbit of WASP-39 b: Feinstein") for n in found.notes)
    given = fit | {"settings": {"period": 4.0, "a_over_r": 11.0, "inclination": 87.0}, "posterior": {}, "event": "eclipse"}
    papers, _, _ = keys(tmp_path, fit | {"planet": "WASP-43 b", "settings": {"period": 0.0}})
    assert "bell2024" in papers and "ivshina2022" not in papers  # the period was given, the shape of the orbit was not
    papers, _, _ = keys(tmp_path, given)
    assert {"kreidberg2015", "speagle2020"} <= set(papers) and not {"feinstein2023", "kipping2013"} & set(papers)


def test_simulated_references_are_not_the_observatorys(tmp_path):
    for made in ({"pedigree": "SIMULATION"}, {"pedigree": "DUMMY", "author": "tsoar 0.1.0"}):
        _, software, found = keys(tmp_path, references=[{"file": "mask.fits"} | made])
        assert "crds" not in software and "of a simulation" in found.text()


def test_brief_names(tmp_path):
    _, _, found = keys(tmp_path)
    assert found.brief().startswith(
        "Albert et al. 2023, Doyon et al. 2023, Baines et al. 2023, Brandt 2024, Kovács et al. 2002"
    )
    made = {k: Citation(k, "", f).brief() for k, f in references().items()}
    assert made["anderson2011"] == "Anderson & Gordon 2011" and made["agol2021"] == "Agol et al. 2021"
    assert made["fixsen2000"] == "Fixsen et al. 2000" and made["xarray"] == "Hoyer & Hamman 2017"
    assert made["horne1986"] == "Horne 1986" and made["astropy"] == "Astropy Collaboration et al. 2022"


def test_bibtex_is_well_formed(tmp_path):
    _, _, found = keys(tmp_path, {"event": "transit", "planet": "", "source": "", "white_light": {}, "settings": {}})
    text = found.bibtex()
    entries = re.findall(r"^@(\w+)\{(\w+),$", text, re.M)
    assert [k for _, k in entries] == [c.key for c in (*found.papers, *found.software)]
    assert len({k for _, k in entries}) == len(entries)
    for body in text.split("\n\n"):
        inside = "\n".join(line for line in body.splitlines() if not line.startswith("%"))
        assert inside.count("{") == inside.count("}")
        assert not re.search(r"(?<!\\)&", inside)


def test_every_reference_can_be_found_and_is_used():
    for key, fields in references().items():
        assert {"type", "author", "short", "title"} <= set(fields), key
        assert key == "tsoar" or fields.keys() & {"doi", "eprint", "url"}, key
        assert "doi" not in fields or re.fullmatch(r"10\.\d{4,5}/\S+", fields["doi"]), key
    from tsoar.ecosystem import citing

    source = Path(citing.__file__).read_text("utf-8")
    assert all(f'"{key}"' in source for key in references())


def test_every_planet_of_the_table_with_a_paper_has_it():
    from tsoar.ecosystem.citing import PLANETS

    assert set(PLANETS) <= set(known_planets())


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match="expected the folder of a finished run"):
        tsoar.cite(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="holds no 'config'"):
        tsoar.cite(tmp_path)
