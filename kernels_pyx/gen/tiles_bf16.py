"""Writes the register tiles of bfloat16 convolutions of one ISA level as C: `tiles_bf16.py ISA OUTPUT`.

They walk the reduction as those of bytes do (tiles_q8.py), two input channels in the place of four, with sums in
float32. A tile ends with the residual and the activation, on its sums while they are in registers, and is rounded once.
"""

import sys

from tiles import activation, late
from tiles_q8 import BLOCK, VECTOR, conv_file, walk

SIZE = 2  # bytes of an element


def ending(block: int, pixels: int, per_block: int) -> list[str]:
    """Of one block: its vectors lie one behind the other in y."""
    vector = BLOCK // per_block
    names = [f"c{p}_{block * per_block + v}" for p in range(pixels) for v in range(per_block)]
    offsets = [i * vector for i in range(len(names))]
    at = f"{block} * (l->y_block / {SIZE})"
    lines = ["    if (res) {", f"        const uint16_t *from = (const uint16_t *)res + {at};"]
    lines += [f"        {name} += bf16_load(from + {i});" for name, i in zip(names, offsets, strict=True)]
    lines += ["    }", *activation(names), "    if (e->kind == EPILOGUE_LATE) {", *late(names, vector)]
    lines += ["    }", f"    uint16_t *to{block} = (uint16_t *)y + {at};"]
    for i in range(0, len(names) - 1, 2):
        lines.append(f"    bf16_store2(to{block} + {offsets[i]}, {names[i]}, {names[i + 1]});")
    if len(names) % 2:
        lines.append(f"    bf16_store(to{block} + {offsets[-1]}, {names[-1]});")
    return lines


def conv_tile(name: str, pixels: int, blocks: int, isa: str, stride: int) -> list[str]:
    vector = VECTOR[isa]
    per_block = BLOCK // vector
    lines = walk(name, pixels, range(blocks * per_block), vector, stride, BLOCK * SIZE, "float")
    lines.append("    const struct epilogue *e = &l->e;")
    for block in range(blocks):
        lines += ending(block, pixels, per_block)
    return [*lines, "}", ""]


def main() -> None:
    isa, output = sys.argv[1:]
    lines = conv_file(isa, "conv_bf16", conv_tile)
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Written by gen/tiles_bf16.py {isa}; do not edit. */\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
