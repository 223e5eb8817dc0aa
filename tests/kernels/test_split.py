"""The field `split`: which part of a result each thread makes, and that results do not depend on it."""

from collections.abc import Iterator

import attrs
import numpy as np
import pytest
import reference as ref

from plait import kernels_pyx as kernels
from plait.kernels_pyx import Act, BinaryOp, Plan, Split, packing

C, H, W = 40, 7, 5
POISON = 0x7FC0BEEF
PLAIN = ("nchw", "nhwc")
ACT = {"act": Act.RELU, "act_a": 0.0, "act_b": 0.0}
IMAGE = {"n": 1, "c": C, "h": H, "w": W}


@attrs.frozen(eq=False)
class Call:
    """A call of a kernel whose result is an image of C x H x W in `layout`. Winograd cuts tiles of `unit` rows and
    columns, in their order, and channels are cut in pieces of `panel`."""

    kernel: str
    layout: str
    inputs: dict[str, np.ndarray]
    fields: dict[str, object]
    by_channels: bool = True
    unit: int = 1
    panel: int = 16

    def __str__(self) -> str:
        return f"{self.kernel}_{self.layout}"


def image(seed: int, channels: int = C) -> np.ndarray:
    return ref.random((1, channels, H, W), seed)


def convolutions(blocked: str) -> Iterator[Call]:
    case = ref.Case(C, C, (H, W), (3, 3), pads=(1, 1, 1, 1))
    w, b, block = ref.random_filters((C, C, 3, 3), 2), ref.random((C,), 3), ref.block_of(blocked)
    common = ref.geometry(case, (1, C, H, W)) | ACT
    tiles = {"tile_w": 0, "tile_b": 1, "groups": 1}

    def operands(source: str, target: str, weight: np.ndarray, channels: int = C) -> dict[str, np.ndarray]:
        return {
            "x": ref.to_layout(image(1, channels), source),
            "w": weight,
            "bias": packing.pack_channels(b, ref.block_of(target)),
            "res": ref.to_layout(image(4), target),
        }

    yield Call(
        f"f32_conv_{blocked}",
        blocked,
        operands(blocked, blocked, packing.pack_conv_blocked(w, 1, block)),
        common | tiles,
        panel=block,
    )
    few = common | {"ic": 3} | tiles
    stem = operands("nchw", blocked, packing.pack_conv_stem_nchw(w[:, :3], 1, block), 3)
    yield Call(f"f32_conv_stem_nchw_{blocked}", blocked, stem, few, panel=block)
    stem = operands("nhwc", blocked, packing.pack_conv_stem_nhwc(w[:, :3], 1, block), 3)
    yield Call(f"f32_conv_stem_nhwc_{blocked}", blocked, stem, few, panel=block)
    for m in (2, 4):
        inputs = operands(blocked, blocked, packing.pack_winograd(w, m, 1, block))
        fields = common | {"tile_m": m, "tile_block": 0, "tile_b": 1}
        yield Call(f"f32_conv_winograd_{blocked}", blocked, inputs, fields, unit=m, panel=block)
    if blocked != "nchw16c":
        return
    groups = common | {"groups": 1}
    yield Call("f32_conv_naive_nchw", "nchw", operands("nchw", "nchw", w), groups, panel=1)
    yield Call(
        "f32_conv_gemm_nchw", "nchw", operands("nchw", "nchw", packing.pack_conv_gemm_nchw(w, 1)), groups, panel=12
    )
    yield Call(
        "f32_conv_gemm_nhwc", "nhwc", operands("nhwc", "nhwc", packing.pack_conv_gemm_nhwc(w, 1)), groups, panel=32
    )


def layouts(blocked: str) -> tuple[str, ...]:
    """A blocked layout, and the plain ones beside the first."""
    return (*PLAIN, blocked) if blocked == "nchw16c" else (blocked,)


def piece(layout: str) -> int:
    """Channels that stay together when work is cut by channels."""
    return 16 if layout in PLAIN else ref.block_of(layout)


def windows(blocked: str) -> Iterator[Call]:
    case = ref.Case(C, C, (H, W), (3, 3), pads=(1, 1, 1, 1))
    w, b = ref.random((C, 1, 3, 3), 2), ref.random((C,), 3)
    pack = {"nchw": packing.pack_dwconv_nchw, "nhwc": packing.pack_dwconv_nhwc}
    geometry = ref.geometry(case, (1, C, H, W))
    pool = {k: v for k, v in geometry.items() if k not in ("ic", "oc")}
    for layout in layouts(blocked):
        block = ref.block_of(layout)
        filters = pack[layout](w) if layout in pack else packing.pack_dwconv_blocked(w, block)
        inputs = {
            "x": ref.to_layout(image(1), layout), "w": filters,
            "bias": packing.pack_channels(b, block), "res": ref.to_layout(image(4), layout),
        }  # fmt: skip
        yield Call(f"f32_dwconv_{layout}", layout, inputs, geometry | ACT, layout != "nhwc", panel=piece(layout))
        for kind in ("max", "avg"):
            fields = pool | {"c": C, "pad_b": 1, "pad_r": 1, "count_include_pad": 0}
            yield Call(
                f"f32_{kind}pool_{layout}",
                layout,
                {"x": inputs["x"]},
                fields,
                layout != "nhwc",
                panel=piece(layout),
            )


def elementwise(blocked: str) -> Iterator[Call]:
    for layout in layouts(blocked):
        block = ref.block_of(layout)
        x, y = ref.to_layout(image(1), layout), ref.to_layout(image(2), layout)
        per_channel = packing.pack_channels(ref.random((C,), 3), block)
        rows = (1, W * C) if layout == "nhwc" else (-(-C // block), W * block)
        flat = {"outer": rows[0], "rows": H, "row": rows[1]}
        binary = {"op": BinaryOp.SUB, "swap": 0} | ACT
        common = (layout != "nhwc", 1, block)
        yield Call("f32_act", layout, {"x": x}, flat | ACT, *common)
        yield Call("f32_unary", layout, {"x": x}, flat | {"function": kernels.UnaryFunction.NEG}, *common)
        yield Call("f32_binary_same", layout, {"a": x, "b": y}, flat | binary, *common)
        yield Call("f32_binary_scalar", layout, {"a": x, "b": y.ravel()[:1]}, flat | binary, *common)
        channel = IMAGE | binary | {"b_image": 0}
        yield Call(f"f32_binary_channel_{layout}", layout, {"a": x, "b": per_channel}, channel, *common)
        affine = {"x": x, "scale": per_channel, "shift": per_channel}
        yield Call(f"f32_affine_{layout}", layout, affine, IMAGE | ACT, *common)
        for other in sorted({"nchw", "nhwc", "nchw16c"} - {layout}):
            pairs = ((other, layout), (layout, other)) if blocked != "nchw16c" else ((other, layout),)
            for source, target in pairs:
                x = ref.to_layout(image(1), source)
                cut = min(piece(source), piece(target))
                yield Call(f"f32_{source}_to_{target}", target, {"x": x}, IMAGE, panel=cut)


CALLS = [
    (isa, call)
    for isa, blocked in ref.BLOCKED
    for calls in (convolutions, windows, elementwise)
    for call in calls(blocked)
]


def parts(call: Call, isa: str, threads: int, split: Split) -> list[np.ndarray]:
    """For each thread, its part of the result as C x H x W; elements that it does not make are NaN."""
    plan = Plan(threads)
    refs = {name: plan.add_external(array.nbytes) for name, array in call.inputs.items()}
    size = ref.size_in(call.layout, (1, C, H, W))
    y = plan.add_external(4 * size, writable=True)
    fields = call.fields | {"split": split}
    if "work" in dict(kernels.kernel_fields(call.kernel, isa)):
        refs["work"] = kernels.arena(0)
        plan.arena_bytes = plan.workspace_bytes(call.kernel, isa=isa, **fields)
    plan.add(call.kernel, isa=isa, y=y, **refs, **fields)
    found = []
    for thread in range(threads):
        result = np.full(size, POISON, np.int32).view(np.float32)
        plan.run_part(thread, [*(np.ascontiguousarray(a, np.float32) for a in call.inputs.values()), result])
        found.append(ref.from_layout(result, call.layout, (1, C, H, W))[0])
    return found


def share(total: int, thread: int, threads: int) -> range:
    return range(total * thread // threads, total * (thread + 1) // threads)


def owners(total: int, size: int, threads: int) -> list[int]:
    """Which thread makes each of `total` rows or channels that are cut in pieces of `size`."""
    pieces = -(-total // size)
    thread_of = {piece: thread for thread in range(threads) for piece in share(pieces, thread, threads)}
    return [thread_of[i // size] for i in range(total)]


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize(("isa", "call"), CALLS, ids=str)
def test_each_thread_makes_its_part(call: Call, threads: int, isa: str) -> None:
    for split in (Split.ROWS, Split.CHANNELS) if call.by_channels else (Split.ROWS,):
        wanted = np.empty((C, H, W), int)
        if split == Split.ROWS:
            across = -(-W // call.unit) if call.unit > 1 else 1
            tiles = owners(-(-H // call.unit) * across, 1, threads)
            wanted[:] = [[tiles[r // call.unit * across + c // call.unit % across] for c in range(W)] for r in range(H)]
        else:
            wanted[:] = np.array(owners(C, call.panel, threads))[:, None, None]
        for thread, part in enumerate(parts(call, isa, threads, split)):
            made = part.view(np.int32) != POISON
            np.testing.assert_array_equal(made, wanted == thread, f"{split.name}, thread {thread}")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("isa", "call"), CALLS, ids=str)
def test_results_are_the_same_however_work_is_cut(call: Call, threads: int, isa: str) -> None:
    size = ref.size_in(call.layout, (1, C, H, W))
    want = ref.from_layout(ref.run(call.kernel, call.inputs, size, isa, **call.fields), call.layout, (1, C, H, W))
    for split in Split:
        got = ref.run(call.kernel, call.inputs, size, isa, threads, **call.fields, split=split)
        np.testing.assert_array_equal(ref.from_layout(got, call.layout, (1, C, H, W)), want)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("split", [Split.ROWS, Split.CHANNELS])
@pytest.mark.parametrize(("isa", "layout"), ref.BLOCKED)
def test_parts_of_joined_channels(threads: int, split: Split, isa: str, layout: str) -> None:
    """Blocks are shifted, so channels cannot be cut; one image is then the work of one thread."""
    fields = {"n": 1, "h": H, "w": W, "channels": C, "x_c": C, "x_first": 0, "y_c": C, "y_first": 0}
    call = Call(f"f32_concat_part_{layout}", layout, {"x": ref.to_layout(image(1), layout)}, fields)
    made = [(part.view(np.int32) != POISON).sum(axis=(0, 2)) for part in parts(call, isa, threads, split)]
    wanted = [[C * W * (r in share(H, t, threads)) for r in range(H)] for t in range(threads)]
    assert np.array_equal(made, wanted if split == Split.ROWS else [[0] * H] * (threads - 1) + [[C * W] * H])


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "nchw16c"])
@pytest.mark.parametrize("split", list(Split))
def test_touching(layout: str, split: Split, isa: str) -> None:
    dims = {"nchw": (C, H, W, 1), "nhwc": (1, H, W, C), "nchw16c": (3, H, W, 16)}[layout]
    fields = dict(zip(("outer", "rows", "columns", "lanes"), dims, strict=True))
    plan = Plan(2)
    size = ref.size_in(layout, (1, C, H, W))
    x, sums = plan.add_external(4 * size, writable=True), plan.add_external(4 * 32, writable=True)
    for write in (1, 0):
        plan.add("f32_touch", isa=isa, x=x, sums=sums, **fields, split=split, write=write)
    written, seen = [], np.zeros(32, np.float32)
    for thread in (0, 1):
        data = np.zeros(size, np.float32)
        plan.run_part(thread, [data, seen], last=1)
        written.append(data)
    whole = np.arange(size, dtype=np.float32) / 8
    plan.run([whole, seen], first=1)
    for thread in (0, 1):
        np.testing.assert_allclose(seen[16 * thread], whole[written[thread] == 1].sum(), rtol=1e-5)
    assert (written[0] + written[1] == (2 if split == Split.AUTO else 1)).all()
    if split == Split.ROWS:
        assert sum(written[0].reshape(dims)[:, 2:4, 0, 0].ravel()) == dims[0]


def test_only_threads_of_the_plan_have_parts() -> None:
    with pytest.raises(ValueError, match="a plan of 2 threads has no thread 2"):
        Plan(2).run_part(2)
