"""Writes the register tiles of one ISA level as C: `tiles.py (gemm|conv|dwconv) (baseline|avx2|avx512) OUTPUT`.

A tile keeps P rows (pixels, or rows of a matrix) times V vectors of results in registers and walks the reduction once:
each step loads V vectors of weights, broadcasts one number per row, and does P*V multiply-adds.  The accumulators are
*named scalars*: GCC 12 turns arrays of vectors into stack traffic, because it unrolls after scalar replacement.
"""

import itertools
import sys

VECTOR_FLOATS = {"baseline": 4, "avx2": 8, "avx512": 16}

# Most rows of a tile, by vectors per row, so that P*V accumulators, V weights and a broadcast fit the registers:
# 16 of them, 32 with AVX-512.  Without FMA a product needs one more.
MOST_ROWS = {
    "baseline": {1: 8, 2: 4, 4: 2, 8: 1},
    "avx2": {1: 10, 2: 6, 4: 2},
    "avx512": {1: 14, 2: 14, 4: 6},
}
BLOCKS = {"baseline": (16, 4), "avx2": (16, 8), "avx512": (16,)}  # channels per block of the blocked layouts
DWCONV_MOST_COLUMNS = {"baseline": 8, "avx2": 8, "avx512": 14}
DWCONV_EDGES = ("inner", "left", "right", "both", "any")
DWCONV_SIZES = (3, 5, 7)
INDIRECT_MOST_ROWS = 12  # each row has a pointer of its own, of 15 registers
PANEL_ROWS = 12  # rows of a packed weight panel of the NCHW GEMM, the same on every level


def rows_addresses(rows: int, pointer: str, step: str, kind: str = "float") -> tuple[list[str], list[str]]:
    """Pointers for every third row and the expression of each row's element: x86 can add one register times 1, 2."""
    declare = [f"const {kind} *{pointer}{p} = {pointer} + {p} * {step};" for p in range(0, rows, 3)]
    element = [f"{pointer}{p - p % 3}[{p % 3} * {step}]" for p in range(rows)]
    return declare, element


class Tile:
    """Lines of C for the parts that all tiles share."""

    def __init__(self, rows: int, vectors: int, vector_floats: int):
        self.rows, self.vectors, self.vf = rows, vectors, vector_floats
        self.accumulators = [[f"c{p}_{v}" for v in range(vectors)] for p in range(rows)]
        self.flat = [name for row in self.accumulators for name in row]

    def zero(self) -> str:
        return "    vf " + ", ".join(f"{name} = vzero()" for name in self.flat) + ";"

    def step(self, weights: str, element: list[str], indent: str) -> list[str]:
        lines = [f"{indent}vf w{v} = vload({weights} + {v * self.vf});" for v in range(self.vectors)]
        for p in range(self.rows):
            lines.append(f"{indent}vf x{p} = vset({element[p]});")
            lines += [f"{indent}{self.accumulators[p][v]} += x{p} * w{v};" for v in range(self.vectors)]
        return lines


def activation(names: list[str]) -> list[str]:
    """What the epilogue does to the accumulators while they are in registers (act.h)."""
    lines = ["    if (e->kind == EPILOGUE_CLAMP) {", "        vf low = vset(e->low), high = vset(e->high);"]
    lines += [f"        {name} = vmin(high, vmax(low, {name}));" for name in names]
    lines += ["    } else if (e->kind == EPILOGUE_HARD_SWISH) {"]
    lines += [f"        {name} = vhard_swish({name});" for name in names]
    return [*lines, "    }"]


def late(names: list[str], vf: int) -> list[str]:
    """The dearer activations where results are rounded when they are stored, and so cannot be mended there."""
    lines = [f"        float sums[{len(names) * vf}] __attribute__((aligned(64)));"]
    lines += [f"        vstore(sums + {i * vf}, {name});" for i, name in enumerate(names)]
    lines.append(f"        act_apply(sums, sums, {len(names) * vf}, e->act, e->a, e->b);")
    return lines + [f"        {name} = vload(sums + {i * vf});" for i, name in enumerate(names)]


def gemm_tile(rows: int, vectors: int, vf: int, packed: bool) -> list[str]:
    """y[p][:] = sum over k of a[p][k] * b[k][:]; `packed`: a is a panel [k][PANEL_ROWS] and each row has a bias."""
    tile = Tile(rows, vectors, vf)
    kind = "panel" if packed else "rows"
    lines = [f"static void gemm_{kind}_{rows}x{vectors}(const struct gemm_operands *o)", "{"]
    lines += ["    const float *a = o->a, *b = o->b;", "    const struct epilogue *e = o->e;"]
    if packed:
        element = [f"a[{p}]" for p in range(rows)]
        advance = [f"        a += {PANEL_ROWS};"]
    else:
        declare, element = rows_addresses(rows, "a", "rs")
        lines += ["    int64_t rs = o->row_step, ks = o->k_step;"] + ["    " + d for d in declare]
        advance = [f"        a{p} += ks;" for p in range(0, rows, 3)]
    lines += [tile.zero(), "    for (int64_t k = o->k; k > 0; k--) {"]
    lines += tile.step("b", element, " " * 8)
    lines += [*advance, "        b += o->ldb;", "    }"]
    return [*lines, *gemm_ending(tile, packed)]


def indirect_tile(rows: int, vectors: int, vf: int) -> list[str]:
    """y[p][:] = sum over taps and k of row[tap][p][k] * b[tap][k][:]; a table says where each row of a tap lies."""
    tile = Tile(rows, vectors, vf)
    lines = [f"static void gemm_indirect_{rows}x{vectors}(const struct gemm_operands *o)", "{"]
    lines += [
        "    const float *b = o->b;",
        "    const struct epilogue *e = o->e;",
        "    const int32_t *at = o->offsets;",
    ]
    lines += [tile.zero(), "    for (int64_t tap = o->taps; tap > 0; tap--, at += o->offsets_step) {"]
    lines += [f"        const float *a{p} = gemm_row_at(o->a, at[{p}], o->zeros);" for p in range(rows)]
    lines += ["        for (int64_t k = 0; k < o->k; k++) {"]
    lines += tile.step("b", [f"a{p}[k]" for p in range(rows)], " " * 12)
    lines += ["            b += o->ldb;", "        }", "    }"]
    return [*lines, *gemm_ending(tile, packed=False)]


def gemm_ending(tile: Tile, packed: bool) -> list[str]:
    """Bias (one for each row if `packed`, else for each column), residual, activation, store."""
    rows, vectors, vf = tile.rows, tile.vectors, tile.vf
    lines = []
    if packed:
        for p in range(rows):
            lines.append(f"    vf bias{p} = vset(o->bias[{p}]);")
            lines += [f"    {name} += bias{p};" for name in tile.accumulators[p]]
    else:
        for v in range(vectors):
            lines.append(f"    vf bias{v} = vload(o->bias + {v * vf});")
            lines += [f"    {row[v]} += bias{v};" for row in tile.accumulators]
    lines += ["    if (o->res) {", "        const float *res = o->res;"]
    for p in range(rows):
        lines += [f"        {n} += vload(res + {v * vf});" for v, n in enumerate(tile.accumulators[p])]
        lines.append("        res += o->ldy;")
    lines += ["    }", *activation(tile.flat), "    float *y = o->y;"]
    for p in range(rows):
        lines += [f"    vstore(y + {v * vf}, {n});" for v, n in enumerate(tile.accumulators[p])]
        lines.append("    y += o->ldy;")
    return [*lines, "}", ""]


def conv_tile(rows: int, blocks: int, block: int, vf: int, stride: int) -> list[str]:
    """P pixels times `blocks` blocks of `block` output channels; stride in pixels (0: `pixel_step` floats)."""
    per_block = block // vf
    tile = Tile(rows, blocks * per_block, vf)
    lines = [
        f"static void conv_s{stride}_{rows}x{blocks}(const struct conv_walk *l, const float *x, const float *w,",
        "    const float *bias, const float *res, float *y)",
        "{",
        "    const struct epilogue *e = &l->e;",
        "    int64_t ldw = l->ldw, ahead_step = l->ahead_step;",
        "    const char *ahead = l->ahead;",
    ]
    declare: list[str] = []
    if stride:
        element = [f"xi[{p * stride * block}]" for p in range(rows)]
        advance = ["                    xi++;"]
    else:
        declare, element = rows_addresses(rows, "xi", "ps")
        advance = [f"                    xi{p}++;" for p in range(0, rows, 3)]
        lines.append("    int64_t ps = l->pixel_step;")
    lines += [
        tile.zero(),
        "    for (int64_t block = l->blocks; block > 0; block--, x += l->x_block) {",
        "        int64_t lanes = block > 1 ? l->lanes : l->last_lanes;",
        "        const float *xr = x;",
        "        for (int64_t i = l->kh; i > 0; i--, xr += l->x_row) {",
        "            const float *xi = xr;",
        "            for (int64_t j = l->kw; j > 0; j--, xi += l->x_col, w += l->w_step) {",
        "                const float *wi = w;",
    ]
    if stride:
        lines[-3:] = [
            "            const float *xc = xr;",
            "            for (int64_t j = l->kw; j > 0; j--, xc += l->x_col, w += l->w_step) {",
            "                const float *xi = xc, *wi = w;",
        ]
    lines += ["                " + d for d in declare]
    lines += ["                for (int64_t c = lanes; c > 0; c--) {"]
    lines += ["                    __builtin_prefetch(ahead, 0, 2);"]
    if tile.vectors > 2:
        lines += ["                    __builtin_prefetch(ahead + 64, 0, 2);"]
    lines += ["                    ahead += ahead_step;"]
    lines += tile.step("wi", element, " " * 20)
    lines += [*advance, "                    wi += ldw;", "                }", "            }", "        }", "    }"]
    for v in range(tile.vectors):
        lines.append(f"    vf bias{v} = vload(bias + {v * vf});")
        lines += [f"    {row[v]} += bias{v};" for row in tile.accumulators]
    lines.append("    if (res) {")
    for b in range(blocks):
        for p in range(rows):
            for v in range(per_block):
                name = tile.accumulators[p][b * per_block + v]
                lines.append(f"        {name} += vload(res + {b} * l->y_block + {p * block + v * vf});")
    lines += ["    }", *activation(tile.flat)]
    for b in range(blocks):
        for p in range(rows):
            for v in range(per_block):
                name = tile.accumulators[p][b * per_block + v]
                lines.append(f"    vstore(y + {b} * l->y_block + {p * block + v * vf}, {name});")
    return [*lines, "}", ""]


def dwconv_tile(columns: int, size: int, stride: int, vf: int, edge: str, pixels: str) -> list[str]:
    """`columns` neighbouring outputs of one vector of channels; each input is loaded once for all taps it meets.

    `pixels`: `near` in a block, where all steps are known, or `far` in NHWC.
    `edge`: which input columns lie outside the image and count as zeros. `left` and `right` are the usual ones (size /
    2 of them; on the right of an even number of columns, stride - 1 less), left out when this is written; `any` looks
    at [first, last) and points loads outside at a vector of zeros.
    """
    name = f"dwconv_{size}x{size}_s{stride}_{columns}_{edge}_{pixels}"
    acc = [f"c{p}" for p in range(columns)]
    lines = [
        f"static void {name}(const struct dwconv_walk *l, const element *x, const float *w, const float *bias,",
        "    const element *res, element *y)",
        "{",
        "    const struct epilogue *e = &l->e;",
        f"    int64_t ps = {'l->x_pixel' if pixels == 'far' else 'BLOCK'};",
        "    vf " + ", ".join(f"{name} = vzero()" for name in acc) + ";",
        "    for (int64_t i = l->rows; i > 0; i--, x += l->x_row) {",
    ]
    wide = (columns - 1) * stride + size
    first = size // 2 if edge in ("left", "both") else 0
    last = wide - size // 2 + stride - 1 if edge in ("right", "both") else wide
    used = {c - p * stride for c in range(first, last) for p in range(columns)}
    lines += [f"        vf w{j} = vload(w + {j} * ps);" for j in range(size) if j in used]
    declare, element = rows_addresses(wide, "x", "ps", "element")
    if edge != "any":
        lines += ["        " + declare[at // 3] for at in range(0, wide, 3) if at + 3 > first and at < last]
    for c in range(first, last):
        if edge == "any":
            lines.append(f"        vf v{c} = eload({c} >= l->first && {c} < l->last ? x + {c} * ps : no_pixel);")
        else:
            lines.append(f"        vf v{c} = eload(&{element[c]});")
        for p in range(columns):
            if 0 <= c - p * stride < size:
                lines.append(f"        c{p} += v{c} * w{c - p * stride};")
    lines += [f"        w += {size} * ps;", "    }", "    vf b = vload(bias);"]
    lines += [f"    {name} += b;" for name in acc]
    lines.append("    if (res) {")
    lines += [f"        {name} += eload(res + {p} * ps);" for p, name in enumerate(acc)]
    lines += ["    }", *activation(acc), "    if (NARROW && e->kind == EPILOGUE_LATE) {", *late(acc, vf), "    }"]
    lines += [f"    estore(y + {p} * ps, {name});" for p, name in enumerate(acc)]
    return [*lines, "}", ""]


def table(c_type: str, name: str, shape: str, entries: list[str]) -> list[str]:
    return [f"static {c_type} *const {name}{shape} = {{", *("    " + entry for entry in entries), "};", ""]


def gemm_file(isa: str) -> list[str]:
    vf, most = VECTOR_FLOATS[isa], {v: p for v, p in MOST_ROWS[isa].items() if v <= 4}
    indirect = {v: min(p, INDIRECT_MOST_ROWS) for v, p in most.items()}
    lines = []
    for limits, condition in ((most, "#ifndef GEMM_INDIRECT"), (indirect, "#else")):
        lines += [condition, f"enum {{ GEMM_MOST_ROWS = {max(limits.values())}, PANEL_ROWS = {PANEL_ROWS} }};"]
        lines.append(
            f"static const int gemm_most_rows[5] = {{{', '.join(f'[{v}] = {p}' for v, p in limits.items())}}};"
        )
    lines.append("#endif")
    for packed in (False, True):
        kind = "panel" if packed else "rows"
        sizes = [(p, v) for v, m in most.items() for p in range(1, min(m, PANEL_ROWS) + 1 if packed else m + 1)]
        sizes = [(p, v) for p, v in sizes if not packed or v <= 2]
        lines.append(f"#ifdef GEMM_{kind.upper()}")
        for p, v in sizes:
            lines += gemm_tile(p, v, vf, packed)
        entries = [f"[{v}][{p}] = gemm_{kind}_{p}x{v}," for p, v in sizes]
        lines += [*table("gemm_tile", f"gemm_{kind}", "[5][GEMM_MOST_ROWS + 1]", entries), "#endif"]
    sizes = [(p, v) for v, m in indirect.items() for p in range(1, m + 1)]
    lines.append("#ifdef GEMM_INDIRECT")
    for p, v in sizes:
        lines += indirect_tile(p, v, vf)
    entries = [f"[{v}][{p}] = gemm_indirect_{p}x{v}," for p, v in sizes]
    return [*lines, *table("gemm_tile", "gemm_rows", "[5][GEMM_MOST_ROWS + 1]", entries), "#endif"]


def conv_tiles(isa: str, block: int) -> list[str]:
    vf = VECTOR_FLOATS[isa]
    per_block = block // vf
    most = {b: MOST_ROWS[isa][b * per_block] for b in (1, 2, 4) if b * per_block in MOST_ROWS[isa]}
    # More blocks per tile save broadcasts, but not if so few rows fit that the FMA units run dry (AVX2: 2 x 4 vectors).
    largest = max(p * b for b, p in most.items())
    most = {b: p for b, p in most.items() if p * b >= 0.8 * largest or b == 1}
    lines = [f"enum {{ CONV_MOST_ROWS = {max(most.values())}, CONV_MOST_BLOCKS = {max(most)} }};"]
    lines.append(f"static const int conv_most_rows[5] = {{{', '.join(f'[{b}] = {p}' for b, p in most.items())}}};")
    for stride in (1, 2, 0):
        lines.append("#ifndef CONV_STRIDE_1_ONLY" if stride != 1 else "")
        entries = []
        for b, m in most.items():
            for p in range(1, m + 1):
                lines += conv_tile(p, b, block, vf, stride)
                entries.append(f"[{b}][{p}] = conv_s{stride}_{p}x{b},")
        lines += table("conv_tile", f"conv_tiles_s{stride}", "[5][CONV_MOST_ROWS + 1]", entries)
        lines.append("#endif" if stride != 1 else "")
    return lines


def conv_file(isa: str) -> list[str]:
    lines = []
    for block in BLOCKS[isa]:
        lines += [f"#if PLAIT_BLOCK == {block}", *conv_tiles(isa, block), "#endif"]
    return lines


def dwconv_file(isa: str) -> list[str]:
    most = DWCONV_MOST_COLUMNS[isa]
    lines = [f"enum {{ DWCONV_MOST_COLUMNS = {most} }};"]
    lines.append(f"enum dwconv_edge {{ {', '.join('EDGE_' + e.upper() for e in DWCONV_EDGES)}, EDGES }};")
    entries = []
    for far, pixels in enumerate(("near", "far")):
        for size, stride, edge in itertools.product(DWCONV_SIZES, (1, 2), DWCONV_EDGES):
            for columns in range(1, most + 1):
                if edge == "both" and (columns - 1) * stride + size <= 2 * (size // 2):
                    continue
                # Tiles of 7x7 are large and rare: one with an edge serves all edges.
                made = edge if size < 7 or edge == "inner" else "any"
                name = f"dwconv_{size}x{size}_s{stride}_{columns}_{made}_{pixels}"
                if made == edge:
                    lines += dwconv_tile(columns, size, stride, VECTOR_FLOATS[isa], edge, pixels)
                entries.append(f"[{far}][{size // 2 - 1}][{stride - 1}][EDGE_{edge.upper()}][{columns}] = {name},")
    shape = f"[2][{len(DWCONV_SIZES)}][2][EDGES][DWCONV_MOST_COLUMNS + 1]"
    return lines + table("dwconv_tile", "dwconv_tiles", shape, entries)


def main() -> None:
    what, isa, output = sys.argv[1:]
    lines = {"gemm": gemm_file, "conv": conv_file, "dwconv": dwconv_file}[what](isa)
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Written by gen/tiles.py {what} {isa}; do not edit. */\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
