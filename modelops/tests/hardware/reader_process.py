"""Reads the GPUs once for each line on stdin, a JSON list of process ids, and prints the reading."""

from __future__ import annotations

import json
import sys

from modelops.hardware.nvml import read_hardware


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(read_hardware(frozenset(json.loads(line))).to_json()), flush=True)


if __name__ == "__main__":
    main()
