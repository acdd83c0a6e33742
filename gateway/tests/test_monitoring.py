"""deploy/monitoring fits together: alerts, their tests, dashboards and the runbook."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.conf import BASE_DIR, GatewayConfig, read_config
from gateway.http import check_host
from gateway.scrape_values import is_in_networks
from gateway.tests.live import wait_until
from gateway.tests.needs import NeedMissing, find_prometheus, skip_loudly
from gateway.tests.prometheus import start_alertmanager
from modelops.hardware import ProblemCode
from modelops.tests.alerting.receiver import start_receiver

MONITORING = BASE_DIR / "deploy" / "monitoring"
RUNBOOK = (BASE_DIR / "docs" / "runbook.md").read_text()
DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in (MONITORING / "grafana" / "dashboards").glob("*.json")
}
OF_COMPOSE_AND_ENGINES = {"DOCKER_GID", "NCCL_P2P_DISABLE"}


def list_alerts() -> Iterator[dict[str, Any]]:
    for path in sorted((MONITORING / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def list_alert_tests() -> Iterator[dict[str, Any]]:
    for path in sorted((MONITORING / "tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from test["alert_rule_test"]


def list_panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def run_tool(tool: str, *arguments: str | Path) -> str:
    try:
        program = find_prometheus(tool)
    except NeedMissing as exc:
        skip_loudly("of the monitoring", exc)
    done = subprocess.run(
        [program, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_configuration_and_rules_and_every_alert_fires_as_tested() -> None:
    tests = sorted((MONITORING / "tests").glob("*.yml"))

    said = run_tool("promtool", "check", "config", "prometheus.yml")
    tested = run_tool("promtool", "test", "rules", *tests)

    assert sum(map(int, re.findall(r"(\d+) rules found", said))) == len(list(list_alerts()))
    assert tested.count("SUCCESS") == len(tests)


def read_states(client: httpx.Client) -> dict[str, str]:
    """Of Alertmanager's alerts, by their names."""
    told = client.get("/api/v2/alerts").json()
    return {each["labels"]["alertname"]: each["status"]["state"] for each in told}


def test_alertmanager_accepts_the_example_and_tells_a_chat_room_with_it(tmp_path: Path) -> None:
    alert = {
        "labels": {"alertname": "SlotDegraded", "severity": "critical", "slot": "default"},
        "annotations": {
            "summary": "Slot default serves nothing.",
            "runbook_url": "docs/runbook.md#slotdegraded",
        },
    }
    states = {"SlotDegraded": "active", "NothingServed": "suppressed"}
    follower = {"labels": {"alertname": "NothingServed", "severity": "critical"}}
    assert "SUCCESS" in run_tool("amtool", "check-config", "alertmanager/alertmanager.yml")

    with start_receiver() as room, start_alertmanager(tmp_path, room.url) as client:
        client.post("/api/v2/alerts", json=[alert]).raise_for_status()
        wait_until(lambda: room.received, what="the alert in the chat room")
        client.post("/api/v2/alerts", json=[follower]).raise_for_status()
        wait_until(lambda: read_states(client) == states, what="what follows from it to be kept back")

    [message] = room.received[0]["attachments"]
    assert message["title"] == "FIRING: SlotDegraded"
    assert message["text"].strip() == "Slot default serves nothing. docs/runbook.md#slotdegraded"
    assert len(room.received) == 1


@pytest.mark.parametrize("alert", list(list_alerts()), ids=lambda alert: alert["alert"])
def test_alert_says_what_is_wrong_and_where_the_runbook_says_what_to_do(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    section = RUNBOOK.partition(f"\n### {name}\n")[2].partition("\n##")[0]

    assert alert["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["runbook_url"] == "{{ $externalLabels.runbook }}#" + name.lower()
    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == ["Meaning", "First look", "Fix"]


def test_every_alert_is_tested_to_fire_and_to_be_quiet() -> None:
    names = {alert["alert"] for alert in list_alerts()}
    fires = {each["alertname"] for each in list_alert_tests() if each.get("exp_alerts")}
    is_quiet = {each["alertname"] for each in list_alert_tests() if not each.get("exp_alerts")}

    assert fires == names
    assert is_quiet == names
    assert set(re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)) == names


def test_dashboards_have_their_panels_beside_each_other_and_explain_them() -> None:
    for name, dashboard in DASHBOARDS.items():
        cells: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            taken = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert cells.isdisjoint(taken), f"{name}: {panel['title']} lies over another"
            assert place["x"] + place["w"] <= 24
            cells |= taken
        assert all(panel["description"].endswith(".") for panel in list_panels(name))
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_twelve_questions_are_answered_by_panels_and_commands_that_exist() -> None:
    rows = re.findall(r"^\| (.+\?) \| (.+) \| (.+) \|$", RUNBOOK, re.MULTILINE)

    assert len(rows) == 12
    for _question, panels, _command in rows:
        dashboard, _, titles = panels.partition(": ")
        known = {panel["title"] for panel in list_panels(dashboard)}
        assert set(re.findall(r"\*(.+?)\*", titles)) <= known


def test_runbook_names_panels_commands_and_settings_that_exist() -> None:
    settings = {item.metadata["name"] for item in GatewayConfig.__dataclass_fields__.values()}
    commands = {path.stem for path in BASE_DIR.glob("*/management/commands/*.py")}

    for name in DASHBOARDS:
        known = {panel["title"] for panel in list_panels(name)}
        for mention in re.findall(rf"\b{name}: (\*[^*]+\*(?:, \*[^*]+\*)*)", RUNBOOK):
            assert set(re.findall(r"\*(.+?)\*", mention)) <= known
    assert set(re.findall(r"`([A-Z][A-Z_]+)[`=]", RUNBOOK)) - settings - OF_COMPOSE_AND_ENGINES == set()
    assert set(re.findall(r"manage\.py (\w+)", RUNBOOK)) <= commands


def test_watchers_are_pinned_confined_and_listen_on_this_machine_alone() -> None:
    services = yaml.safe_load((BASE_DIR / "docker-compose.monitoring.yml").read_text())["services"]
    watchers = {name: each for name, each in services.items() if "image" in each}

    assert set(watchers) == {"prometheus", "alertmanager", "grafana"}
    for watcher in watchers.values():
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", watcher["image"])
        assert watcher["read_only"] and watcher["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in watcher["ports"])
        mounted = [volume.split(":")[0] for volume in watcher["volumes"] if volume.startswith("./")]
        assert mounted
        assert all((BASE_DIR / path).exists() for path in mounted)


def read_compose(name: str) -> dict[str, Any]:
    """With the defaults of its variables, the inner ones first."""
    text = (BASE_DIR / name).read_text()
    while (filled := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)) != text:
        text = filled
    compose: dict[str, Any] = yaml.safe_load(text)
    return compose


def test_gateway_lets_prometheus_in_by_its_network_and_the_name_of_its_target() -> None:
    compose = read_compose("docker-compose.monitoring.yml")
    subnet = ip_network(compose["networks"]["monitoring"]["ipam"]["config"][0]["subnet"])
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in jobs}

    for service in ("web", "switcher"):
        config = read_config(compose["services"][service]["environment"])
        assert compose["services"][service]["networks"] == ["monitoring"]
        assert is_in_networks(str(subnet[2]), config.metrics_networks)
        assert not is_in_networks("172.18.0.2", config.metrics_networks)
    hosts = read_config(compose["services"]["web"]["environment"]).hosts
    check_host({"headers": [(b"host", targets["gateway-web"].encode())]}, hosts)
    assert {target.partition(":")[0] for target in targets.values()} == {"web", "switcher"}
    assert "monitoring" in compose["services"]["prometheus"]["networks"]


def test_runbook_has_every_alarm_of_the_desk() -> None:
    sources = [
        (BASE_DIR / "modelops" / path).read_text()
        for path in ("desk/alarms.py", "alerting/database_outage.py")
    ]
    codes = set(re.findall(r'(?:Alarm\(\s*|code=)"(\w+)"', "\n".join(sources))) | set(map(str, ProblemCode))

    listed = RUNBOOK.partition("\n## Alarms of the desk\n")[2]
    named = {code for cell in re.findall(r"^\| (`.+?) \|", listed, re.MULTILINE) for code in cell.split(", ")}

    assert named == {f"`{code}`" for code in codes}
    assert len(codes) >= 19
