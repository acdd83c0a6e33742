"""Why there is no backup, or why nothing was restored."""

from __future__ import annotations


class BackupFailed(Exception):
    """There is no backup; the message says why."""


class BackupExists(BackupFailed):
    """Something has the name of the file to write."""


class RestoreFailed(Exception):
    """Nothing was changed; the message says why."""


class RestoreRefused(RestoreFailed):
    """Nothing was changed, as it may not be restored like this."""


class ArchiveDamaged(RestoreFailed):
    """The file is no archive, or not as it was written."""
