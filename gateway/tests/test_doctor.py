"""`manage.py doctor`: each check is a finding with advice, bounded in time, and the exit code sums it up."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from django.utils import timezone, translation

from gateway.arrivals import HEADER, PATH, sign_probe
from gateway.columns import measure_columns
from gateway.conf import BASE_DIR, get_config
from gateway.doctor import docker_checks, proxy_checks, setting_checks, store_checks
from gateway.doctor.checkup import Checkup, check_up, clean_finding
from gateway.doctor.findings import DoctorCheck, Finding, FindingKind, VantagePoint
from gateway.doctor.proxy_checks import FORGED, _judge_address
from gateway.doctor.running import run_checks
from gateway.doctor.table import format_checkup
from gateway.redaction import Redactor
from gateway.tests.forked import run_python
from gateway.tests.live import GatewayProcess
from gateway.wording import fill_in
from modelops.models import ModelProfile, Slot, SwitcherPresence

ALWAYS = {
    *("database", "migrations", "redis", "clock", "docker", "gpu_runtime", "images", "hub_token", "web"),
    *("port", "proxy.setting", "switcher", "slot.default", "maintenance"),
}
"""Ids that are there wherever it runs."""


@pytest.fixture
def place(tmp_path: Path) -> VantagePoint:
    """A machine without Docker and hub."""
    config = replace(get_config(), docker_host=f"unix://{tmp_path}/docker.sock", hf_token="")
    return VantagePoint(config=config)


def only(findings: Iterator[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_check_that_hangs_or_fails_is_a_finding_and_no_failure(place: VantagePoint) -> None:
    is_over = threading.Event()

    def hang(_place: VantagePoint) -> Iterator[Finding]:
        is_over.wait()
        yield Finding("hangs", FindingKind.OK, "")

    def fail(_place: VantagePoint) -> Iterator[Finding]:
        yield from ()
        raise RuntimeError("the disk is on fire")

    checks = [
        DoctorCheck("hangs", hang, timeout_s=0.05),
        DoctorCheck("fails", fail),
        DoctorCheck("works", lambda _place: [Finding("works", FindingKind.OK, "fine")]),
        DoctorCheck("reads", hang, needs_database=True),
    ]

    found = {each.id: each for each in run_checks(checks, replace(place, has_database=False))}
    is_over.set()

    assert {each.verdict for each in found.values()} == {FindingKind.UNKNOWN, FindingKind.OK}
    assert found["works"].verdict is FindingKind.OK
    assert "the disk is on fire" in found["fails"].message
    assert "0.05" in found["hangs"].message
    assert "does not answer" in found["reads"].message


def test_doctor_of_a_gateway_that_serves_finds_every_part(
    embedded_gateway: GatewayProcess,
) -> None:
    environment = embedded_gateway.environment | {"GATEWAY_PORT": str(embedded_gateway.port)}

    url = embedded_gateway.url
    done = run_python("manage.py", "doctor", "--json", "--url", url, environment=environment)

    report: dict[str, Any] = json.loads(done.stdout)
    checks = {check["id"]: check for check in report["checks"]}
    assert set(checks) >= ALWAYS | {"proxy.url", "proxy.address", "engine.VLLM_BASE_URL"}
    well = ("database", "migrations", "web", "port", "proxy.url", "proxy.address", "engine.VLLM_BASE_URL")
    assert {name: checks[name]["verdict"] for name in well} == dict.fromkeys(well, "ok")
    assert checks["switcher"]["verdict"] == "problem"
    assert all(check["advice"] for check in report["checks"] if check["verdict"] == "problem")
    assert (done.returncode, report["problems"]) == (1, 1)


def test_database_that_is_away_leaves_the_rest_to_be_checked(place: VantagePoint) -> None:
    lost = replace(place.config, redis_url="redis://:a-secret-password@127.0.0.1:1/0")

    def look(_place: VantagePoint) -> Iterator[Finding]:
        yield Finding("database", FindingKind.PROBLEM, "away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.doctor.checkup.DATABASE", DoctorCheck("database", look))
        checkup = check_up(replace(place, config=lost))

    verdicts = {each.id: each.verdict for each in checkup.findings}
    assert verdicts["redis"] is FindingKind.PROBLEM
    assert verdicts["migrations"] is verdicts["switcher"] is FindingKind.UNKNOWN
    assert verdicts["disk.database"] is FindingKind.OK
    assert "a-secret-password" not in json.dumps(checkup.to_json())


@pytest.mark.parametrize(
    ("hops", "entries", "client", "verdict", "advice"),
    [
        (0, [FORGED], "10.0.0.9", FindingKind.OK, ""),
        (1, [FORGED, "203.0.113.5"], "203.0.113.5", FindingKind.OK, ""),
        (0, [FORGED, "203.0.113.5"], "10.0.0.9", FindingKind.PROBLEM, "TRUSTED_PROXY_HOPS=1"),
        (2, [FORGED, "203.0.113.5"], FORGED, FindingKind.PROBLEM, "TRUSTED_PROXY_HOPS=1"),
        (1, [FORGED], FORGED, FindingKind.PROBLEM, "TRUSTED_PROXY_HOPS=0"),
        (2, ["203.0.113.5"], "10.0.0.9", FindingKind.PROBLEM, "TRUSTED_PROXY_HOPS=1"),
        (1, ["203.0.113.5"], "203.0.113.5", FindingKind.OK, ""),
    ],
)
def test_hops_are_compared_with_what_proxies_added(
    place: VantagePoint, hops: int, entries: list[str], client: str, verdict: FindingKind, advice: str
) -> None:
    behind = replace(place, config=replace(place.config, trusted_proxy_hops=hops))

    finding = _judge_address(behind, {"forwarded_for": entries, "client": client})

    assert finding.verdict is verdict
    assert advice in finding.advice


@override_settings(TRUSTED_PROXY_HOPS=1)
def test_arrival_is_told_to_whoever_has_the_secret_key_alone() -> None:
    client = Client()
    forwarded = {"X-Forwarded-For": "192.0.2.1, 203.0.113.5"}

    own = client.get(PATH, headers={HEADER: sign_probe(), **forwarded})
    with override_settings(SECRET_KEY="another one, as long as it has to be......"):
        foreign = sign_probe()
    refused = [client.get(PATH, headers={HEADER: value, **forwarded}) for value in ("", "doctor-1", foreign)]

    assert own.json()["client"] == "203.0.113.5"
    assert own.json()["forwarded_for"] == ["192.0.2.1", "203.0.113.5"]
    assert [answer.status_code for answer in refused] == [404] * 3
    assert b"203.0.113.5" not in b"".join(answer.content for answer in refused)


@pytest.mark.django_db
def test_web_tells_of_docker_what_the_switcher_has_reported(place: VantagePoint) -> None:
    image = "vllm/vllm-openai:v9"
    ModelProfile.objects.create(
        slug="in-docker", served_model_name="x", repository="a/b", runtime="docker", image=image
    )
    Slot.objects.update_or_create(slug="default", defaults={"desired_profile": "in-docker"})
    unseen = only(docker_checks.check_docker(place))
    SwitcherPresence.objects.create(
        host="gpu-1", pid=1, slots=[], facts={"docker": {"problem": "", "version": "28.1", "images": [image]}}
    )

    told = only(docker_checks.check_docker(place))
    images = {each.id: each for each in docker_checks.check_images(place)}
    token = only(setting_checks.check_hub_token(place))

    assert (unseen.verdict, unseen.facts) == (FindingKind.UNKNOWN, {})
    assert told.verdict is FindingKind.OK
    assert "28.1" in told.message
    assert "gpu-1" in told.message
    assert images[f"images.{image}"].verdict is FindingKind.OK
    assert token.verdict is FindingKind.NOTE


@pytest.mark.django_db
def test_refused_socket_names_its_group_and_the_setting(
    place: VantagePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.docker_socket.touch()
    monkeypatch.setattr(
        "modelops.runtimes.docker_runtime.DockerRuntime.describe",
        lambda _self: {"problem": "Docker's socket refuses us.", "code": "docker_permission"},
    )

    finding = only(docker_checks.check_docker(place))

    group = place.docker_socket.stat().st_gid
    assert f"DOCKER_GID={group}" in finding.advice
    assert finding.facts["socket_group"] == group


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('FATAL: password authentication failed for user "gateway"', "POSTGRES_PASSWORD"),
        ("could not translate host name: Name or service not known", "compose file"),
        ("connection refused", "docker compose logs postgres"),
    ],
)
def test_advice_follows_what_the_database_says(said: str, advice: str) -> None:
    _message, told = store_checks._explain_database(OperationalError(said))

    assert advice in told


@pytest.mark.django_db
def test_migration_that_waits_is_named(place: VantagePoint) -> None:
    recorder = MigrationRecorder.Migration.objects
    [(_app, newest)] = MigrationLoader(connection).graph.leaf_nodes("modelops")
    recorder.filter(app="modelops", name=newest).delete()
    recorder.create(app="modelops", name="9999_of_tomorrow", applied=timezone.now())
    waiting = only(store_checks.check_migrations(place))
    recorder.create(app="modelops", name=newest, applied=timezone.now())

    newer = only(store_checks.check_migrations(place))

    assert (waiting.verdict, waiting.facts) == (
        FindingKind.PROBLEM,
        {"waiting": [f"modelops.{newest}"]},
    )
    assert (newer.verdict, newer.facts) == (FindingKind.NOTE, {"newer": ["modelops.9999_of_tomorrow"]})


def test_secret_in_a_value_is_removed_and_our_own_words_stay() -> None:
    finding = Finding(
        "x",
        FindingKind.PROBLEM,
        fill_in("Set HF_TOKEN: {error}", error="redis://:topsecret99@host"),
        facts={"url": "redis://:topsecret99@host"},
    )

    cleaned = clean_finding(finding, Redactor(["topsecret99"]))

    assert cleaned.message.startswith("Set HF_TOKEN: ")
    assert "topsecret99" not in f"{cleaned}"


def test_rows_fit_the_terminal_in_both_languages(place: VantagePoint) -> None:
    proxy = list(proxy_checks.check_proxy(replace(place, config=replace(place.config, trusted_proxy_hops=2))))
    checkup = Checkup(place, timezone.now(), tuple(proxy))

    english = format_checkup(checkup, 80)
    with translation.override("ko"):
        korean = format_checkup(checkup, 80)

    assert english != korean
    for text in (english, korean):
        assert max(map(measure_columns, text.splitlines())) <= 80
        assert text.splitlines()[0].split()[1] == "proxy.setting"


@pytest.mark.django_db(transaction=True)
def test_exit_code_tells_whether_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(verdict: FindingKind) -> int:
        check = DoctorCheck("x", lambda _place: [Finding("x", verdict, "said")])
        monkeypatch.setattr("gateway.doctor.checkup.CHECKS", (check,))
        try:
            call_command("doctor", stdout=io.StringIO())
        except SystemExit as exc:
            return int(str(exc.code))
        return 0

    codes = {verdict: run(verdict) for verdict in FindingKind}

    assert codes == {FindingKind.OK: 0, FindingKind.NOTE: 0, FindingKind.PROBLEM: 1, FindingKind.UNKNOWN: 0}


def test_settings_that_cannot_be_read_are_a_finding_too(tmp_path: Path) -> None:
    environment = {
        "GATEWAY_ENV_FILE": str(tmp_path / "none"),
        "GATEWAY_PORT": "a lot",
        "PATH": os.environ["PATH"],
    }

    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )

    report = json.loads(done.stdout)
    assert (done.returncode, report["problems"]) == (1, 1)
    assert report["checks"][0]["facts"] == {"setting": "GATEWAY_PORT"}
