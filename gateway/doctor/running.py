"""Runs checks beside each other, each for a bounded time. None of them can make the whole fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from django.db import DatabaseError, connections
from django.utils import translation

from gateway.doctor.findings import DoctorCheck, Finding, FindingKind, VantagePoint
from gateway.wording import fill_in


class _Run:
    """One check on a thread of its own, which may stay behind when the check hangs."""

    def __init__(self, check: DoctorCheck, place: VantagePoint) -> None:
        self.check = check
        self.started_at = time.monotonic()
        self._place = place
        self._findings: list[Finding] | None = None
        self._language = translation.get_language()
        self._thread = threading.Thread(target=self._look, name=f"doctor {check.id}", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        # A thread starts with no language of its own.
        translation.activate(self._language or "en")
        try:
            self._findings = list(self.check.look(self._place))
        except DatabaseError as exc:
            self._findings = [_report_unread(self.check, exc)]
        except Exception as exc:  # whatever it is, it is a finding
            self._findings = [_report_failed(self.check, exc)]
        finally:
            connections.close_all()

    def collect(self) -> list[Finding]:
        """What it found; that it did not end where its time is over."""
        left_s = self.check.timeout_s - (time.monotonic() - self.started_at)
        self._thread.join(max(left_s, 0.0))
        return [_report_overdue(self.check)] if self._findings is None else self._findings


def run_checks(checks: Sequence[DoctorCheck], place: VantagePoint) -> list[Finding]:
    """Every check's findings, in the order of the checks. Takes as long as the slowest, at most its bound."""
    runs = [
        None if check.needs_database and not place.has_database else _Run(check, place) for check in checks
    ]
    found: list[Finding] = []
    for check, run in zip(checks, runs, strict=True):
        found += [_report_without_database(check)] if run is None else run.collect()
    return found


def _report_failed(check: DoctorCheck, error: Exception) -> Finding:
    message = fill_in("The check failed: {error}", error=f"{type(error).__name__}: {error}"[:500])
    return Finding(check.id, FindingKind.UNKNOWN, message)


def _report_unread(check: DoctorCheck, error: DatabaseError) -> Finding:
    message = fill_in("The database did not say: {error}", error=" ".join(str(error).split())[:300])
    advice = fill_in("A table that is missing comes with the migrations; the other checks tell of them.")
    return Finding(check.id, FindingKind.UNKNOWN, message, advice)


def _report_overdue(check: DoctorCheck) -> Finding:
    message = fill_in("There was no answer within {seconds} s.", seconds=f"{check.timeout_s:g}")
    return Finding(check.id, FindingKind.UNKNOWN, message)


def _report_without_database(check: DoctorCheck) -> Finding:
    return Finding(
        check.id, FindingKind.UNKNOWN, fill_in("This is read from the database, which does not answer.")
    )
