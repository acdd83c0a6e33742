from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelops.hardware.processes import find_descendants

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_the_workers_of_an_engine_are_found_by_its_first_process() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        worker = int(engine.stdout.readline())

        found = find_descendants([engine.pid])

        engine.communicate("")
    assert found == {engine.pid, worker}


def test_a_name_with_brackets_does_not_hide_the_parent(tmp_path: Path) -> None:
    for pid, stat in {"7": "7 (engine) S 1 7 7", "8": "8 (a) b (c) d) S 7 7 7", "9": "9 (torn"}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(stat)

    assert find_descendants([7], proc=tmp_path) == {7, 8}


def test_a_process_that_is_gone_still_counts_as_given(tmp_path: Path) -> None:
    assert find_descendants([4242], proc=tmp_path) == {4242}
