"""Write docs/measured/study.md from a study of the demo's exposure: the tutorial's exercises, answered by their numbers.

make demo
.venv/bin/tsoar study demo/exposure --refs demo/exposure/refs --truth demo/exposure/truth.nc --study tutorial --out demo/study
.venv/bin/python docs/study_to_docs.py demo/study
"""

import json
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

from tsoar.studies.answers import measured

ROOT = Path(__file__).parents[1]
HEAD = """# The tutorial's exercises, answered

<!-- written by docs/study_to_docs.py from a study's folder; do not edit -->

`tsoar study demo/exposure --refs demo/exposure/refs --truth demo/exposure/truth.nc --study tutorial --out demo/study` reduces
the demo's exposure ({integrations} integrations of {groups} groups) with {n} settings. What settings share is computed
once, and every number is the one that a run of its own would give. Sentences and tables below are made by a program
from the study's numbers.

Noise is the scatter of the spectrum's bins (resolving power {resolution:g}) outside the transit over that of the
reference, the default settings. Changes of depth are measured on differences of light curves, in which the photons
that both settings see cancel; "more than chance" is three errors.
"""


def rows_of(table: Table, names: list[str], labels: list[str]) -> str:
    """One part as a markdown table."""
    truth = "truth_1" in table.colnames
    head = ["setting", "noise", "scatter over claimed, orders 1, 2", "over limit, order 1", "white light, order 1 [ppm]",
            "change of depth, order 1 [ppm]", *(["off the truth, order 1 [ppm]"] if truth else []), "jump flags"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    at = {str(name): k for k, name in enumerate(table["setting"])}
    for name, label in zip(names, labels, strict=True):
        row = table[at[name]]

        def pair(value: str, error: str, sign: bool = True, row=row) -> str:
            v, e = float(row[value]), float(row[error])
            return f"{v:g}" if e == 0 else measured(v, e, "", sign=sign) if np.isfinite(v) else "-"

        cells = [
            label,
            pair("noise", "noise_err", sign=False),
            f"{row['sensitivity_1']:.3f}, {row['sensitivity_2']:.3f}",
            f"{row['over_limit_1']:.3f}",
            f"{row['white_rms_1']:.1f}",
            pair("change_1", "change_err_1") if "change_1" in table.colnames else "-",
            *([pair("truth_1", "truth_err_1")] if truth else []),
            f"{row['jumps']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Rewrite docs/measured/study.md."""
    record = json.loads((folder / "study.json").read_text("utf-8"))
    table = Table.read(folder / "study.ecsv")
    answers = {a["part"]: a for a in record["answers"]}
    parts = {p["name"]: p for p in record["parts"]}
    text = [HEAD.rstrip().format(n=len(table), **{k: record[k] for k in ("integrations", "groups", "resolution")})]
    for name, answer in answers.items():
        title = parts[name]["title"] if name in parts else "Against the truth"
        text += [f"\n## {title}\n", f"{answer['question']}\n", *(f"- {s}" for s in answer["sentences"])]
        if name in parts:
            text += ["", rows_of(table, parts[name]["settings"], parts[name].get("labels", parts[name]["settings"]))]
    p = record["performance"]
    took = f"{p['cpu_seconds']:.0f} s of processor time ({p['processor']}), {p['seconds']:.0f} s on {p['workers']} threads"
    shared = (
        ", on a machine busy with other work" if p["workers"] and p["seconds"] > 1.5 * p["cpu_seconds"] / p["workers"] else ""
    )
    text += [f"\nThis study: {p['reduced']} settings reduced in {took}{shared}; {p['peak_memory_mib']:.0f} MiB at most."]
    (ROOT / "docs" / "measured" / "study.md").write_text("\n".join(text) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
