"""`python -m random_layers COUNT [corners]` prints what was run, and the failures, as JSON."""

import json
import sys

from plait.kernels_pyx import isa_level
from random_layers.checking import check, check_corners, sample

tally = check(sample(int(sys.argv[1])))
if "corners" in sys.argv[2:]:
    check_corners(tally)
answer = {
    "isa": isa_level(),
    "layers": tally.layers,
    "runs": tally.runs,
    "fixed_point": tally.fixed_point,
    "untaken": tally.untaken,
    "failures": tally.failures,
}
json.dump(answer, sys.stdout)
