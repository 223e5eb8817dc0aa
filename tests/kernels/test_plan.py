"""The plan: fields, references, arenas, threads, forks, timings."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import reference as ref

from plait import kernels_pyx as kernels
from plait.kernels_pyx import Act, BinaryOp, Plan


def relu_plan(count: int, threads: int = 1, ops: int = 1) -> Plan:
    """Externals x, y; x + 1 `ops` times through the arena, then ReLU."""
    plan = Plan(threads)
    x, y = plan.add_external(count * 4), plan.add_external(count * 4, writable=True)
    one = np.ones(1, np.float32)
    plan.arena_bytes = count * 4
    source = x
    for _ in range(ops):
        plan.add(
            "f32_binary_scalar", a=source, b=one, y=kernels.arena(0), op=BinaryOp.ADD, swap=0, outer=1, rows=1,
            row=count, act=Act.NONE, act_a=0, act_b=0,
        )  # fmt: skip
        source = kernels.arena(0)
    plan.add("f32_act", x=source, y=y, outer=1, rows=1, row=count, act=Act.RELU, act_a=0, act_b=0)
    return plan


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_runs_ops_in_order(threads):
    x, y = ref.random((1001,)), np.empty(1001, np.float32)
    plan = relu_plan(1001, threads, ops=50)
    want = x
    for _ in range(50):
        want = want + np.float32(1)
    for _ in range(20):
        y[:] = np.nan
        plan.run([x, y])
        assert np.array_equal(y, np.maximum(want, 0))


def test_a_plan_serves_several_python_threads():
    plan = relu_plan(5000, threads=2, ops=10)
    failures = []

    def work(seed: int) -> None:
        x, y = ref.random((5000,), seed), np.empty(5000, np.float32)
        want = x
        for _ in range(10):
            want = want + np.float32(1)
        for _ in range(50):
            plan.run([x, y])
            if not np.array_equal(y, np.maximum(want, 0)):
                failures.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_a_range_of_ops_can_be_run():
    x, y = np.full(8, 5, np.float32), np.zeros(8, np.float32)
    plan = relu_plan(8, ops=3)
    arena = kernels.aligned_empty(8)
    plan.run([x, y], arena=arena, first=0, last=2)
    assert (arena == 7).all() and (y == 0).all()
    plan.run([x, y], arena=arena, first=3)
    assert (y == 7).all()
    with pytest.raises(ValueError, match=r"no ops \[3, 9\) in a plan of 4"):
        plan.run([x, y], first=3, last=9)


def test_timings():
    plan = relu_plan(1000, threads=2, ops=3)
    x, y = ref.random((1000,)), np.empty(1000, np.float32)
    times = plan.run_timed([x, y])
    assert times.shape == (4,) and (times > 0).all()
    for flush in (False, True):
        repeats = plan.time_op(1, 3, 7, [x, y], flush=flush)
        assert repeats.shape == (7,) and (repeats > 0).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_stamps_of_threads(threads):
    plan = relu_plan(1000, threads, ops=3)
    x, y = ref.random((1000,)), np.empty(1000, np.float32)
    start = time.perf_counter_ns()
    stamps = plan.run_traced([x, y])
    end = time.perf_counter_ns()
    assert np.array_equal(y, np.maximum(((x + np.float32(1)) + np.float32(1)) + np.float32(1), 0))
    assert stamps.shape == (4, threads, 2)
    begins, ends = stamps[..., 0], stamps[..., 1]
    assert start <= begins.min() and ends.max() <= end and (begins <= ends).all()
    # The barrier: nobody begins an op before all have ended the one before.
    assert (begins[1:].min(axis=1) >= ends[:-1].max(axis=1)).all()
    assert plan.run_traced([x, y], first=1, last=3).shape == (2, threads, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": 3, "value": 1.0, "colour": 1}, "no field 'colour'"),
        ({"count": 3}, "needs a value for its field 'value'"),
        ({"count": 1.5, "value": 1.0}, "field 'count' wants a int, got 1.5"),
        ({"count": 3, "value": "red"}, "field 'value'"),
    ],
)
def test_fields_are_checked(fields, message):
    plan = Plan()
    with pytest.raises(ValueError, match=message):
        plan.add("f32_fill", y=kernels.arena(0), **fields)
    assert len(plan) == 0


def test_references_are_checked():
    plan = Plan()
    with pytest.raises(ValueError, match="no such base"):
        plan.add("f32_fill", y=kernels.external(0), count=1, value=0.0)
    with pytest.raises(ValueError, match="no such offset"):
        plan.add("f32_fill", y=kernels.arena(-4), count=1, value=0.0)
    with pytest.raises(ValueError, match="field 'y' wants a ref"):
        plan.add("f32_fill", y=3, count=1, value=0.0)


def test_a_list_of_calls_is_like_single_calls():
    constants = [
        kernels.aligned_empty(8, np.float32).view(np.uint8),
        kernels.aligned_empty(4, np.float32).view(np.uint8),
    ]
    constants[0].view(np.float32)[...] = np.arange(8)
    constants[1].view(np.float32)[...] = -1
    plan = Plan()
    y = plan.add_external(16, writable=True)
    plan.arena_bytes = 64
    order = [name for name, _ in kernels.kernel_fields("f32_act")]

    def relu(x, y):
        fields = {"x": x, "y": y, "outer": 1, "rows": 1, "row": 4, "act": Act.RELU, "act_a": 0, "act_b": 0, "split": 0}
        return "f32_act", [fields[name] for name in order], "more"

    plan.add_calls([relu((-1, 16), [1, 0]), relu(kernels.arena(0), y)], constants)
    assert plan.ops_names == [("f32_act", kernels.isas_with("f32_act")[-1])] * 2
    plan.add_calls([relu((-2, 0), kernels.arena(32))], constants)
    out, arena = np.zeros(4, np.float32), kernels.aligned_empty(16)
    plan.run([out], arena=arena)
    assert out.tolist() == [4, 5, 6, 7] and arena[8:12].tolist() == [0, 0, 0, 0]
    constants[0].view(np.float32)[7] = 9  # constants are not copied
    plan.run([out])
    assert out.tolist() == [4, 5, 6, 9]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 0], 3], "f32_fill has 3 fields, got 2"),
        ([[1, 68], 3, 0.0], "field 'y': no such offset: 68"),
        ([[1, -4], 3, 0.0], "field 'y': no such offset: -4"),
        ([[4, 20], 3, 0.0], "field 'y': no such offset: 20"),
        ([[5, 0], 3, 0.0], "field 'y': no such base: 5"),
        ([[-1, 17], 3, 0.0], "field 'y': no such offset: 17"),
        ([[-1, -1], 3, 0.0], "field 'y': no such offset: -1"),
        ([[-2, 0], 3, 0.0], "field 'y': no such base: -2"),
        ([[2, 4096], 3, 0.0], "field 'y': a list of calls names constants by their numbers"),
        ([[0, 4], 3, 0.0], "field 'y': no such offset: 4"),
        ([7, 3, 0.0], "field 'y' wants a ref, got 7"),
        ([[1, 0], "x", 0.0], "field 'count' wants a int, got 'x'"),
    ],
)
def test_references_of_a_list_of_calls_lie_in_what_they_name(values, message):
    plan = Plan()
    plan.add_external(16, writable=True)
    plan.arena_bytes = 64
    with pytest.raises(ValueError, match=message):
        plan.add_calls([("f32_fill", values)], [np.zeros(16, np.uint8)])
    assert len(plan) == 0


def test_buffers_are_checked():
    plan = relu_plan(8)
    x, y = np.zeros(8, np.float32), np.zeros(8, np.float32)
    with pytest.raises(ValueError, match="takes 2 external buffers, got 1"):
        plan.run([x])
    with pytest.raises(ValueError, match="has 28 bytes, the plan expects 32"):
        plan.run([x[1:], y])
    with pytest.raises(ValueError, match="contiguous"):
        plan.run([np.zeros(16, np.float32)[::2], y])
    y.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only|not writable"):
        plan.run([x, y])
    x.flags.writeable = False
    plan.run([x, np.zeros(8, np.float32)])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no kernel named 'f32_conv_magic'"):
        Plan().add("f32_conv_magic")
    with pytest.raises(ValueError, match="ISA level 'avx9000' is not available"):
        kernels.lookup("f32_fill", "avx9000")
    with pytest.raises(ValueError, match="1 to 256 threads"):
        Plan(0)


LOW = ("q8_", "bf16_")
"""How kernels of low precision begin, which have blocks of 16 at every level; `f32_fc_*` have weights of it alone."""


def test_every_level_has_every_kernel():
    for isa in ref.FLOAT_ISAS:
        wide, narrow = [name for name in kernels.kernel_names("baseline") if "nchw4c" not in name], []
        assert set(wide) <= set(kernels.kernel_names(isa))
        for name in wide:
            handle = kernels.lookup(name, isa)
            assert handle.isa == isa and handle.fields == kernels.lookup(name).fields
        # Those for blocks of another size have the fields of those for 16.
        for block in set(ref.BLOCKS[isa]) - {16}:
            floats = [name for name in wide if "nchw16c" in name and not name.startswith((*LOW, "f16_"))]
            narrow = [name.replace("nchw16c", f"nchw{block}c") for name in floats]
            for blocked in narrow:
                same = blocked.replace(f"nchw{block}c", "nchw16c")
                assert kernels.kernel_fields(blocked, isa) == kernels.kernel_fields(same)
            narrow += [f"f32_nchw16c_to_nchw{block}c", f"f32_nchw{block}c_to_nchw16c"]
        assert set(kernels.kernel_names(isa)) == {*wide, *narrow}


def test_a_level_of_low_precision_extends_another():
    for isa in set(kernels.available_isas()) - set(ref.FLOAT_ISAS):
        assert kernels.kernel_names(isa) == kernels.kernel_names("avx512")
        own = [name for name in kernels.kernel_names(isa) if kernels.lookup(name, isa).isa == isa]
        assert own == [name for name in kernels.kernel_names(isa) if name.startswith((*LOW, "f32_fc_"))]
        assert kernels.lookup("f32_fill", isa).isa == "avx512"
    assert kernels.isas_with("q8_conv_naive_nchw") == kernels.available_isas()
    assert kernels.isas_with("f32_conv_magic") == []


def test_constants_are_kept_alive_and_shared():
    plan = Plan()
    values = np.arange(8, dtype=np.float32)
    first = plan.add_constant(values)
    assert plan.add_constant(values) == first
    y = plan.add_external(32, writable=True)
    plan.add("f32_act", x=first, y=y, outer=1, rows=1, row=8, act=Act.NONE, act_a=0, act_b=0)
    del values
    out = np.zeros(8, np.float32)
    plan.run([out])
    assert np.array_equal(out, np.arange(8))


def test_constants_must_be_contiguous():
    with pytest.raises(ValueError, match="constants must be C-contiguous"):
        Plan().add_constant(np.zeros((4, 4), np.float32).T[:2])


def test_arenas_follow_a_change_of_size():
    plan = Plan()
    plan.arena_bytes = 64
    plan.add("f32_fill", y=kernels.arena(0), count=16, value=1.0)
    plan.run()
    plan.arena_bytes = 1 << 16
    plan.add("f32_fill", y=kernels.arena(0), count=1 << 14, value=1.0)
    plan.run()
    with pytest.raises(ValueError, match="an arena for this plan has 65536 bytes"):
        plan.run(arena=kernels.aligned_empty(16))


def test_max_isa_caps_the_level():
    code = "from plait import kernels_pyx as k; print(k.isa_level(), k.available_isas())"
    env = os.environ | {"PLAIT_MAX_ISA": "baseline"}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["baseline", "['baseline']"]


def test_pools_survive_fork_and_shutdown():
    code = """
import os, sys
import numpy as np
from plait import kernels_pyx as kernels
plan = kernels.Plan(2)
y = plan.add_external(4000, writable=True)
plan.add("f32_fill", y=y, count=1000, value=1.0)
out = np.zeros(1000, np.float32)
plan.run([out])
pid = os.fork()
if pid == 0:
    out[:] = 0
    plan.run([out])
    sys.exit(0 if (out == 1).all() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
kernels.shutdown()
out[:] = 0
plan.run([out])
assert (out == 1).all()
print("fine")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout.strip() == "fine"


def test_version_hash():
    assert len(kernels.version_hash()) == 16
