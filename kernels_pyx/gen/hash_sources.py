"""Writes a header with one hash over all kernel sources: `hash_sources.py OUTPUT SOURCE...`."""

import hashlib
import pathlib
import sys


def main() -> None:
    output, *sources = sys.argv[1:]
    digest = hashlib.sha256()
    for source in sorted(map(pathlib.Path, sources), key=lambda path: path.name):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    text = f'#define PLAIT_KERNELS_HASH "{digest.hexdigest()[:16]}"\n'
    pathlib.Path(output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
