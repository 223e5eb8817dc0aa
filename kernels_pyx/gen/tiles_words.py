"""Writes the register tiles of products of words (int16) of one ISA level as C: `tiles_words.py ISA OUTPUT`.

Those of a Winograd convolution of bytes, for each position. They walk the reduction as those of bytes do (tiles_q8.py),
two input channels in the place of four, and end by storing their sums.
"""

import sys

from tiles_q8 import BLOCK, VECTOR, conv_file, walk


def conv_tile(name: str, pixels: int, blocks: int, isa: str, stride: int) -> list[str]:
    vector = VECTOR[isa]
    per_block = BLOCK // vector
    lines = walk(name, pixels, range(blocks * per_block), vector, stride, 2 * BLOCK, "int32_t", "words")
    for block in range(blocks):
        lines.append(f"    int32_t *to{block} = (int32_t *)(y + {block} * l->y_block);")
        stored = [f"c{p}_{block * per_block + v}" for p in range(pixels) for v in range(per_block)]
        lines += [f"    vistore(to{block} + {i * vector}, {name});" for i, name in enumerate(stored)]
    return [*lines, "}", ""]


def main() -> None:
    isa, output = sys.argv[1:]
    lines = conv_file(isa, "conv_words", conv_tile, strides=(1,))
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Written by gen/tiles_words.py {isa}; do not edit. */\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
