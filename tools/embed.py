#!/usr/bin/env python3
"""Turns a file into a C array of 64-bit words, in the file's byte order, for what is compiled into the program.

  tools/embed.py NAME FILE OUT.c   writes: const uint64_t NAME[bytes / 8]
"""

import struct
import sys


def main():
    name, source, target = sys.argv[1:]
    with open(source, "rb") as f:
        data = f.read()
    if len(data) % 8:
        sys.exit(f"embed: {source}: {len(data)} bytes are no whole number of words")
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    with open(target, "w", encoding="ascii") as f:
        f.write(f"#include <stdint.h>\n\nextern const uint64_t {name}[{len(words)}];\nconst uint64_t {name}[{len(words)}] = {{\n")
        for i in range(0, len(words), 4):
            f.write("    " + " ".join(f"0x{w:016x}u," for w in words[i:i + 4]) + "\n")
        f.write("};\n")


if __name__ == "__main__":
    main()
