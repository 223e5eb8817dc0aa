"""Writes the register tiles of integer matrix products of one ISA level as C: `tiles_q8_rows.py ISA OUTPUT`.

A tile keeps R rows times V vectors of int32 sums in registers, begun with the biases, and walks the taps of its rows
(gemm_q8.h): each step loads V vectors of weights (four input channels each), broadcasts four bytes of each row, adds
their products (`dot`, quant.h). It ends with the change of scale, a row at a time. Accumulators are named (tiles.py).
"""

import sys

VECTOR = {"baseline": 4, "avx2": 8, "avx512": 16, "avx512vnni": 16}
# Most rows by vectors of a tile. Rows have a pointer each, which must stay in registers as well as the sums.
MOST = {
    "baseline": {1: 6, 2: 4},
    "avx2": {1: 6, 2: 4},
    "avx512": {1: 10, 2: 10, 4: 5},
    "avx512vnni": {1: 10, 2: 10, 4: 6},
}


def begin(rows: int, vectors: int, vector: int) -> list[str]:
    """Sums begin with the biases, less what zero points of the weights take off."""
    lines = [f"    vi c0_{v} = viload(o->bias + {v * vector});" for v in range(vectors)]
    lines += [f"    vi c{r}_{v} = c0_{v};" for r in range(1, rows) for v in range(vectors)]
    lines.append("    if (o->zeros) {")
    for v in range(vectors):
        lines.append(f"        vi z{v} = viload(o->zeros + {v * vector});")
        lines += [f"        c{r}_{v} -= z{v} * o->row_sums[{r}];" for r in range(rows)]
    return [*lines, "    }"]


def step(rows: int, vectors: int, vector: int, pixel: str) -> list[str]:
    """Products of four bytes of each row; `pixel` with the row's address."""
    lines = [f"dot_weights w{v} = dot_load(w + {v * vector * 4});" for v in range(vectors)]
    for r in range(rows):
        lines.append(f"dot_pixel p{r} = {pixel.format(f'x{r} + i')};")
        lines += [f"c{r}_{v} = dot(c{r}_{v}, p{r}, w{v});" for v in range(vectors)]
    return [*lines, "w += GEMM_Q8_QUAD;"]


def end(rows: int, vectors: int, vector: int) -> list[str]:
    """Whole rows of bytes from registers; all else through memory."""
    lines = ["    if (__builtin_expect(o->plain, 1)) {", "        const struct requant q = *o->to;"]
    lines += [f"        vf s{v} = vload(o->scale + {v * vector});" for v in range(vectors)]
    for r in range(rows):
        lines += [f"        vf f{r}_{v} = to_float(c{r}_{v}) * s{v};" for v in range(vectors)]
    lines.append("        if (!o->shrinks) {")
    lines += [f"            f{r}_{v} = below_high(f{r}_{v}, &q);" for r in range(rows) for v in range(vectors)]
    lines.append("        }")
    for r in range(rows):
        four = ", ".join([*(f"f{r}_{v}" for v in range(vectors)), *[f"f{r}_{vectors - 1}"] * 3][:4])
        lines.append(f"        requantize_store4(o->y + {r} * o->ldy, &q, {vectors}, {four});")
    lines += ["        return;", "    }", f"    int32_t sums[{rows * vectors * vector}];"]
    for r in range(rows):
        lines += [f"    vistore(sums + {(r * vectors + v) * vector}, c{r}_{v});" for v in range(vectors)]
    return [*lines, f"    gemm_q8_finish(o, sums, {rows}, {vectors * vector});"]


def tile(rows: int, vectors: int, vector: int) -> list[str]:
    lines = [f"static void gemm_q8_{rows}x{vectors}(const struct gemm_q8 *o)", "{", "    const int8_t *w = o->b;"]
    lines += begin(rows, vectors, vector)
    lines.append("    for (int64_t tap = 0; tap < o->taps; tap++) {")
    lines += [f"        const uint8_t *x{r} = gemm_q8_row(o, tap, {r});" for r in range(rows)]
    lines += ["        int64_t i = 0;", "        for (; i < o->whole; i += 4) {"]
    lines += [" " * 12 + s for s in step(rows, vectors, vector, "dot_broadcast({})")]
    lines += ["        }", "        if (o->rest) {"]
    lines += [" " * 12 + s for s in step(rows, vectors, vector, "gemm_q8_rest({}, o->rest)")]
    lines += ["        }", "    }"]
    return [*lines, *end(rows, vectors, vector), "}", ""]


def main() -> None:
    isa, output = sys.argv[1:]
    most = MOST[isa]
    lines = [f"enum {{ GEMM_Q8_MOST_ROWS = {max(most.values())}, GEMM_Q8_MOST_VECTORS = {max(most)} }};"]
    lines.append(f"static const int gemm_q8_most_rows[5] = {{{', '.join(f'[{v}] = {r}' for v, r in most.items())}}};")
    entries = []
    for vectors, rows in most.items():
        for r in range(1, rows + 1):
            lines += tile(r, vectors, VECTOR[isa])
            entries.append(f"    [{vectors}][{r}] = gemm_q8_{r}x{vectors},")
    lines += ["static gemm_q8_tile *const gemm_q8_tiles[5][GEMM_Q8_MOST_ROWS + 1] = {", *entries, "};"]
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Written by gen/tiles_q8_rows.py {isa}; do not edit. */\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
