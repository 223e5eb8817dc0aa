"""Checks of printed text by example: `CHECK` lines in the manner of LLVM's FileCheck.

    filecheck(str(module), '''
      // CHECK-LABEL: net @main
      // CHECK:       [[C:%[a-z.0-9]+]] = conv2d
      // CHECK-SAME:  act = relu
      // CHECK-NOT:   relu(
      // CHECK:       reduce([[C]])
    ''')

`directives` says what lines mean, `matcher` finds them, `report` tells what went wrong.
"""

from plait.testing.check_lines.directives import Directive, MalformedCheck, parse_checks
from plait.testing.check_lines.matcher import filecheck
from plait.testing.check_lines.report import CheckFailed

__all__ = ["CheckFailed", "Directive", "MalformedCheck", "filecheck", "parse_checks"]
