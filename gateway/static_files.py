"""Static files as production serves them: compressed, and kept by browsers until there are others.

Names with hashes (ManifestStaticFilesStorage) are not for modules: Django finds imports by regular
expressions, which take the types in comments for imports too, and these go in circles, so that hashes never
settle. Here the version of all files together is a folder in the path: relative imports stay within it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from whitenoise.storage import CompressedStaticFilesStorage

from gateway.collected_files import VERSION_FILE

MARK = "~"
KEPT_FOREVER = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"


class VersionedStaticFilesStorage(CompressedStaticFilesStorage):  # type: ignore[misc]
    """Writes the version beside the files; its URLs have the one that this process began with, if any."""

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        yield from super().post_process(paths, dry_run, **options)
        if not dry_run:
            digest = hashlib.sha256()
            for path in sorted(paths):
                digest.update(
                    path.encode() + b"\0" + hashlib.sha256(Path(self.path(path)).read_bytes()).digest()
                )
            Path(self.path(VERSION_FILE)).write_text(digest.hexdigest()[:12])

    def url(self, name: str | None) -> str:
        url: str = super().url(name)
        version = settings.STATIC_VERSION
        return (
            url.replace(settings.STATIC_URL, f"{settings.STATIC_URL}{MARK}{version}/", 1) if version else url
        )


class VersionedStaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, for paths with a version too.

    A page that was opened before an upgrade asks for files of a version that is gone: it gets those of today,
    which it must not keep.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.versioned = re.compile(rf"{re.escape(self.static_prefix)}{MARK}(\w+)/")
        self._read: dict[str, tuple[int, int]] = {}
        """By path, the time of change and the size of a file of the sources when it was looked at last."""

    def find(self, path: str) -> tuple[StaticFile, dict[str, str]] | None:
        """The file of a path, and headers that replace its own."""
        match = self.versioned.match(path)
        plain_path = f"{self.static_prefix}{path[match.end() :]}" if match else path
        static_file = self._find_file(plain_path)
        if static_file is None:
            return None
        if match is None:
            return static_file, {}
        is_current = match[1] == settings.STATIC_VERSION
        return static_file, {"cache-control": KEPT_FOREVER if is_current else ASKED_AGAIN}

    def _find_file(self, path: str) -> StaticFile | None:
        if self.autorefresh:
            return self.find_file(path)
        return self._find_source(path) if self.use_finders else self.files.get(path)

    def _find_source(self, path: str) -> StaticFile | None:
        """The file as it is now: without collected files, these are sources that somebody may be editing.

        WhiteNoise alone would go on with the size that a file had when the process began.
        """
        if not path.startswith(self.static_prefix):
            return None
        known = self.files.get(path) or self.find_file(path)
        if known is None:
            return None
        place = known.get_path_and_headers({})[0]
        try:
            found = os.stat(place)
        except FileNotFoundError:
            return None
        if self._read.get(path) != (found.st_mtime_ns, found.st_size):
            self.files[path] = self.get_static_file(place, path)
            self._read[path] = (found.st_mtime_ns, found.st_size)
        return self.files[path]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = self.find(request.path_info)
        if found is None:
            answer: HttpResponse = self.get_response(request)
            return answer
        static_file, headers = found
        response: HttpResponse = self.serve(static_file, request)
        for name, value in headers.items():
            response.headers[name] = value
        return response
