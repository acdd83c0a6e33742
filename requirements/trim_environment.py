"""Take out of a virtual environment what running processes never read: `python trim_environment.py FOLDER`.

For the image, by its Dockerfile. Tests of libraries, their texts in other languages than ours, parts of
Django that we do not use, and of compiled modules what only debuggers read, which is a fifth of the whole.
"""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

LANGUAGES = frozenset({"en", "ko"})
UNUSED = ("django/contrib/gis", "django/contrib/flatpages", "django/contrib/redirects")
ELF_64_LITTLE = b"\x7fELF\x02\x01"
FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")


def trim(environment: Path) -> None:
    for folder in list(environment.rglob("tests")):
        if folder.is_dir():
            shutil.rmtree(folder)
    for texts in list(environment.rglob("locale/*/LC_MESSAGES")):
        if texts.parent.name not in LANGUAGES:
            shutil.rmtree(texts)
    for packages in environment.glob("lib/python*/site-packages"):
        for name in UNUSED:
            shutil.rmtree(packages / name, ignore_errors=True)
    for module in environment.rglob("*.so*"):
        if module.is_file() and not module.is_symlink():
            drop_debug_sections(module)


def drop_debug_sections(path: Path) -> None:
    """Keep of an ELF file what its segments are made of, which is all that a loader reads (elf(5)).

    Symbols for debuggers and the table of sections lie behind that. Files of other kinds stay as they are.
    """
    content = path.read_bytes()
    if not content.startswith(ELF_64_LITTLE):
        return
    header = list(FILE_HEADER.unpack_from(content))
    segments_at, segment_size, segment_count = header[5], header[9], header[10]
    end = segments_at + segment_size * segment_count
    for number in range(segment_count):
        segment = SEGMENT.unpack_from(content, segments_at + number * segment_size)
        end = max(end, segment[2] + segment[5])
    header[6] = header[12] = header[13] = 0  # no table of sections any more
    if end < len(content):
        path.write_bytes(FILE_HEADER.pack(*header) + content[FILE_HEADER.size : end])


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
