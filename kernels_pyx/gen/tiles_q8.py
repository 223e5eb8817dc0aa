"""Writes the register tiles of integer convolutions of one ISA level as C: `tiles_q8.py ISA OUTPUT`.

A tile keeps P pixels times V vectors of int32 sums in registers, begun with the biases, and walks the reduction: each
step loads V vectors of weights (four input channels each), broadcasts four bytes per pixel, adds their products
(`dot`, quant.h). It ends with the change of scale, four vectors at a time. Accumulators are named (tiles.py).
"""

import sys
from collections.abc import Callable

VECTOR = {"baseline": 4, "avx2": 8, "avx512": 16, "avx512vnni": 16}
BLOCK = 16
# Most pixels by output blocks of a tile. Without VNNI weights and pixels take two registers each, and products one.
MOST = {
    "baseline": {1: 2},
    "avx2": {1: 4},
    "avx512": {1: 14, 2: 12, 4: 5},
    "avx512vnni": {1: 14, 2: 14, 4: 6},
}


def addresses(pixels: int, stride: int, pixel_bytes: int) -> tuple[list[str], list[str], list[str]]:
    """Declarations, each pixel's address, and how they go on by a step; stride in pixels (0: `ps` bytes)."""
    if stride:
        return ["const uint8_t *xi = xc;"], [f"xi + {p * stride * pixel_bytes}" for p in range(pixels)], ["xi += 4;"]
    firsts = range(0, pixels, 3)  # x86 adds one register times 1 or 2
    declare = [f"const uint8_t *xi{p} = xc + {p} * ps;" for p in firsts]
    return declare, [f"xi{p - p % 3} + {p % 3} * ps" for p in range(pixels)], [f"xi{p} += 4;" for p in firsts]


def ending(block: int, pixels: int, per_block: int) -> list[str]:
    """Of one block: its vectors lie one behind the other in y."""
    vector = BLOCK // per_block
    which = [(p, block * per_block + v) for p in range(pixels) for v in range(per_block)]
    names = [f"f{p}_{v}" for p, v in which]
    lines = [
        f"    vf s{block * per_block + v} = vload(scale + {(block * per_block + v) * vector});"
        for v in range(per_block)
    ]
    lines += [f"    vf {name} = to_float(c{p}_{v}) * s{v};" for name, (p, v) in zip(names, which, strict=True)]
    at = f"{block} * l->y_block"
    loads = [(name, f"q8_load(res + {at} + {i * vector})") for i, name in enumerate(names)]
    lines.append("    if (res && !q.res_zero) {")  # after a ReLU
    lines += [f"        {name} += to_float({load}) * q.res_scale;" for name, load in loads]
    lines.append("    } else if (res) {")
    lines += [f"        {name} = add_residual({name}, &q, {load});" for name, load in loads]
    lines += ["    }", "    if (!l->shrinks) {"]
    lines += [f"        {name} = below_high({name}, &q);" for name in names]
    lines.append("    }")
    for first in range(0, len(names), 4):
        here = names[first : first + 4]
        four = ", ".join([*here, *[here[-1]] * 3][:4])
        lines.append(f"    requantize_store4(y + {at} + {first * vector}, &q, {len(here)}, {four});")
    return lines


def fixed_ending(pixels: int, blocks: int, per_block: int) -> list[str]:
    """Of layers in fixed point: the sums of each block go through memory."""
    lines = [
        "    if (__builtin_expect(l->q.shifts != 0, 0)) {",
        f"        int32_t sums[{blocks * pixels * BLOCK}];",
    ]
    for b in range(blocks):
        for i, (p, v) in enumerate((p, v) for p in range(pixels) for v in range(per_block)):
            at = b * pixels * BLOCK + i * (BLOCK // per_block)
            lines.append(f"        vistore(sums + {at}, c{p}_{b * per_block + v});")
    for b in range(blocks):
        from_, channel = f"sums + {b * pixels * BLOCK}", f"scale + {b * BLOCK}"
        lines.append(f"        store_fixed(&l->q, {from_}, {pixels}, {channel}, y + {b} * l->y_block);")
    return [*lines, "        return;", "    }"]


def walk(
    name: str, pixels: int, vectors: range, vector: int, stride: int, pixel_bytes: int, sums: str, dot: str = "dot"
) -> list[str]:
    """The head of a tile and its reduction.

    `sums`: the type of an element of the accumulators, int32_t or float; `dot`: what the names of products begin with.
    """
    kind, load = ("vi", "viload") if sums == "int32_t" else ("vf", "vload")
    product = dot if dot == "dot" else f"{dot}_dot"
    declare, element, advance = addresses(pixels, stride, pixel_bytes)
    lines = [
        f"static void {name}(const struct conv_walk *l, const uint8_t *x,",
        f"    const int8_t *w, const {sums} *bias, const float *scale, const uint8_t *res, uint8_t *y)",
        "{",
        "    int64_t ldw = l->ldw, ahead_step = l->ahead_step;",
        "    const char *ahead = l->ahead;",
        *(["    int64_t ps = l->pixel_step;"] if not stride else []),
    ]
    lines += [f"    {kind} c0_{v} = {load}(bias + {v * vector});" for v in vectors]
    lines += [f"    {kind} c{p}_{v} = c0_{v};" for p in range(1, pixels) for v in vectors]
    lines += [
        "    for (int64_t block = l->blocks; block > 0; block--, x += l->x_block) {",
        "        int64_t steps = block > 1 ? l->steps : l->last_steps;",
        "        const uint8_t *xr = x;",
        "        for (int64_t i = l->kh; i > 0; i--, xr += l->x_row) {",
        "            const uint8_t *xc = xr;",
        "            for (int64_t j = l->kw; j > 0; j--, xc += l->x_col, w += l->w_step) {",
        "                const int8_t *wi = w;",
        *("                " + d for d in declare),
        "                for (int64_t c = steps; c > 0; c--) {",
        "                    __builtin_prefetch(ahead, 0, 2);",
        *(["                    __builtin_prefetch(ahead + 64, 0, 2);"] if len(vectors) > 2 else []),
        "                    ahead += ahead_step;",
    ]
    step = [f"{dot}_weights w{v} = {dot}_load(wi + {v * vector * 4});" for v in vectors]
    for p in range(pixels):
        step.append(f"{dot}_pixel x{p} = {dot}_broadcast({element[p]});")
        step += [f"c{p}_{v} = {product}(c{p}_{v}, x{p}, w{v});" for v in vectors]
    lines += [" " * 20 + s for s in [*step, *advance, "wi += ldw;"]]
    return [*lines, "                }", "            }", "        }", "    }"]


def conv_tile(name: str, pixels: int, blocks: int, isa: str, stride: int) -> list[str]:
    vector = VECTOR[isa]
    per_block = BLOCK // vector
    lines = walk(name, pixels, range(blocks * per_block), vector, stride, BLOCK, "int32_t")
    lines += fixed_ending(pixels, blocks, per_block)
    lines.append("    const struct requant q = l->q;")
    for b in range(blocks):
        lines += ending(b, pixels, per_block)
    return [*lines, "}", ""]


def conv_file(
    isa: str, prefix: str, tile: Callable[[str, int, int, str, int], list[str]], strides: tuple[int, ...] = (1, 2, 0)
) -> list[str]:
    """All tiles, each written by `tile(name, pixels, blocks, isa, stride)`, and tables of them."""
    most = MOST[isa]
    lines = [f"enum {{ CONV_MOST_PIXELS = {max(most.values())}, CONV_MOST_BLOCKS = {max(most)} }};"]
    lines.append(f"static const int conv_most_pixels[5] = {{{', '.join(f'[{b}] = {p}' for b, p in most.items())}}};")
    for stride in strides:
        entries = []
        for blocks, m in most.items():
            for pixels in range(1, m + 1):
                name = f"{prefix}_s{stride}_{pixels}x{blocks}"
                lines += tile(name, pixels, blocks, isa, stride)
                entries.append(f"    [{blocks}][{pixels}] = {name},")
        lines.append(f"static conv_tile *const conv_tiles_s{stride}[5][CONV_MOST_PIXELS + 1] = {{")
        lines += [*entries, "};", ""]
    return lines


def main() -> None:
    isa, output = sys.argv[1:]
    lines = conv_file(isa, "conv_q8", conv_tile)
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Written by gen/tiles_q8.py {isa}; do not edit. */\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
