#!/usr/bin/env python3
"""Runs a test program that was built with a known leak: passes if the program fails and has named the leak."""

import subprocess
import sys

run = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
text = run.stdout.decode("utf-8", "replace")
print("\n".join("# " + line for line in text.splitlines()[:20]))
if run.returncode == 0:
    sys.exit("the leak went unnoticed")
if "leak: " not in text:
    sys.exit("it failed, but not by what it was to find")
