"""What the image's environment is relieved of: requirements/trim_environment.py."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from gateway.conf import BASE_DIR

SCRIPT = BASE_DIR / "requirements" / "trim_environment.py"
USE = """
import sys
sys.path.insert(0, sys.argv[1])
import yaml, yaml._yaml
assert yaml.load("a: [1]", yaml.CSafeLoader) == {"a": [1]}
print(yaml._yaml.__file__)
"""


def test_compiled_module_is_smaller_and_works_as_before(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    shutil.copytree(Path(yaml.__file__).parent, packages / "yaml")
    for folder in ("yaml/tests", "app/locale/de/LC_MESSAGES", "app/locale/ko/LC_MESSAGES"):
        (packages / folder).mkdir(parents=True)
    [module] = packages.glob("yaml/_yaml*.so")
    before = module.stat().st_size

    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)

    used = subprocess.run(
        [sys.executable, "-I", "-c", USE, packages], capture_output=True, text=True, check=True
    )
    assert used.stdout.strip() == str(module)
    assert module.stat().st_size < before / 2
    assert not (packages / "yaml" / "tests").exists()
    assert [path.parent.name for path in packages.rglob("LC_MESSAGES")] == ["ko"]
