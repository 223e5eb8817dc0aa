"""CHECK lines: what each kind matches, what it refuses, and what the message says."""

from __future__ import annotations

import pytest

from plait.testing.check_lines import CheckFailed, MalformedCheck, filecheck, parse_checks

TEXT = """net @first() {
  %a = conv2d(%x, @w) {act = relu}
  %b = relu(%a)

  %c = add(%a, %b) {k = [[1, 2], [3]]}
}
net @second() {
  %a = tanh(%x)
  %b = tanh(%a)
  %c = tanh(%b)
}
"""

GOOD = {
    "plain": "CHECK: conv2d\nCHECK: add(",
    "blanks": "CHECK: conv2d(%x,     @w)   {act",
    "next": "CHECK: conv2d\nCHECK-NEXT: relu(%a)",
    "same": "CHECK: conv2d\nCHECK-SAME: act = relu",
    "not between": "CHECK: conv2d\nCHECK-NOT: tanh\nCHECK: add",
    "not at the end": "CHECK: @second\nCHECK-NOT: conv2d",
    "not at the beginning": "CHECK-NOT: tanh\nCHECK: add",
    "empty": "CHECK: %b = relu\nCHECK-EMPTY:\nCHECK-NEXT: add",
    "dag": "CHECK-DAG: add(\nCHECK-DAG: conv2d\nCHECK: @second",
    "dag does not overlap": "CHECK-DAG: tanh\nCHECK-DAG: tanh\nCHECK-DAG: tanh",
    "dag in two groups": "CHECK-DAG: %b = relu\nCHECK-DAG: conv2d\nCHECK-NOT: @second\nCHECK-DAG: add",
    "label": "CHECK-LABEL: @first\nCHECK: add\nCHECK-NOT: tanh\nCHECK-LABEL: @second\nCHECK-NOT: relu",
    "count": "CHECK-COUNT-3: tanh(\nCHECK-NOT: tanh",
    "not before count": "CHECK: @second\nCHECK-NOT: conv2d\nCHECK-COUNT-2: tanh",
    "regex": "CHECK: %{{[a-z]+}} = add(%{{.}}, %{{b{1}}})",
    "regex ends in brackets": "CHECK: %[[X:[a-z]]] = conv2d\nCHECK: relu(%[[X]])",
    "variable": "CHECK: [[X:%[a-z]+]] = conv2d\nCHECK-NEXT: relu([[X]])",
    "variable on its own line": "CHECK: add([[A:%.]], %b)\nCHECK: [[B:%[ab]]] = tanh([[C:%x]])\nCHECK: tanh([[B]])",
    "variable used where it is made": "CHECK: [[N:n]]et @seco[[N]]d",
    "text with regular expression signs": "CHECK: add(%a, %b) {k = [[1, 2], [3]]}",
    "literal": "CHECK{LITERAL}: {k = [[1, 2], [3]]}",
    "other lines": "// about CHECKs\nXCHECK: no\nCHECK: conv2d",
    "anchors": "CHECK: {{^}}}{{$}}\nCHECK-NEXT: {{^}}net @second",
}


@pytest.mark.parametrize("name", GOOD)
def test_matches(name: str) -> None:
    filecheck(TEXT, GOOD[name])


BAD = {
    "plain": ("CHECK: add\nCHECK: conv2d", "CHECK: no match"),
    "next": ("CHECK: conv2d\nCHECK-NEXT: add(%a", "CHECK-NEXT: no match"),
    "next, on the same line": ("CHECK: conv2d\nCHECK-NEXT: act", "CHECK-NEXT: no match"),
    "next, at the end": ("CHECK: second\nCHECK: tanh(%b)\nCHECK-NEXT: }\nCHECK-NEXT: more", "CHECK-NEXT: no match"),
    "same": ("CHECK: conv2d\nCHECK-SAME: relu(%a)", "CHECK-SAME: no match"),
    "not": ("CHECK: conv2d\nCHECK-NOT: %b = relu\nCHECK: add", "must not be there, but is"),
    "not at the end": ("CHECK: add\nCHECK-NOT: tanh", "must not be there, but is"),
    "not before the first of a group": ("CHECK-NOT: conv2d\nCHECK-DAG: add\nCHECK-DAG: relu(", "must not be there"),
    "not in a block": ("CHECK-LABEL: first\nCHECK-NOT: add\nCHECK-LABEL: second", "must not be there"),
    "empty": ("CHECK: conv2d\nCHECK-EMPTY:", "the line after the last match is not empty"),
    "dag": ("CHECK-DAG: tanh\nCHECK-DAG: tanh\nCHECK-DAG: tanh\nCHECK-DAG: tanh", "CHECK-DAG: no match"),
    "dag in another group": ("CHECK-DAG: add\nCHECK-NOT: x\nCHECK-DAG: conv2d", "CHECK-DAG: no match"),
    "count": ("CHECK-COUNT-4: tanh(", "CHECK-COUNT-4: only 3 of 4 matches"),
    "label": ("CHECK-LABEL: @third", "CHECK-LABEL: no match"),
    "beyond a label": ("CHECK-LABEL: first\nCHECK: tanh\nCHECK-LABEL: second", "CHECK: no match"),
    "variable": ("CHECK: [[X:%[a-z]+]] = conv2d\nCHECK: add([[X]], [[X]])", "with X = %a"),
    "variable that has no value": ("CHECK: [[X]]", r"\[\[X\]\] has no value yet"),
    "anchor": ("CHECK: {{^}}%a", "no match"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    checks, message = BAD[name]
    with pytest.raises(CheckFailed, match=message):
        filecheck(TEXT, checks)


def test_message_shows_the_place_and_what_comes_close() -> None:
    checks = "CHECK: relu(%a)\nCHECK: %c = add(%b, %b)"
    with pytest.raises(CheckFailed) as caught:
        filecheck(TEXT, checks, file="t.ir", first_line=11)
    assert (
        str(caught.value)
        == """t.ir:12: CHECK: no match
    %c = add(%b, %b)
searched from line 3 of the text:
       1 | net @first() {
       2 |   %a = conv2d(%x, @w) {act = relu}
  >    3 |   %b = relu(%a)
       4 |
       5 |   %c = add(%a, %b) {k = [[1, 2], [3]]}
       6 | }
closest, at line 5:
      %c = add(%a, %b) {k = [[1, 2], [3]]}"""
    )


def test_message_of_a_text_that_must_not_be_there() -> None:
    with pytest.raises(
        CheckFailed, match=r"(?s)CHECK-NOT: must not .*found line 2 of the text:.*>    2 \|   %a = conv"
    ):
        filecheck(TEXT, "CHECK: first\nCHECK-NOT: conv2d")


def test_empty_text() -> None:
    filecheck("", "CHECK-NOT: x")
    with pytest.raises(CheckFailed, match="the text is empty"):
        filecheck("", "CHECK: x")


MALFORMED = {
    "CHECK-NXT: a": "t:1: there is no CHECK-NXT (known: CHECK, CHECK-NEXT, ",
    "CHECK-COUNT-0: a": "there is no CHECK-COUNT-0",
    "CHECK-COUNT: a": "there is no CHECK-COUNT ",
    "CHECK-CHECK: a": "there is no CHECK-CHECK",
    "CHECK-: a": "there is no CHECK- ",
    "CHECK:": "nothing stands after CHECK",
    "CHECK: a\nCHECK-EMPTY: a": "t:2: CHECK-EMPTY takes no text",
    "CHECK: {{(}}": "the regular expression is wrong",
    "CHECK: {{a": "}} is missing",
    "CHECK: [[A:x": "]] is missing",
    "CHECK: [[A x]]": "neither [[NAME]] nor [[NAME:regex]]",
    "CHECK-NEXT: a": "CHECK-NEXT needs a line before it that matches",
    "CHECK-NOT: b\nCHECK-SAME: a": "t:2: CHECK-SAME needs a line before it",
    "CHECK-LABEL: [[A:x]]": "takes no names",
    "CHECK-NOT: [[A:x]]": "defines a name, but must not match",
    "nothing here": "t: there is no line with CHECK:",
}


@pytest.mark.parametrize("checks", MALFORMED)
def test_malformed(checks: str) -> None:
    with pytest.raises(MalformedCheck) as caught:
        filecheck(TEXT, checks, file="t")
    assert MALFORMED[checks] in str(caught.value)


def test_another_prefix() -> None:
    filecheck(TEXT, "CHECK: nowhere\n// AFTER: conv2d\n// AFTER-NEXT: relu", prefix="AFTER")
    assert [d.label for d in parse_checks("A: x\nA-NEXT: y\nA-COUNT-2: z\nB: q", "A")] == ["A", "A-NEXT", "A-COUNT-2"]
