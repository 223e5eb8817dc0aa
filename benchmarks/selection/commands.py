"""The command line: `list`, `write`, `run`, `check`, `targets`, `report`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.selection import oracle, targets
from benchmarks.selection.experiments import EXPERIMENTS
from benchmarks.selection.experiments.experiment import Scale
from benchmarks.selection.experiments.solvers import SOLVERS
from benchmarks.selection.records import Limits, Record, contradictions, references
from benchmarks.selection.report import make_report, write_pages
from benchmarks.selection.runner import run_all
from benchmarks.selection.suites import SUITES, InstanceError, instance
from benchmarks.support.arguments import words
from benchmarks.support.markdown import number
from plait.ir.diagnostics import PlaitError
from plait.passes.selection import write_problem

RESULTS = Path("benchmarks/results/selection")
SEEDS = (7, *range(101, 111))


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command says; the exit status is 1 where a check fails, 2 where a name is wrong."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options) or 0
    except (InstanceError, oracle.OracleError, PlaitError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    if status:
        sys.exit(status)


def _names(wanted: Sequence[str]) -> list[str]:
    """Instances; a suite's name stands for all of its own."""
    return [name for word in wanted for name in SUITES.get(word, (word,))]


def seeds(text: str) -> tuple[int, ...]:
    """Numbers of a text such as ``7,101-110``."""
    found: list[int] = []
    for part in words(text):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def list_instances(options: argparse.Namespace) -> None:
    """Suites and their sizes, or the instances of some."""
    if not options.names:
        for suite, names in SUITES.items():
            print(f"{suite:12s} {len(names):4d}")
    for name in _names(options.names):
        print(name)


def write(options: argparse.Namespace) -> None:
    """Instances as JSON files."""
    options.output.mkdir(parents=True, exist_ok=True)
    for name in _names(options.names):
        path = options.output / (name.replace("/", "-").replace(":", "") + ".json")
        write_problem(instance(name), path)
        print(path)


def run(options: argparse.Namespace) -> int:
    """Solvers on instances; one line for each run."""
    limits = Limits(options.seconds, options.memory)
    records: list[Record] = []
    for r in run_all(_names(options.names), options.solver or SOLVERS, limits, instance, options.log):
        records.append(r)
        cost, bound = number(r.cost, ".6g"), number(r.bound, ".6g")
        print(f"{r.instance:36s} {r.solver:22s} {r.status:10s} {cost:>10s} {bound:>10s} {r.seconds:8.3f} s", flush=True)
    best = references(records)
    print(f"{sum(b.proven for b in best.values())} of {len({r.instance for r in records})} instances proven")
    wrong = [f"{r.instance}: {r.solver}: {r.message}" for r in records if r.status in ("wrong", "crashed")]
    for line in (wrong := wrong + contradictions(records)):
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def check(options: argparse.Namespace) -> int:
    """The exact solver against reference solutions."""
    with tempfile.TemporaryDirectory() as folder:
        keep = options.keep or Path(folder)
        folders = [one for path in options.oracle for one in oracle.folders_of(path, options.seeds, keep)]
        found = list(oracle.compare_all(folders, options.solver))
    print(oracle.markdown(found), end="")
    return 1 if not found or any(c.complaint for c in found) else 0


def measure_targets(options: argparse.Namespace) -> None:
    """Wide and long instances."""
    print(targets.markdown(list(targets.measure(rounds=options.rounds))), end="")


def report(options: argparse.Namespace) -> None:
    """Experiments, or only their pages from rows that are there."""
    if options.draw:
        print(write_pages(options.results))
        return
    names = options.only or list(EXPERIMENTS)
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise InstanceError(f"no experiment {unknown[0]!r}; there are {', '.join(EXPERIMENTS)}")
    print(make_report(names, options.results, Scale(options.quick, options.log)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.selection", description="A laboratory for routine selection.")
    commands = parser.add_subparsers(required=True)
    some = "instances or suites; `list` shows them"

    one = commands.add_parser("list", help="suites, or the instances of some")
    one.add_argument("names", nargs="*", help=some)
    one.set_defaults(command=list_instances)

    one = commands.add_parser("write", help="instances as JSON files")
    one.add_argument("names", nargs="+", help=some)
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.set_defaults(command=write)

    one = commands.add_parser("run", help="solvers on instances, with limits")
    one.add_argument("names", nargs="+", help=some)
    one.add_argument("--solver", action="append", help="a solver with options; again for more (default: all)")
    one.add_argument("--seconds", type=float, default=10.0, help="a run is killed after these")
    one.add_argument("--memory", type=int, default=2000, help="MiB that a run may take")
    one.add_argument("--log", type=Path, help="JSON lines; what is there is not run again")
    one.set_defaults(command=run)

    one = commands.add_parser("check", help="the exact solver against reference solutions")
    one.add_argument(
        "--oracle",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="folders with NAME.json and NAME.sol.json, or a program: PROGRAM suite FOLDER --seed SEED --solve",
    )
    one.add_argument("--seeds", type=seeds, default=SEEDS, help="for programs, as 7,101-110 (the default)")
    one.add_argument("--keep", type=Path, metavar="FOLDER", help="where programs' suites are kept and looked for")
    one.add_argument("--solver", default="exact")
    one.set_defaults(command=check)

    one = commands.add_parser("targets", help="wide networks and long graphs: time to a proof, and memory")
    one.add_argument("--rounds", type=int, default=3, help="the fastest of so many runs counts")
    one.set_defaults(command=measure_targets)

    one = commands.add_parser("report", help="experiments: tables, figures, rows")
    one.add_argument("--only", type=words, default=[], help=f"some of {','.join(EXPERIMENTS)}")
    one.add_argument("--quick", action="store_true", help="as little as shows that it works")
    one.add_argument("--draw", action="store_true", help="tables and figures again from the rows that are there")
    one.add_argument("--log", type=Path, help="keeps runs of solvers, so that they can go on")
    one.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    one.set_defaults(command=report)
    return parser
