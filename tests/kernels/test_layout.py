"""Layout changes, strided copies, fills and channel copies move every element, and only those."""

import numpy as np
import pytest
import reference as ref

from plait.kernels_pyx import Plan, aligned_empty


@pytest.mark.parametrize(
    ("isa", "source", "target"),
    [(i, a, b) for i, a in ref.LAYOUTS for j, b in ref.LAYOUTS if i == j and a != b],
)
@pytest.mark.parametrize(
    "shape",
    # Fewer pixels than a line, pixels left over; rows a multiple of 1 KB apart (256 channels, 256 pixels); past L2.
    [
        (1, 16, 4, 4),
        (2, 3, 5, 7),
        (1, 37, 9, 13),
        (1, 64, 1, 1),
        (2, 20, 1, 5),
        (1, 256, 7, 7),
        (1, 24, 16, 16),
        (1, 40, 58, 60),
    ],
)
def test_adapt(source, target, shape, isa):
    x = ref.random(shape)
    n, c, h, w = shape
    for threads in (1, 2):
        got = ref.run(
            f"f32_{source}_to_{target}", {"x": ref.to_layout(x, source)}, ref.size_in(target, shape), isa, threads,
            n=n, c=c, h=h, w=w,
        )  # fmt: skip
        assert np.array_equal(ref.from_layout(got, target, shape), x)


def copy_fields(d, x_step, y_step, elem_size):
    fields = {"elem_size": elem_size}
    for name, values, fill in (("d", d, 1), ("x_step", x_step, 0), ("y_step", y_step, 0)):
        padded = [fill] * (6 - len(values)) + list(values)
        fields |= {f"{name}{i}": v for i, v in enumerate(padded)}
    return fields


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)])
def test_transpose(dtype, order, isa):
    x = np.arange(2 * 3 * 4 * 5).astype(dtype).reshape(2, 3, 4, 5)
    y = np.zeros([x.shape[i] for i in order], dtype)
    x_step = [x.strides[i] // x.itemsize for i in order]
    y_step = [s // y.itemsize for s in y.strides]
    for threads in (1, 2):
        plan = Plan(threads)
        a, b = plan.add_external(x.nbytes), plan.add_external(y.nbytes, writable=True)
        plan.add("copy_nd", isa=isa, x=a, y=b, **copy_fields(y.shape, x_step, y_step, x.itemsize))
        y[...] = 0
        plan.run([x, y])
        assert np.array_equal(y, x.transpose(order))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64])
@pytest.mark.parametrize("seed", range(25))
def test_copies_between_random_boxes(dtype, seed, isa):
    """Slices with steps of either sign of a permuted array, into a slice of another array."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 7))
    dims = rng.choice([1, 2, 3, 4, 5, 17, 33], rank, p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.05, 0.05])
    if seed % 3 == 0:
        dims[rng.integers(rank)] = 70
    steps, extra = rng.choice([1, 1, 1, 2, -1, -2], rank), rng.choice([0, 0, 0, 1], rank)
    if seed % 2:
        steps, extra = np.ones_like(steps), np.zeros_like(extra)
    order = rng.permutation(rank)
    whole = dims * np.abs(steps)
    source = (np.arange(np.prod(whole)) % 2039).astype(dtype).reshape(whole)
    view = source[tuple(slice(None, None, int(s)) for s in steps)].transpose(order)
    base = np.full(view.shape + extra, 255).astype(dtype)
    want = base.copy()
    want[tuple(slice(0, d) for d in view.shape)] = view
    at = (view.__array_interface__["data"][0] - source.__array_interface__["data"][0]) if view.size else 0
    x_step, y_step = ([s // source.itemsize for s in v.strides] for v in (view, base))
    for threads in (1, 2, 3):
        plan, y = Plan(threads), base.copy()
        a, b = plan.add_external(source.nbytes), plan.add_external(y.nbytes, writable=True)
        fields = copy_fields(view.shape, x_step, y_step, source.itemsize)
        plan.add("copy_nd", isa=isa, x=type(a)(a.base, at), y=b, **fields)
        plan.run([source, y])
        assert np.array_equal(y, want)


def test_copy_of_a_broadcast_value(isa):
    x, y = np.array([3.5], np.float32), np.zeros((4, 5), np.float32)
    for threads in (1, 2):
        for shape in ((4, 5), (1,)):
            plan = Plan(threads)
            a, b = plan.add_external(4), plan.add_external(80, writable=True)
            y_step = [s // 4 for s in np.empty(shape, np.float32).strides]
            plan.add("copy_nd", isa=isa, x=a, y=b, **copy_fields(shape, [0] * len(shape), y_step, 4))
            y[...] = 0
            plan.run([x, y])
            assert (y.ravel()[: np.prod(shape)] == 3.5).all() and (y.ravel()[np.prod(shape) :] == 0).all()


@pytest.mark.parametrize("shape", [(1, 512, 70), (2, 3, 65, 130), (1, 64, 67, 9)])
def test_large_transpositions(shape, isa):
    x = ref.random(shape)
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    want = np.ascontiguousarray(x.transpose(axes))
    x_step, y_step = ([s // 4 for s in v.strides] for v in (x.transpose(axes), want))
    for threads in (1, 2):
        got = ref.run("copy_nd", {"x": x}, x.size, isa, threads, **copy_fields(want.shape, x_step, y_step, 4))
        assert np.array_equal(got.reshape(want.shape), want)


def test_reversed_slice(isa):
    x = ref.random((6, 10))
    plan = Plan()
    y = np.zeros((3, 10), np.float32)
    a, b = plan.add_external(x.nbytes), plan.add_external(y.nbytes, writable=True)
    start = type(a)(a.base, 5 * 40)
    plan.add("copy_nd", isa=isa, x=start, y=b, **copy_fields((3, 10), (-20, 1), (10, 1), 4))
    plan.run([x, y])
    assert np.array_equal(y, x[::-2])


def test_fill(isa):
    for threads in (1, 2):
        got = ref.run("f32_fill", {}, 37, isa, threads, count=37, value=2.5)
        assert (got == 2.5).all()


@pytest.mark.parametrize(
    ("x_first", "y_first", "channels"), [(0, 0, 40), (0, 5, 40), (3, 0, 17), (7, 30, 33), (16, 16, 16)]
)
@pytest.mark.parametrize(("isa", "layout"), ref.BLOCKED)
def test_channels_between_blocks(x_first, y_first, channels, isa, layout):
    x, base = ref.random((2, 40, 5, 3), 1), ref.random((2, 70, 5, 3), 2)
    want = base.copy()
    want[:, y_first : y_first + channels] = x[:, x_first : x_first + channels]
    for threads in (1, 2):
        plan = Plan(threads)
        blocked = ref.to_layout(base, layout)
        y = aligned_empty(blocked.shape)
        y[...] = blocked
        source = ref.to_layout(x, layout)
        a, b = plan.add_external(source.nbytes), plan.add_external(y.nbytes, writable=True)
        plan.add(
            f"f32_concat_part_{layout}", isa=isa, x=a, y=b, n=2, h=5, w=3, channels=channels, x_c=40, x_first=x_first,
            y_c=70, y_first=y_first,
        )  # fmt: skip
        plan.run([source, y])
        assert np.array_equal(ref.from_layout(y, layout, want.shape), want)
        block = ref.block_of(layout)
        beyond = y.reshape(2, -1, 15, block)[:, -1, :, 70 % block :]
        assert np.isnan(beyond).all(), "a lane beyond the last channel was written"
