"""Prints the failures of all kinds as JSON."""

import json
import sys

from plait.kernels_pyx import isa_level
from routine_cases import KINDS, check

json.dump({"isa": isa_level(), "failures": {kind: check(kind) for kind in KINDS}}, sys.stdout)
