"""Reads the text of a PDF, as a process of its own that a hostile file can make neither hang nor grow.

Started by `conversations.files.documents` as a plain script: it must import nothing of the project. The file
comes on standard input; arguments are the most characters and the most pages. The text goes to standard
output; a failure is one of `EXITS`.
"""

from __future__ import annotations

import io
import logging
import resource
import sys

EXITS = {3: "encrypted", 4: "too long", 5: "too many pages", 6: "damaged"}
MEMORY_BYTES = 1024 * 2**20
CPU_S = 20


def limit_self() -> None:
    """Bound what this process may take, before it reads anything."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to a pipe alone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_text(data: bytes, *, max_chars: int, max_pages: int) -> str | int:
    """The text of all pages, a blank line between them, or a key of EXITS."""
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import DependencyError

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        try:
            if reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                return 3
        except DependencyError:  # AES, for which a library is missing
            return 3
    if len(reader.pages) > max_pages:
        return 5
    pages: list[str] = []
    chars = 0
    for page in reader.pages:
        text = page.extract_text().strip()
        chars += len(text) + 2
        if chars > max_chars + 2:
            return 4
        pages.append(text)
    return "\n\n".join(page for page in pages if page)


def main() -> int:
    limit_self()
    logging.disable()  # pypdf warns of every oddity
    max_chars, max_pages = int(sys.argv[1]), int(sys.argv[2])
    try:
        result = read_text(sys.stdin.buffer.read(), max_chars=max_chars, max_pages=max_pages)
    except Exception:
        return 6
    if isinstance(result, int):
        return result
    sys.stdout.buffer.write(result.replace("\0", "").encode(errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
