"""Runs a target on many inputs: with atheris if it is installed, otherwise with mutations in plain Python.

A target takes a text and raises only what it documents; any other exception, or a text that takes too long, is a
finding. Findings are written to `build/fuzz/`, and the exit status is not 0.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mutation import mutate

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"
LONGEST = 4096
"""Bytes of an input."""
SECONDS_EACH = 20
"""An input that takes longer is a finding."""

try:
    import atheris
except ImportError:
    atheris = None

Target = Callable[[str], None]


def _option(name: str, default: str) -> str:
    found = [a.partition("=")[2] for a in sys.argv[1:] if a.startswith(f"-{name}=")]
    return found[-1] if found else default


def uses_atheris() -> bool:
    return atheris is not None and _option("engine", "atheris") == "atheris"


@contextlib.contextmanager
def instrumented() -> Iterator[None]:
    """Modules of Plait that are imported inside are watched for coverage."""
    if not uses_atheris():
        yield
        return
    with atheris.instrument_imports(include=["plait.ir", "plait.passes"]):
        yield


def fuzz(name: str, target: Target, seeds: Sequence[str], words: Sequence[str]) -> None:
    """Run the target as the command line says; does not return.

    Args:
        name: of the harness.
        target: what is tested.
        seeds: texts to begin with.
        words: tokens of the language.
    """
    engine = "atheris" if uses_atheris() else "random mutation"
    print(f"{name}: engine {engine}, {len(seeds)} seeds, {len(words)} words", flush=True)
    files = [Path(a) for a in sys.argv[1:] if not a.startswith("-")]
    if files and all(f.is_file() for f in files):
        for file in files:
            target(_text(file.read_bytes()))
        print(f"{len(files)} inputs, no finding")
        sys.exit(0)
    folder = OUTPUT / name
    folder.mkdir(parents=True, exist_ok=True)
    if uses_atheris():
        _run_atheris(folder, target, seeds, words)
    else:
        sys.exit(_run_mutations(folder, target, seeds, words))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _run_atheris(folder: Path, target: Target, seeds: Sequence[str], words: Sequence[str]) -> None:
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for text in seeds:
        data = text.encode()
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    quoted = ("".join(f"\\x{b:02x}" for b in word.encode()) for word in words)
    (folder / "words.dict").write_text("".join(f'"{w}"\n' for w in quoted))

    def one(data: bytes) -> None:
        target(_text(data))

    def custom(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(data, size))
        return mutate(_text(data), seeds, words, chance).encode("utf-8", errors="replace")[:size]

    own = [a for a in sys.argv if not a.startswith("-engine=")]
    defaults = ["-seed=1", f"-max_len={LONGEST}", f"-timeout={SECONDS_EACH}", f"-artifact_prefix={folder}/"]
    arguments = [own[0], *defaults, f"-dict={folder}/words.dict", "-print_final_stats=1", *own[1:], str(corpus)]
    atheris.Setup(arguments, one, custom_mutator=custom)
    atheris.Fuzz()


def _run_mutations(folder: Path, target: Target, seeds: Sequence[str], words: Sequence[str]) -> int:
    chance = random.Random(int(_option("seed", "1")))
    end = time.monotonic() + float(_option("max_total_time", "inf"))
    runs = int(_option("runs", "-1"))
    pool, done = list(seeds), 0
    while done != runs and time.monotonic() < end:
        text = pool[done] if done < len(seeds) else mutate(chance.choice(pool), pool, words, chance)[:LONGEST]
        start = time.monotonic()
        try:
            target(text)
            slow = time.monotonic() - start > SECONDS_EACH
        except Exception:
            traceback.print_exc()
            slow = True
        if slow:
            path = folder / f"crash-{hashlib.sha1(text.encode()).hexdigest()}"
            path.write_text(text, encoding="utf-8")
            print(f"finding after {done + 1} inputs, written to {path}")
            return 1
        done += 1
    print(f"{done} inputs, no finding")
    return 0
