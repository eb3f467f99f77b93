#!/usr/bin/env python3
"""Makes src/tenant/breached.bin, the Bloom filter of passwords that everybody's attacker tries first.

  tools/breached.py LIST OUT    LIST: one password a line

src/tenant/breached.txt says which list it was made from. Run by hand when the list changes; the build only embeds the
result. The same list gives the same bytes.

Only what password_check() could accept counts: at least 10 bytes, ASCII letters folded to lower case. 2^21 bits; the
eight 32-bit words (big-endian) of a password's SHA-256, each modulo 2^21, are its bits. src/tenant/password.c reads it.
"""

import hashlib
import struct
import sys

BITS = 1 << 21
BYTES_MIN = 10


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as f:
        lines = f.read().split(b"\n")
    passwords = {line.rstrip(b"\r").lower() for line in lines if len(line.rstrip(b"\r")) >= BYTES_MIN}
    table = bytearray(BITS // 8)
    for password in passwords:
        for word in struct.unpack(">8I", hashlib.sha256(password).digest()):
            bit = word % BITS
            table[bit // 8] |= 1 << bit % 8
    with open(target, "wb") as f:
        f.write(table)
    ones = sum(bin(byte).count("1") for byte in table)
    print(f"{len(passwords)} passwords, a strange one taken for one of them: {(ones / BITS) ** 8:.5f}")


if __name__ == "__main__":
    main()
