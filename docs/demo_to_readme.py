"""Put what a demonstration measured into the README: its score table and its figures.

make demo
.venv/bin/python docs/demo_to_readme.py demo
"""

import json
import re
import sys
from pathlib import Path

from PIL import Image

from tsoar.scoring.rows import KEY, Row, Score

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- score of the demo: written by docs/demo_to_readme.py -->", "<!-- end of the score -->"
FIGURES = {
    "planet_spectrum.png": "planet_spectrum.png",
    "run/figures/light_curve_image.png": "light_curves.png",
}
WIDTH = 1100
"""of the figures [px]"""


def table(demo: Path) -> str:
    """The key rows of score.json as a markdown table."""
    found = json.loads((demo / "score.json").read_text("utf-8"))
    rows = [Row(section, name, **row) for section, names in found["sections"].items() for name, row in names.items()]
    return Score(rows, []).markdown(KEY)


def shrink(source: Path, target: Path) -> None:
    """A picture that is small enough to commit: narrower, 256 colours."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        if small.width > WIDTH:
            small = small.resize((WIDTH, round(small.height * WIDTH / small.width)), Image.Resampling.LANCZOS)
        # the colours furthest apart, mixed: a colour bar stays smooth though few pixels have its far ends
        palette = small.quantize(256, method=Image.Quantize.MAXCOVERAGE)
        small.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


def main(demo: Path) -> None:
    """Rewrite README.md and docs/images from a demo's folder."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    written = f"{BEGIN}\n{table(demo)}\n{END}"
    text, n = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: written, text, flags=re.S)
    if n != 1:
        raise SystemExit("README.md: no place for the score table")
    readme.write_text(text, "utf-8")
    for source, target in FIGURES.items():
        shrink(demo / source, ROOT / "docs" / "images" / target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
