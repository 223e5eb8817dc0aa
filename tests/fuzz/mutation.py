"""Changes of a text that keep most of its structure: tokens and lines are dropped, repeated, exchanged."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|[%@][\w.$-]+|[A-Za-z_][\w-]*|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\s+|.', re.DOTALL
)
_NUMBER = re.compile(r"[-+]?\d")
NUMBERS = ("0", "-1", "1", "16", "999999999999", "-9223372036854775808", "1e400", "-0.0", "nan", "inf", "0.1", "1e-400")
CHARACTERS = '%@{}[]()<>:,=+-*/"\\\n\r\t\0\x85\u2028é!#$.xX_ 0'
Change = Callable[[list[str], random.Random, Sequence[str], Sequence[str]], None]


def mutate(text: str, others: Sequence[str], words: Sequence[str], chance: random.Random) -> str:
    """The text with one to four changes."""
    tokens = _TOKEN.findall(text)
    for _ in range(chance.randint(1, 4)):
        if not tokens:
            tokens = [chance.choice(words)]
        chance.choice(CHANGES)(tokens, chance, others, words)
    return "".join(tokens)


def _place(tokens: list[str], chance: random.Random) -> int:
    return chance.randrange(len(tokens))


def _drop(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    start = _place(tokens, chance)
    del tokens[start : start + chance.choice((1, 1, 2, 5))]


def _repeat(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    start = _place(tokens, chance)
    part = tokens[start : start + chance.choice((1, 3, 8, 30))]
    tokens[start:start] = part * chance.choice((1, 1, 2, 20))


def _replace(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    tokens[_place(tokens, chance)] = chance.choice(words)


def _insert(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    tokens.insert(_place(tokens, chance), chance.choice(words))


def _same(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    """A token in the place of another one of the text, most often of the same sort."""
    place = _place(tokens, chance)
    like = [t for t in tokens if t[0] == tokens[place][0]] if chance.random() < 0.7 else tokens
    tokens[place] = chance.choice(like)


def _swap(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    a, b = _place(tokens, chance), _place(tokens, chance)
    tokens[a], tokens[b] = tokens[b], tokens[a]


def _number(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    places = [i for i, t in enumerate(tokens) if _NUMBER.match(t)]
    if places:
        tokens[chance.choice(places)] = chance.choice(NUMBERS)


def _character(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    place = _place(tokens, chance)
    token, at = tokens[place], chance.randint(0, len(tokens[place]))
    tokens[place] = token[:at] + chance.choice(CHARACTERS) + token[at + chance.randint(0, 1) :]


def _splice(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    """A few lines of another text."""
    lines = chance.choice(others).splitlines(keepends=True)
    if lines:
        start = chance.randrange(len(lines))
        tokens.insert(_place(tokens, chance), "".join(lines[start : start + chance.choice((1, 2, 5))]))


def _nest(tokens: list[str], chance: random.Random, others: Sequence[str], words: Sequence[str]) -> None:
    """Brackets around a token, many times over."""
    place, depth = _place(tokens, chance), chance.choice((1, 2, 50, 400))
    left, right = chance.choice(("[]", "()", "{}", "<>"))
    tokens[place] = left * depth + tokens[place] + right * depth


CHANGES: tuple[Change, ...] = (
    _drop,
    _repeat,
    _replace,
    _insert,
    _same,
    _same,
    _swap,
    _number,
    _character,
    _splice,
    _nest,
)
