"""Headers of Level-1b files and of reference files: the keywords of the JWST keyword dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from tsoar import __version__
from tsoar.sim.clock import DAY, Times
from tsoar.sim.instrument import PIXEL_TIME, SUBARRAYS, Subarray
from tsoar.sim.parameters import Scenario

Cards = dict[str, Any]

SERIAL = "9900"
"""of the reference files, in their names"""


def stem(s: Scenario) -> str:
    """Name of the exposure, as the observatory builds it: program, observation, visit, group, sequence, activity, exposure."""
    return f"jw{s.exposure.program:05d}001001_04101_00001"


def iso(mjd: float) -> str:
    """A date and time, to the millisecond; the day counts 86400 s."""
    return str(Time(mjd, format="mjd", scale="tai").isot)


def geometry(sub: Subarray, full: bool = False) -> Cards:
    """Where the array lies on the detector."""
    return {
        "SUBARRAY": "FULL" if full else sub.name,
        "SUBSTRT1": 1,
        "SUBSTRT2": 1 if full else sub.corner,
        "SUBSIZE1": 2048,
        "SUBSIZE2": 2048 if full else sub.rows,
        "FASTAXIS": -2,
        "SLOWAXIS": -1,
    }


def primary(s: Scenario, times: Times, segment: int, first: int, last: int, name: str) -> fits.Header:
    """Primary header of a segment with integrations ``first`` to ``last`` - 1."""
    e, star = s.exposure, s.star
    sub = SUBARRAYS[e.subarray]
    frame = sub.frame_time
    begin, end = e.start, times.utc[-1, 2]
    mid = 0.5 * (begin + end)
    light = (times.bjd[len(times.bjd) // 2, 1] - times.utc[len(times.utc) // 2, 1]) * DAY
    cards: Cards = {
        "DATE": iso(end),
        "ORIGIN": "SIMULATION",
        "TIMESYS": "UTC",
        "TIMEUNIT": "s",
        "FILENAME": name,
        "SDP_VER": f"tsoar {__version__}",
        "DATAMODL": "Level1bModel",
        "TELESCOP": "JWST",
        "HGA_MOVE": False,
        "COMPRESS": False,
        # programme and visit
        "TITLE": "Simulated time series with known truth",
        "PI_NAME": "tsoar",
        "CATEGORY": "CAL",
        "SUBCAT": "NIRISS",
        "SCICAT": "Exoplanets and Exoplanet Formation",
        "CONT_ID": 0,
        "DATE-OBS": iso(begin)[:10],
        "TIME-OBS": iso(begin)[11:],
        "DATE-BEG": iso(begin),
        "DATE-END": iso(end),
        "OBS_ID": f"V{e.program:05d}001001P0000000004101",
        "VISIT_ID": f"{e.program:05d}001001",
        "PROGRAM": f"{e.program:05d}",
        "OBSERVTN": "001",
        "VISIT": "001",
        "VISITGRP": "04",
        "SEQ_ID": "1",
        "ACT_ID": "01",
        "EXPOSURE": "00001",
        "BKGDTARG": False,
        "TEMPLATE": "NIRISS Single-Object Slitless Spectroscopy",
        "OBSLABEL": "simulated",
        "VISITYPE": "PRIME_TARGETED_FIXED",
        "VSTSTART": iso(begin).replace("T", " "),
        "VISITSTA": "SUCCESSFUL",
        "NEXPOSUR": 1,
        "INTARGET": False,
        "TARGOOPP": False,
        "TSOVISIT": True,
        "EXP_ONLY": False,
        "CROWDFLD": False,
        # target
        "TARGPROP": star.name,
        "TARGNAME": star.name,
        "TARGTYPE": "FIXED",
        "TARG_RA": star.ra,
        "TARG_DEC": star.dec,
        "PROP_RA": star.ra,
        "PROP_DEC": star.dec,
        "MU_RA": 0.0,
        "MU_DEC": 0.0,
        "SRCTYAPT": "POINT",
        # instrument
        "INSTRUME": "NIRISS",
        "DETECTOR": "NIS",
        "FILTER": "CLEAR",
        "PUPIL": "GR700XD",
        "PILIN": False,
        "FOCUSPOS": 0.0,
        "PWCPOS": e.pwcpos,
        # exposure
        "EXPCOUNT": 1,
        "EXPRIPAR": "PRIME",
        "EXP_TYPE": "NIS_SOSS",
        "EXPSTART": begin,
        "EXPMID": mid,
        "EXPEND": end,
        "READPATT": "NISRAPID",
        "EXSEGNUM": segment,
        "EXSEGTOT": e.segments,
        "NOUTPUTS": 1,
        "NINTS": e.nints,
        "INTSTART": first + 1,
        "INTEND": last,
        "NGROUPS": e.ngroups,
        "NFRAMES": 1,
        "FRMDIVSR": 1,
        "GROUPGAP": 0,
        "DRPFRMS1": 0,
        "DRPFRMS3": 0,
        "NSAMPLES": 1,
        "TSAMPLE": PIXEL_TIME * 1e6,
        "TFRAME": round(frame, 5),
        "TGROUP": round(frame, 5),
        "EFFINTTM": round(e.ngroups * frame, 5),
        "EFFEXPTM": round(e.nints * e.ngroups * frame, 5),
        "DURATION": round((end - begin) * DAY, 5),
        "NRSTSTRT": 1,
        "NRESETS": 1,
        "ZEROFRAM": False,
        "DATAPROB": False,
        "SCA_NUM": 496,
        "DATAMODE": 13,
        **geometry(sub),
        # dither, aperture
        "PATTTYPE": "NONE",
        "PATT_NUM": 1,
        "NUMDTHPT": 1,
        "XOFFSET": 0.0,
        "YOFFSET": 0.0,
        "APERNAME": f"NIS_{sub.name}",
        "PPS_APER": f"NIS_{sub.name}",
        # times
        "BARTDELT": light - 69.184,
        "BSTRTIME": begin + light / DAY,
        "BMIDTIME": mid + light / DAY,
        "BENDTIME": end + light / DAY,
        "PCS_MODE": "FINEGUIDE",
        "VISITEND": iso(end).replace("T", " "),
    }
    return fits.Header([(key, value) for key, value in cards.items()])


def counts(s: Scenario, times: Times, integrations: int) -> fits.Header:
    """Header of the extension with the counts, (integration, group, row, column) unsigned 16 bits."""
    e = s.exposure
    sub = SUBARRAYS[e.subarray]
    begin, end = e.start, times.utc[-1, 2]
    x, y, z = times.position
    cards: Cards = {
        "XTENSION": "IMAGE",
        "BITPIX": 16,
        "NAXIS": 4,
        "NAXIS1": 2048,
        "NAXIS2": sub.rows,
        "NAXIS3": e.ngroups,
        "NAXIS4": integrations,
        "PCOUNT": 0,
        "GCOUNT": 1,
        "EXTNAME": "SCI",
        "BSCALE": 1,
        "BZERO": 32768,
        "BUNIT": "DN",
        "MJD-BEG": begin,
        "MJD-AVG": 0.5 * (begin + end),
        "MJD-END": end,
        "XPOSURE": round(e.nints * e.ngroups * sub.frame_time, 5),
        "TELAPSE": round((end - begin) * DAY, 5),
        "REFFRAME": "EME2000",
        "EPH_TYPE": "Predicted",
        "EPH_TIME": 0.5 * (begin + end),
        "JWST_X": x,
        "JWST_Y": y,
        "JWST_Z": z,
        # pointing: nominal, roll 100 deg
        "PA_APER": 100.0,
        "VA_SCALE": 1.0,
        "RADESYS": "ICRS",
        "RA_V1": s.star.ra,
        "DEC_V1": s.star.dec,
        "PA_V3": 100.0,
        "V2_REF": -290.0,
        "V3_REF": -697.5,
        "VPARITY": -1,
        "V3I_YANG": -0.57,
        "RA_REF": s.star.ra,
        "DEC_REF": s.star.dec,
        "ROLL_REF": 100.0,
        "DISPAXIS": 1,
    }
    return fits.Header([(key, value) for key, value in cards.items()])


def reference(kind: str, model: str, sub: Subarray, full: bool, name: str) -> fits.Header:
    """Primary header of a reference file."""
    cards: Cards = {
        "DATE": "2024-01-01T00:00:00.000",
        "FILENAME": name,
        "DATAMODL": model,
        "TELESCOP": "JWST",
        "REFTYPE": kind,
        "PEDIGREE": "DUMMY",
        "DESCRIP": f"Truth of a simulated exposure: {kind.lower()}",
        "AUTHOR": f"tsoar {__version__}",
        "USEAFTER": "2022-01-01T00:00:00",
        "HISTORY": "made by tsoar simulate",
        "INSTRUME": "NIRISS",
        "DETECTOR": "NIS",
        "EXP_TYPE": "NIS_SOSS",
        "READPATT": "NISRAPID",
        **geometry(sub, full),
    }
    return fits.Header([(key, value) for key, value in cards.items()])


def int_times(times: Times, first: int, last: int) -> fits.BinTableHDU:
    """The INT_TIMES extension of a segment."""
    some = slice(first, last)
    columns = [fits.Column("integration_number", "J", array=np.arange(first, last) + 1)]
    for scale, values in (("MJD_UTC", times.utc), ("BJD_TDB", times.bjd)):
        for k, when in enumerate(("start", "mid", "end")):
            columns.append(fits.Column(f"int_{when}_{scale}", "D", unit="d", array=values[some, k]))
    return fits.BinTableHDU.from_columns(columns, name="INT_TIMES")


def group_table(s: Scenario, times: Times, first: int, last: int) -> fits.BinTableHDU:
    """The GROUP extension of a segment: when each read ended."""
    e, sub = s.exposure, SUBARRAYS[s.exposure.subarray]
    n = e.ngroups
    integration, group = (part.ravel() for part in np.mgrid[first + 1 : last + 1, 1 : n + 1])
    utc = times.utc[integration - 1, 0] + group * sub.frame_time / DAY
    day = np.floor(utc)
    milliseconds = (utc - day) * DAY * 1e3
    light = times.bjd[integration - 1, 1] - times.utc[integration - 1, 1]
    size = integration.size
    columns = [
        fits.Column("integration_number", "J", array=integration),
        fits.Column("group_number", "I", array=group),
        fits.Column("end_day", "I", array=day - 51544),  # days since 2000-01-01
        fits.Column("end_milliseconds", "J", array=np.floor(milliseconds)),
        fits.Column("end_submilliseconds", "I", array=np.floor(milliseconds % 1 * 1000)),
        fits.Column("group_end_time", "26A", array=Time(utc, format="mjd", scale="tai").isot),
        fits.Column("number_of_columns", "I", array=np.full(size, 2048)),
        fits.Column("number_of_rows", "I", array=np.full(size, sub.rows)),
        fits.Column("number_of_gaps", "I", array=np.zeros(size)),
        fits.Column("completion_code_number", "I", array=np.zeros(size)),
        fits.Column("completion_code_text", "36A", array=np.full(size, "Normal Completion")),
        fits.Column("bary_end_time", "D", array=utc + light),
        fits.Column("helio_end_time", "D", array=utc + light),
    ]
    return fits.BinTableHDU.from_columns(columns, name="GROUP")


def asdf_tree() -> fits.BinTableHDU:
    """The ASDF extension of the observatory's data models, with nothing in it: all there is stands in the headers."""
    text = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n{}\n...\n"
    column = fits.Column("ASDF_METADATA", f"{len(text)}B", array=np.frombuffer(text, np.uint8)[None])
    return fits.BinTableHDU.from_columns([column], name="ASDF")
