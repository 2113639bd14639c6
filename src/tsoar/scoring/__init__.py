"""Score: the products of a run held against the truth of the simulated exposure they came from.

Every number stands beside what a perfect reduction would give. Nothing here shares code with the reduction or the
simulator: formulas are written out anew from their sources, so that an error on one side is seen on the other.

    from tsoar.scoring import score
    print(score("out", "exposure/truth.nc").table())
"""

from tsoar.scoring.compare import score
from tsoar.scoring.limits import slope_variance
from tsoar.scoring.rows import Row, Score
from tsoar.scoring.truth import Truth, read_truth

__all__ = ["Row", "Score", "Truth", "read_truth", "score", "slope_variance"]
