"""What replicas bring, and what choosing among them costs: `python -m benchmarks.replicas [--rounds N]`.

*Throughput*: 32 clients go on with conversations of 20 turns on one mock engine and on two, each of which is
bounded in its tokens per second, so that the engine is what everybody waits for. *At their engine*: the share
of those requests that went to the engine that holds their conversation. *CPU*: of admitting one request, with
one engine and with eight, as a share of what the whole chat path costs (benchmarks/README.md).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.children import accepts_connections, running, wait_until_ready
from benchmarks.gateway_process import PROJECT, GatewayProcess, running_gateway, store_conversations
from benchmarks.measuring import LoadGenerator, Measurement
from benchmarks.native import build_programs
from benchmarks.scenarios import CHAT, MOCK_MODEL, Scenario, Target
from benchmarks.stores import running_stores
from modelops.simulator.process import find_free_port

CLIENTS, TOKENS = 32, 32
CHOICES = "gateway_replica_choices"
SETTLE_S = 2.5
"""Longer than a web process takes to see other rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--tokens-per-s", type=int, default=1000, help="what one engine generates")
    options = parser.parse_args()
    admissions = [sys.executable, "-m", "benchmarks.replica_admissions", str(options.rounds)]
    subprocess.run(admissions, check=True, cwd=PROJECT)
    with tempfile.TemporaryDirectory(prefix="gwb-") as folder:
        one, two, shares = measure_throughput(Path(folder), options)
    for name, rounds in (("one engine", one), ("two engines", two)):
        print(f"{name}: {', '.join(f'{each.tokens_per_s:.0f}' for each in rounds)} tokens/s")
    gains = [after.tokens_per_s / before.tokens_per_s for before, after in zip(one, two, strict=True)]
    print(
        f"gain: {statistics.median(gains):.2f} (median of {len(gains)}; {min(gains):.2f} to {max(gains):.2f})"
    )
    print(f"at their engine: {statistics.median(shares):.1%} of requests")


def measure_throughput(
    folder: Path, options: argparse.Namespace
) -> tuple[list[Measurement], list[Measurement], list[float]]:
    """Rounds with one engine and with two, and the shares of requests that found their engine."""
    programs = build_programs(folder)
    scenario = Scenario("bounded", "", CLIENTS, TOKENS, model=MOCK_MODEL, turns=20)
    one: list[Measurement] = []
    two: list[Measurement] = []
    shares: list[float] = []
    with ExitStack() as stack:
        ports = []
        for _ in range(2):
            port = find_free_port()
            command = [str(programs.mock_engine), str(port), str(options.tokens_per_s)]
            log = folder / f"engine-{port}.log"
            engine = stack.enter_context(running(command, log=log))
            wait_until_ready(engine, lambda port=port: accepts_connections(port), log=log)  # type: ignore[misc]
            ports.append(port)
        stores = stack.enter_context(running_stores())
        gateway = stack.enter_context(running_gateway(stores, engine_port=ports[0], folder=folder, core=None))
        target = Target(
            CHAT,
            gateway.port,
            path="/api/chat",
            pid=gateway.process.pid,
            token_file=gateway.token_file,
            conversations=store_conversations(gateway),
        )
        load = LoadGenerator(programs.load_generator, folder, stores)
        for _ in range(options.rounds):
            serve_by(gateway, ports[:1])
            one.append(load.measure(scenario, target, seconds=options.seconds))
            serve_by(gateway, ports)
            before = read_choices(gateway)
            two.append(load.measure(scenario, target, seconds=options.seconds))
            shares.append(_share(before, read_choices(gateway)))
    return one, two, shares


def serve_by(gateway: GatewayProcess, ports: list[int]) -> None:
    """Have the gateway's slot served by the engines on these ports, and wait until it has seen that."""
    command = [sys.executable, "-m", "benchmarks.replica_rows", *map(str, ports)]
    subprocess.run(command, check=True, cwd=PROJECT, env=dict(gateway.environment))
    time.sleep(SETTLE_S)


def read_choices(gateway: GatewayProcess) -> dict[str, float]:
    """Requests so far, by why their engine was chosen."""
    text = httpx.get(f"http://127.0.0.1:{gateway.port}/metrics").raise_for_status().text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = families[CHOICES].samples if CHOICES in families else []
    return {each.labels["reason"]: each.value for each in found if each.name.endswith("_total")}


def _share(before: dict[str, float], after: dict[str, float]) -> float:
    new = {reason: count - before.get(reason, 0.0) for reason, count in after.items()}
    return new.get("prefix", 0.0) / max(1.0, sum(new.values()))


if __name__ == "__main__":
    main()
