"""A worker with invented times: `pretend_worker.py HOST LOG`. Each measurement takes 2 ms, and says when and where."""

import os
import sys
import time
import zlib

from plait.backends.profiling import measure, worker, worker_hello
from plait.backends.profiling.job import LIMITS, Job, Result
from plait.backends.profiling.machine import this_machine

host, log = sys.argv[1:]
limits = measure.measure


def pretend(job: Job, limit_ns: int | None = None) -> Result:
    """A time that depends on the job alone."""
    begun = time.monotonic_ns()
    time.sleep(0.002)
    line = f"{host} {begun} {time.monotonic_ns()} {job.state} {job.signature.replace(' ', '')}\n"
    with open(log, "a") as file:
        os.write(file.fileno(), line.encode())
    if job.state == LIMITS:
        return limits(job, limit_ns)
    ns = 20_000 + zlib.crc32(f"{job.signature} {job.routine}".encode()) % 10_000
    return Result("ok", (ns * (100 if "reference" in job.routine else 1),) * 10)


measure.measure = pretend
if host != "here":
    there = this_machine()._replace(host=host)
    worker_hello.this_machine = lambda: there
worker.main()
