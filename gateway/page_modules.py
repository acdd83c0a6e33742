"""Which modules a page's script imports, and these import in turn.

A browser learns of the imports of a module when it has read it, so a chain of them costs one exchange after
another. The head of the page names all of them, and the browser fetches them together.
"""

from __future__ import annotations

import functools
import posixpath
import re
from pathlib import Path

STATIC_FILES = Path(__file__).with_name("static")
STATIC_IMPORT = re.compile(
    r"""^(?:import|export)\b(?:[^;'"()=]*?\bfrom)?\s*["'](\.[^"']+)["']""", re.MULTILINE
)
"""At the beginning of a line: not `import()`, which asks for its module later, nor the types in comments."""


@functools.cache
def list_imported_modules(script: str) -> tuple[str, ...]:
    """All static imports of a script, the nearest first, without the script. Names are static files'."""
    found = [script]
    for module in found:  # which grows meanwhile
        found += [name for name in dict.fromkeys(_read_imports(module)) if name not in found]
    return tuple(found[1:])


def _read_imports(module: str) -> list[str]:
    source = (STATIC_FILES / module).read_text()
    folder = posixpath.dirname(module)
    return [posixpath.normpath(posixpath.join(folder, path)) for path in STATIC_IMPORT.findall(source)]
