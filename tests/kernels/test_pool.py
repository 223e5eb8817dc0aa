"""The pool: free of data races (ThreadSanitizer, by way of `pool_harness.c`), started when wanted, asleep when idle."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "kernels_pyx" / "src"
SCENARIOS = ("runs", "slow_thread", "timed", "callers", "several_pools", "restart", "fork")
# Children of a process with threads may start threads here: the pool forgets its own after a fork.
OPTIONS = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66 die_after_fork=0"}
# One sanitizer at a time: under `make sanitize` another one is loaded into every process.
ALONE = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
# Without random addresses, where that is allowed: some systems place memory where this sanitizer does not expect it.
FIXED = ["setarch", "-R"]
if not shutil.which("setarch") or subprocess.run([*FIXED, "true"], capture_output=True).returncode:
    FIXED = []


def build(target: Path, *flags: str, pool: Path = SOURCES / "pool.c") -> Path:
    sources = [HERE / "pool_harness.c", pool, SOURCES / "plan.c"]
    command = ["gcc", "-std=gnu11", "-g", "-O1", "-fsanitize=thread", "-pthread", f"-I{SOURCES}", *flags]
    subprocess.run([*command, *map(str, sources), "-o", str(target)], check=True, env=ALONE)
    return target


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FIXED, str(program), *arguments], env=ALONE | OPTIONS, capture_output=True, text=True, timeout=120
    )


@functools.cache
def why_not() -> str:
    """Why nothing can be checked here, or an empty string."""
    if not shutil.which("gcc"):
        return "there is no gcc"
    if not SOURCES.is_dir():
        return "the sources of the kernels are not here"
    probe = "int main(void) { return 0; }"
    command = ["gcc", "-fsanitize=thread", "-xc", "-", "-o", "/dev/null"]
    done = subprocess.run(command, input=probe, capture_output=True, text=True, env=ALONE)
    return f"gcc has no ThreadSanitizer: {done.stderr.strip()}" if done.returncode else ""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := why_not():
        pytest.skip(reason)
    return build(tmp_path_factory.mktemp("pool") / "harness")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_races(harness: Path, scenario: str) -> None:
    done = run(harness, scenario)
    assert (done.returncode, done.stdout) == (0, f"{scenario}: 0 wrong\n"), done.stdout + done.stderr


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_planted_race_is_found(tmp_path: Path) -> None:
    done = run(build(tmp_path / "planted", "-DPLANTED_RACE"), "runs")
    assert done.returncode == 66 and "data race" in done.stderr and "add_one" in done.stderr, done.stderr


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_wait_without_acquire_is_found(tmp_path: Path) -> None:
    weak = tmp_path / "pool.c"
    text = (SOURCES / "pool.c").read_text()
    assert "memory_order_acquire" in text
    weak.write_text(text.replace("memory_order_acquire", "memory_order_relaxed"))
    done = run(build(tmp_path / "weak", pool=weak), "runs")
    assert done.returncode == 66 and "data race" in done.stderr, done.stderr


PROLOGUE = """
import os, time
import numpy as np
from plait import kernels_pyx as kernels
threads = lambda: set(os.listdir("/proc/self/task"))
before = threads()
def run(count):
    plan = kernels.Plan(count)
    y = plan.add_external(4000, writable=True)
    for _ in range(10):
        plan.add("f32_fill", y=y, count=1000, value=1.0)
    for _ in range(10):
        plan.run([np.zeros(1000, np.float32)])
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROLOGUE + code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threads_are_started_when_wanted() -> None:
    code = """
counts = []
for count in (1, 2, 2, 4):
    run(count)
    counts.append(len(threads() - before))
kernels.shutdown()
print(*counts, len(threads() - before))
"""
    assert python(code) == "0 1 1 4 0"


def test_idle_pools_sleep() -> None:
    # A thread that waits in the kernel has state S; its ticks of processor time then stand still.
    code = """
run(4)
def stat(thread):
    with open(f"/proc/self/task/{thread}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])
pool = threads() - before
until = time.monotonic() + 60
while any(stat(t)[0] != "S" for t in pool) and time.monotonic() < until:
    time.sleep(0.05)
first = [stat(t) for t in pool]
time.sleep(0.3)
print(len(pool), {state for state, _ in first}, first == [stat(t) for t in pool])
"""
    assert python(code) == "3 {'S'} True"
