"""Programs: kernels and Python steps together, outputs of every kind, memory, threads, errors."""

from __future__ import annotations

import threading
import time

import networks
import numpy as np
import pytest

from plait.backends.build import lower
from plait.backends.descriptor import RoutinePath
from plait.backends.errors import RoutineError
from plait.backends.executable import Computed
from plait.backends.lowering import Lowering
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.backends.routine import find_routine
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.values import Array
from plait.testing.compare import assert_close

VECTOR, REFERENCE, VIEW, COPY = (
    "cpu/f32/nchw/vector",
    "cpu/any/nchw/reference",
    "cpu/any/nchw/view",
    "cpu/any/nchw/copy",
)


def test_layers_with_regions_are_refused() -> None:
    module = parse_module(
        "ir 1\nnet @main(%c: bool[], %x: f32[2]) -> (%y: f32[2]) {\n  %y = if(%c)\n    then () -> (%a: f32[2]) {\n"
        "      %a = relu(%x)\n    }\n    else () -> (%x: f32[2]) {\n    } : f32[2] via cpu/any/nchw/reference\n}\n"
    )
    with pytest.raises(RoutineError, match="if runs regions or nets, and a program only layers"):
        Program(module)


def net(arguments: str, outputs: str, *layers: str, constants: str = "") -> Module:
    body = "".join(f"  {layer}\n" for layer in layers)
    return parse_module(f"ir 1\n{constants}net @main({arguments}) -> ({outputs}) {{\n{body}}}\n")


def inputs_of(module: Module, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(1, 4, v.type.static_shape).astype(v.type.dtype.numpy)
        if not v.type.dtype.is_float
        else np.asarray(rng.standard_normal(v.type.static_shape), v.type.dtype.numpy)
        for v in module.main.arguments
    ]


def check(module: Module, *, threads: int = 1) -> Program:
    """Run a module with nchw inputs and outputs in every way there is, and compare with its layers' references."""
    program = Program(module, threads)
    inputs = inputs_of(module)
    wanted = list(evaluate(module, inputs).values())
    given = program.allocate_outputs()
    assert program.run(inputs, given)[0] is given[0]
    stepped = step_by_step(program, inputs)
    for outputs in (
        given,
        program.run(inputs),
        stepped,
        networks.run_and_poison(module, lower(module, threads), inputs),
    ):
        assert len(outputs) == len(wanted)
        assert_close(dict(enumerate(outputs)), dict(enumerate(wanted)))  # type: ignore[arg-type]
        assert [o.dtype for o in outputs] == [w.dtype for w in wanted]
    assert [i.tobytes() for i in inputs] == [i.tobytes() for i in inputs_of(module)]
    return program


def step_by_step(program: Program, inputs: list[Array]) -> list[Array]:
    outputs, memory = program.allocate_outputs(), program.allocate_arena()
    count = len(program.executable.steps)
    for first, last in ((0, count // 2), *((i, i + 1) for i in range(count // 2, count))):
        program.run_steps(first, last, [*inputs, *outputs], memory)
    return outputs


# --- kernels and Python ---


def test_all_kernels_are_one_call() -> None:
    program = check(
        net(
            "%x: f32[2x3x4x5] nchw",
            "%y: f32[2x3x4x5] nchw",
            f"%a = relu(%x) via {VECTOR}",
            f"%b = sigmoid(%a) via {VECTOR}",
            f"%y = add(%a, %b) via {VECTOR}",
        )
    )
    assert program.is_single_call


def test_python_between_kernels() -> None:
    program = check(
        net(
            "%x: f32[2x3x4x5] nchw",
            "%y: f32[2x3x4x5] nchw",
            f"%a = relu(%x) via {VECTOR}",
            f"%b = sigmoid(%a) via {REFERENCE}",
            f"%c = add(%a, %b) via {VECTOR}",
            f"%y = tanh(%c) via {REFERENCE}",
        )
    )
    assert not program.is_single_call
    assert [isinstance(s, Computed) for s in program.executable.steps] == [False, True, False, True]


def test_all_python() -> None:
    assert not check(net("%x: f32[5]", "%y: f32[5]", f"%y = relu(%x) via {REFERENCE}")).is_single_call


def test_a_function_without_layers() -> None:
    assert check(net("%x: f32[5]", "%x: f32[5]")).is_single_call


def test_integers() -> None:
    check(
        net(
            "%x: f32[2x3x4x5] nchw, %i: i64[2]",
            "%y: f32[2x2x4x5] nchw, %d: i64[3]",
            f"%s = shape(%x) via {REFERENCE}",
            f"%j = add(%i, %i) via {REFERENCE}",
            f"%k = slice(%j) {{axes = [0], starts = [0], stops = [1]}} via {COPY}",
            f"%r = sub(%i, %i) via {REFERENCE}",
            f"%y = gather(%x, %r) {{axis = 1}} via {REFERENCE}",
            f"%q = slice(%s) {{axes = [0], starts = [2], stops = [4]}} via {COPY}",
            f"%d = concat(%q, %k) {{axis = 0}} via {COPY}",
        )
    )


def test_bytes() -> None:
    """Elements of one byte begin at odd places in the arena."""
    module = net(
        "%x: u8[5], %y: u8[3]",
        "%z: u8[6]",
        f"%a = add(%x, %x) via {REFERENCE}",
        f"%c = concat(%a, %y) {{axis = 0}} via {REFERENCE}",
        f"%d = slice(%c) {{axes = [0], starts = [1], stops = [7]}} via {REFERENCE}",
        f"%z = reshape(%d) {{shape = [6]}} via {VIEW}",
    )
    check(module)
    concat = list(module.main)[1]
    copy = find_routine("concat", RoutinePath.parse(COPY))
    assert copy is not None
    assert copy.refuse(concat) == "elements of 1 bytes start at places that plans cannot name"


def test_constants_only() -> None:
    constants = "const @a : f32[3] = [1.0, 2.0, 3.0]\nconst @b : f32[3] = [0.5, 0.5, -4.0]\n"
    check(
        net(
            "%x: f32[3]",
            "%y: f32[3], %z: f32[3]",
            f"%c = add(@a, @b) via {VECTOR}",
            f"%d = mul(@a, @b) via {REFERENCE}",
            f"%y = add(%c, %x) via {VECTOR}",
            f"%z = maximum(%d, %c) via {VECTOR}",
            constants=constants,
        )
    )


def test_a_function_without_arguments() -> None:
    check(net("", "%y: f32[3]", f"%y = relu(@a) via {VECTOR}", constants="const @a : f32[3] = [1.0, -2.0, 3.0]\n"))


def test_empty_tensors() -> None:
    check(
        net(
            "%x: f32[3x4]",
            "%y: f32[0x4], %z: f32[0x4]",
            f"%y = slice(%x) {{axes = [0], starts = [2], stops = [2]}} via {COPY}",
            f"%z = relu(%y) via {VECTOR}",
        )
    )


def test_unused_results() -> None:
    check(
        net(
            "%x: f32[2x5]",
            "%b: f32[2x2]",
            f"%a, %b = split(%x) {{sizes = [3, 2], axis = 1}} via {COPY}",
            f"%u = relu(%x) via {VECTOR}",
        )
    )


# --- outputs ---


def test_an_argument_as_output() -> None:
    check(net("%x: f32[2x3], %i: i64[3]", "%x: f32[2x3], %y: f32[2x3], %i: i64[3]", f"%y = relu(%x) via {VECTOR}"))


def test_a_constant_as_output() -> None:
    check(
        net(
            "%x: f32[2]",
            "%y: f32[2], @c: i64[3]",
            f"%y = relu(%x) via {VECTOR}",
            constants="const @c : i64[3] = [4, 5, 6]\n",
        )
    )


def test_a_value_twice_as_output() -> None:
    for path in (VECTOR, REFERENCE):
        module = net(
            "%x: f32[2]", '%y: f32[2], "other" = %y: f32[2], "third" = %y: f32[2]', f"%y = relu(%x) via {path}"
        )
        a, b, c = check(module).run(inputs_of(module))
        assert not np.shares_memory(a, b) and not np.shares_memory(b, c)


@pytest.mark.parametrize("path", [VIEW, REFERENCE])
def test_views_of_arguments(path: str) -> None:
    check(
        net(
            "%x: f32[2x6]",
            "%y: f32[3x4], %z: f32[12]",
            f"%y = reshape(%x) {{shape = [3, 4]}} via {path}",
            f"%v = reshape(%x) {{shape = [12]}} via {path}",
            f"%z = relu(%v) via {VECTOR}",
        )
    )


@pytest.mark.parametrize("path", [VIEW, REFERENCE])
@pytest.mark.parametrize("maker", [VECTOR, REFERENCE])
def test_views_of_outputs_as_outputs(path: str, maker: str) -> None:
    check(
        net(
            "%x: f32[2x6]",
            "%y: f32[2x6], %v: f32[12], %w: f32[4x3]",
            f"%y = relu(%x) via {maker}",
            f"%v = reshape(%y) {{shape = [12]}} via {path}",
            f"%w = reshape(%v) {{shape = [4, 3]}} via {path}",
        )
    )


def test_an_output_that_later_layers_read() -> None:
    check(
        net(
            "%x: f32[6]",
            "%a: f32[6], %b: f32[6], %c: f32[6]",
            f"%a = relu(%x) via {VECTOR}",
            f"%b = add(%a, %x) via {VECTOR}",
            f"%c = mul(%a, %b) via {REFERENCE}",
        )
    )


# --- memory ---


def test_a_view_that_outlives_its_source() -> None:
    check(
        net(
            "%x: f32[6x8]",
            "%y: f32[48]",
            f"%a = relu(%x) via {VECTOR}",
            f"%v = reshape(%a) {{shape = [48]}} via {VIEW}",
            f"%b = sigmoid(%x) via {VECTOR}",
            f"%c = tanh(%b) via {VECTOR}",
            f"%d = add(%b, %c) via {VECTOR}",
            f"%e = reshape(%d) {{shape = [48]}} via {VIEW}",
            f"%w = reshape(%v) {{shape = [6, 8]}} via {VIEW}",
            f"%f = reshape(%w) {{shape = [48]}} via {VIEW}",
            f"%y = add(%e, %f) via {VECTOR}",
        )
    )


def test_one_value_twice_among_operands() -> None:
    check(
        net(
            "%x: f32[1x3x2x2] nchw",
            "%y: f32[1x12x2x2] nchw",
            f"%a = relu(%x) via {VECTOR}",
            f"%v = reshape(%a) {{shape = [1, 3, 2, 2]}} via {VIEW}",
            f"%c = concat(%a, %v, %a) {{axis = 1}} via {COPY}",
            f"%s = mul(%a, %v) via {VECTOR}",
            f"%y = concat(%c, %s) {{axis = 1}} via {COPY}",
        )
    )


def test_a_blocked_image_of_one_pixel_as_a_row() -> None:
    program = check(
        net(
            "%x: f32[1x24x3x3] nchw",
            "%y: f32[1x24]",
            "%b = adapt(%x) : f32[1x24x3x3] nchw16c via cpu/f32/nchw16c/from_nchw",
            "%p = global_avg_pool(%b) : f32[1x24x1x1] nchw16c via cpu/f32/nchw16c/mean",
            "%r = reshape(%p) {shape = [1, 24]} : f32[1x24] via cpu/f32/nchw16c/view",
            f"%y = relu(%r) via {VECTOR}",
        )
    )
    assert program.is_single_call


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("world", ["mixed", *networks.WORLDS])
def test_random_networks(seed: int, world: str) -> None:
    """Chosen routines do not change what a network computes; dead memory is never read; threads do not change a bit."""
    module, original = networks.tuned(seed, world), networks.network(seed)
    inputs = inputs_of(module)
    wanted = evaluate(original, inputs)
    names = list(wanted)
    program = Program(module)
    first = program.run(inputs)
    for outputs in (first, networks.run_and_poison(module, lower(module, 1), inputs)):
        assert_close(dict(zip(names, outputs, strict=True)), wanted)
    second = Program(module, 2).run(inputs)
    assert [o.tobytes() for o in second] == [o.tobytes() for o in first]


def test_poison_is_seen() -> None:
    """The check above can fail: a buffer that is freed too early makes NaN."""
    module = net(
        "%x: f32[8]",
        "%y: f32[8]",
        f"%a = relu(%x) via {VECTOR}",
        f"%b = sigmoid(%a) via {VECTOR}",
        f"%y = add(%a, %b) via {VECTOR}",
    )
    lowering = lower(module, 1)
    (early,) = [b for b in lowering.buffers if b.name == "a"]
    assert (early.first, early.last) == (0, 2)
    early.last = 1
    (y,) = networks.run_and_poison(module, lowering, [np.ones(8, np.float32)])
    assert np.isnan(y).all()


# --- calls ---


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("world", ["mixed", "reference"])
def test_calls_at_the_same_time_are_independent(world: str, threads: int) -> None:
    module = networks.tuned(3, world)
    program = Program(module, threads)
    inputs = [inputs_of(module, seed) for seed in range(4)]
    alone = [[o.tobytes() for o in program.run(i)] for i in inputs]
    assert len({tuple(a) for a in alone}) == 4
    wrong: list[str] = []
    start = threading.Barrier(4)

    def call(number: int) -> None:
        start.wait()
        for _ in range(15):
            if [o.tobytes() for o in program.run(inputs[number])] != alone[number]:
                wrong.append(f"call {number} gave something else")

    callers = [threading.Thread(target=call, args=(n,)) for n in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_times_of_layers() -> None:
    module = net(
        "%x: f32[64x1000]",
        "%y: f32[64x1000], %x: f32[64x1000]",
        f"%a = relu(%x) via {VECTOR}",
        f"%b = sigmoid(%a) via {REFERENCE}",
        f"%c = reshape(%b) {{shape = [64000]}} via {VIEW}",
        f"%d = reshape(%c) {{shape = [64, 1000]}} via {VIEW}",
        f"%y = add(%d, %a) via {VECTOR}",
    )
    program = Program(module)
    times = program.layer_times(inputs_of(module))
    # One for each layer and one for copies of outputs; views cost nothing.
    assert len(times) == 6
    assert (times[[0, 1, 4, 5]] > 0).all() and (times[[2, 3]] == 0).all()
    assert times[1] > times[0]


@pytest.mark.parametrize("threads", [1, 3])
def test_spans_of_steps(threads: int) -> None:
    module = net(
        "%x: f32[64x100]",
        "%y: f32[64x100], %x: f32[64x100]",
        f"%a = relu(%x) via {VECTOR}",
        f"%b = sigmoid(%a) via {REFERENCE}",
        f"%y = add(%b, %a) via {VECTOR}",
    )
    program = Program(module, threads)
    inputs, outputs = inputs_of(module), program.allocate_outputs()
    start = time.perf_counter_ns()
    spans = program.trace(inputs, outputs)
    end = time.perf_counter_ns()
    assert [o.tobytes() for o in outputs] == [o.tobytes() for o in program.run(inputs)]
    steps = program.executable.steps
    assert [s.layer for s in steps] == [0, 1, 2, -1]
    wanted = [(step, thread) for step in range(4) for thread in range(1 if step == 1 else threads)]
    assert [(s.step, s.thread) for s in spans] == wanted
    assert all(start <= s.begin <= s.end <= end for s in spans)
    for step in range(1, 4):
        assert max(s.end for s in spans if s.step == step - 1) <= min(s.begin for s in spans if s.step == step)


@pytest.mark.parametrize("path", [VECTOR, REFERENCE])
def test_times_of_runs(path: str) -> None:
    program = Program(net("%x: f32[1000]", "%y: f32[1000]", f"%y = relu(%x) via {path}"))
    times = program.time([np.zeros(1000, np.float32)], 5)
    assert times.shape == (5,) and (times > 0).all()


def test_bytes_of_constants() -> None:
    module = net(
        "%x: f32[4]",
        "%y: f32[4]",
        f"%a = add(%x, @c) via {VECTOR}",
        f"%y = mul(%a, @c) via {VECTOR}",
        constants="const @c : f32[4] = [1.0, 2.0, 3.0, 4.0]\n",
    )
    assert Program(module).constant_bytes == 16


@pytest.mark.parametrize("path", [VECTOR, REFERENCE])
def test_external_arrays_that_do_not_fit(path: str) -> None:
    program = Program(net("%x: f32[4x6]", "%y: f32[4x6]", f"%y = relu(%x) via {path}"))
    good = np.zeros((4, 6), np.float32)
    with pytest.raises(ValueError, match="takes 2 external buffers, got 3"):
        program.run([good, good])
    with pytest.raises(ValueError, match="has 192 bytes"):
        program.run([good.astype(np.float64)])
    with pytest.raises(ValueError):
        program.run([good], [np.zeros((8, 6), np.float32)[::2]])


# --- errors ---


def problems(module: Module) -> list[str]:
    with pytest.raises(RoutineError) as caught:
        Program(module)
    assert {d.code for d in caught.value.diagnostics} == {"P403"}
    return [d.message for d in caught.value.diagnostics]


CONV = "%y = conv2d(%x, @w) : f32[1x16x4x4] nchw16c via cpu/f32/nchw16c/"
WEIGHT = 'weights "w" {\n  @w : f32[16x3x1x1]\n}\n'
X = "%x: f32[1x3x4x4] nchw"


def test_every_layer_without_a_routine_is_named() -> None:
    assert problems(
        net("%x: f32[3]", "%y: f32[3]", "%a = relu(%x)", f"%b = relu(%a) via {VECTOR}", "%y = relu(%b)")
    ) == ["%a (relu) has no routine", "%y (relu) has no routine"]


def test_unknown_routine() -> None:
    assert problems(net("%x: f32[3]", "%y: f32[3]", "%y = relu(%x) via cpu/f32/nchw/magic")) == [
        "%y (relu) wants routine cpu/f32/nchw/magic, which is not installed"
    ]


def test_malformed_routine() -> None:
    assert problems(net("%x: f32[3]", "%y: f32[3]", "%y = relu(%x) via cpu/f32/nchw")) == [
        "%y (relu) has no routine: a routine path is device/dtype/layout/algorithm, optionally with [variant]"
    ]


def test_refusal() -> None:
    assert problems(net("%x: i64[3]", "%y: i64[3]", f"%y = relu(%x) via {VECTOR}")) == [
        f"routine {VECTOR} refuses %y (relu): %x is i64, not f32"
    ]


def test_unknown_variant() -> None:
    for variant in ("", "[tile=0x64]", "[huge]"):
        (message,) = problems(net(X, "%y: f32[1x16x4x4] nchw16c", CONV + f"stem_nchw{variant}", constants=WEIGHT))
        assert message == f"routine cpu/f32/nchw16c/stem_nchw of %y (conv2d) has no variant {variant.strip('[]')!r}"


def test_formats_that_do_not_fit() -> None:
    assert problems(net(X, "%y: f32[1x16x4x4] nchw16c", CONV + "direct[tile=0x1]", constants=WEIGHT)) == [
        "routine cpu/f32/nchw16c/direct[tile=0x1] of %y (conv2d) takes cpu/f32/nchw16c and gives cpu/f32/nchw16c, "
        "but the types say "
        "cpu/f32/nchw and cpu/f32/nchw16c"
    ]


def test_symbolic_dimensions() -> None:
    assert problems(net("%x: f32[Nx3]", "%y: f32[Nx3]", f"%y = relu(%x) via {VECTOR}")) == [
        "dimensions N are symbolic; a program needs numbers"
    ]


def test_python_steps_are_row_major() -> None:
    module = net("%x: f32[1x3x4x4] nhwc", "%y: f32[1x3x4x4] nhwc", "%y = relu(%x) : f32[1x3x4x4] nhwc")
    (layer,) = module.main
    with pytest.raises(ValueError, match=r"%y \(relu\) is computed by Python, but %x is in nhwc, not row-major"):
        Lowering(1).python(layer)
