"""Every check, and all that they found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from gateway.conf import secret_values
from gateway.doctor import (
    docker_checks,
    machine_checks,
    maintenance_checks,
    process_checks,
    proxy_checks,
    ray_checks,
    setting_checks,
    store_checks,
)
from gateway.doctor.findings import DoctorCheck, Finding, FindingKind, VantagePoint
from gateway.doctor.running import run_checks
from gateway.redaction import Redactor
from gateway.wording import FilledText, fill_text

DATABASE = DoctorCheck("database", store_checks.check_database, timeout_s=6.0)
CHECKS = (
    DoctorCheck("migrations", store_checks.check_migrations, needs_database=True),
    DoctorCheck("redis", store_checks.check_redis),
    DoctorCheck("clock", store_checks.check_clock, needs_database=True),
    DoctorCheck("settings", setting_checks.check_settings),
    DoctorCheck("docker", docker_checks.check_docker),
    DoctorCheck("gpu_runtime", docker_checks.check_gpu_runtime),
    DoctorCheck("gpus", machine_checks.check_gpus),
    DoctorCheck("disk", machine_checks.check_disks),
    DoctorCheck("images", docker_checks.check_images, needs_database=True, timeout_s=15.0),
    DoctorCheck("ray", ray_checks.check_ray, timeout_s=20.0),
    DoctorCheck("hub_token", setting_checks.check_hub_token),
    DoctorCheck("web", process_checks.check_web, needs_database=True),
    DoctorCheck("proxy", proxy_checks.check_proxy),
    DoctorCheck("switcher", process_checks.check_switcher, needs_database=True),
    DoctorCheck("maintenance", maintenance_checks.check_maintenance, needs_database=True),
    DoctorCheck("slots", process_checks.check_engines, needs_database=True, timeout_s=15.0),
)


@dataclass(frozen=True)
class Checkup:
    place: VantagePoint
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def has_problem(self) -> bool:
        return any(finding.verdict is FindingKind.PROBLEM for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """In English, whatever the language: for scripts, which go by ids and verdicts."""
        return {
            "version": settings.PRODUCT_VERSION,
            "at": self.at.isoformat(timespec="seconds"),
            "place": self.place.describe(),
            "problems": sum(finding.verdict is FindingKind.PROBLEM for finding in self.findings),
            "checks": [
                {
                    "id": finding.id,
                    "verdict": str(finding.verdict),
                    "message": str(finding.message),
                    "advice": str(finding.advice) or None,
                    "facts": dict(finding.facts),
                }
                for finding in self.findings
            ],
        }


def check_up(place: VantagePoint) -> Checkup:
    """Run every check. Bounded in time, and never raises for what it finds."""
    database = run_checks([DATABASE], place)
    is_there = all(finding.verdict in (FindingKind.OK, FindingKind.NOTE) for finding in database)
    found = [*database, *run_checks(CHECKS, replace(place, has_database=is_there))]
    redactor = Redactor(secret_values(place.config))
    return Checkup(place, datetime.now(UTC), tuple(clean_finding(each, redactor) for each in found))


def clean_finding(finding: Finding, redactor: Redactor) -> Finding:
    """Without secrets: errors of libraries quote URLs, whose passwords are in them."""
    return replace(
        finding,
        message=clean_text(finding.message, redactor),
        advice=clean_text(finding.advice, redactor),
        facts={
            name: redactor.clean(value) if isinstance(value, str) else value
            for name, value in finding.facts.items()
        },
    )


def clean_text(text: str, redactor: Redactor) -> str:
    """The same text, to be translated still, with its values cleaned."""
    if not isinstance(text, FilledText):
        return redactor.clean(text)
    values = {
        name: clean_text(value, redactor) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    # The template is ours, and "HF_TOKEN: …" in it no secret.
    return fill_text(text.text, values)
