"""`python -m benchmarks`: start everything, measure in rounds, report, stop everything."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.children import (
    BenchmarkError,
    accepts_connections,
    reserve_core,
    wait_until_ready,
)
from benchmarks.children import running as running_process
from benchmarks.figures import Round, collect_figures
from benchmarks.gateway_process import running_gateway, store_conversations
from benchmarks.measuring import LoadGenerator, OpenStreams
from benchmarks.native import build_programs
from benchmarks.proxies import find_nginx, running_litellm, running_nginx, running_vllm_router
from benchmarks.report import as_json, as_markdown
from benchmarks.scenarios import (
    CHAT,
    DIRECT,
    LITELLM,
    NGINX,
    OPEN_STREAMS,
    OPENAI,
    SCENARIOS,
    VLLM_ROUTER,
    Scenario,
    Target,
)
from benchmarks.stores import running_stores
from modelops.simulator.process import find_free_port

WARM_UP_S = 0.7
OPEN_FILES = 3 * OPEN_STREAMS.connections


@dataclass(frozen=True)
class Bench:
    """Everything that was started, ready to be measured."""

    load: LoadGenerator
    targets: Sequence[Target]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the chat path costs.")
    names = [scenario.name for scenario in (*SCENARIOS, OPEN_STREAMS)]
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--scenarios", default=",".join(names), help="some of: %(default)s")
    parser.add_argument(
        "--targets", default="", help="some of: engine,/api/chat,/v1,nginx,vLLM router,LiteLLM"
    )
    parser.add_argument("--quick", action="store_true", help="one round of one second each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    parser.add_argument(
        "--litellm", metavar="PROGRAM", default=shutil.which("litellm"), help="LiteLLM's program, to compare"
    )
    parser.add_argument(
        "--vllm-router",
        metavar="PROGRAM",
        default=shutil.which("vllm-router"),
        help="the same of vLLM's router",
    )
    options = parser.parse_args(arguments)
    options.scenarios = options.scenarios.split(",")
    if unknown := set(options.scenarios) - set(names):
        parser.error(f"unknown scenarios: {', '.join(sorted(unknown))}")
    if not (1 <= options.rounds <= 100 and 0.1 <= options.seconds <= 600):
        parser.error("--rounds is 1 to 100, --seconds 0.1 to 600")
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def started(folder: Path, options: argparse.Namespace) -> Iterator[Bench]:
    """The engine, the stores, the gateway and the proxies, all of them gone afterwards."""
    programs, core, engine_port = build_programs(folder), reserve_core(), find_free_port()
    if core is None:
        say("Only one core may be used: the gateway shares it with everything else. Trust CPU times only.")
    with ExitStack() as stack:
        log = folder / "engine.log"
        engine = stack.enter_context(running_process([str(programs.mock_engine), str(engine_port)], log=log))
        wait_until_ready(engine, lambda: accepts_connections(engine_port), log=log)
        stores = stack.enter_context(running_stores())
        if stores.missing:
            say(f"NOT COMPARABLE: SQLite and in-process limits in use, {stores.missing}.")
        gateway = stack.enter_context(
            running_gateway(stores, engine_port=engine_port, folder=folder, core=core)
        )
        pid, tokens = gateway.process.pid, gateway.token_file
        stored = store_conversations(gateway)
        targets = [
            Target(DIRECT, engine_port),
            Target(CHAT, gateway.port, path="/api/chat", pid=pid, token_file=tokens, conversations=stored),
            Target(OPENAI, gateway.port, pid=pid, token_file=tokens),
            *_start_proxies(stack, engine_port, folder=folder, core=core, options=options),
        ]
        wanted = [t for t in targets if not options.targets or t.name in options.targets.split(",")]
        yield Bench(LoadGenerator(programs.load_generator, folder, stores), wanted)


def _start_proxies(
    stack: ExitStack, engine_port: int, *, folder: Path, core: int | None, options: argparse.Namespace
) -> Iterator[Target]:
    peers = (
        (NGINX, find_nginx(), running_nginx),
        (VLLM_ROUTER, options.vllm_router, running_vllm_router),
        (LITELLM, options.litellm, running_litellm),
    )
    for name, program, run in peers:
        if program is None:
            say(f"{name} is not installed, so there is no comparison with it.")
            continue
        proxy = stack.enter_context(run(program, engine_port=engine_port, folder=folder, core=core))
        skips = ("paced256", "paced64") if name == LITELLM else ()
        yield Target(name, proxy.port, pid=proxy.process.pid, token_file=proxy.token_file, skips=skips)


def measure_rounds(
    bench: Bench, scenarios: Sequence[Scenario], *, rounds: int, seconds: float
) -> list[Round]:
    """Each scenario on each target in turn, every round in another order: drift hits all of them alike."""
    for scenario, target in _pairs(scenarios, bench.targets):
        bench.load.measure(scenario, target, seconds=WARM_UP_S)
    measured: list[Round] = []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        shift = number % len(bench.targets)
        order = [*bench.targets[shift:], *bench.targets[:shift]]
        measured.append(
            {
                (scenario.name, target.name): bench.load.measure(scenario, target, seconds=seconds)
                for scenario, target in _pairs(scenarios, order)
            }
        )
    return measured


def _pairs(scenarios: Sequence[Scenario], targets: Sequence[Target]) -> Iterator[tuple[Scenario, Target]]:
    for scenario in scenarios:
        for target in targets:
            if scenario.is_for(target):
                yield scenario, target


def measure_open_streams(bench: Bench) -> OpenStreams | None:
    """On a gateway that is warm, but has not yet grown under load."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    chat = next((target for target in bench.targets if target.name == CHAT), None)
    if chat is None or (hard != resource.RLIM_INFINITY and hard < OPEN_FILES):
        say(f"No 2,000 open streams: they need {CHAT} and {OPEN_FILES} open files (here {hard}).")
        return None
    bench.load.measure(SCENARIOS[0], chat, seconds=WARM_UP_S)
    say("2,000 open streams")
    return bench.load.measure_open_streams(chat)


def run(options: argparse.Namespace, folder: Path) -> int:
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in options.scenarios]
    with started(folder, options) as bench:
        streams = measure_open_streams(bench) if OPEN_STREAMS.name in options.scenarios else None
        rounds = measure_rounds(bench, scenarios, rounds=options.rounds, seconds=options.seconds)
    figures = collect_figures(rounds, streams)
    print(as_markdown(rounds, figures, streams))
    if options.json:
        options.json.write_text(json.dumps(as_json(rounds, figures, streams), indent=1))
    loads = [m for measured in rounds for m in measured.values()] + ([streams.load] if streams else [])
    failed = [m for m in loads if m.failures]
    for m in failed:
        say(f"{m.scenario} on {m.target}: {m.errors} errors, {m.unfinished} unfinished. {m.first_error}")
    return 1 if failed else 0


def main() -> int:
    options = parse_arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)  # noqa: S103 - PostgreSQL runs as another user where we are root
        try:
            return run(options, Path(name))
        except BenchmarkError as exc:
            say(f"benchmark: {exc}")
            return 2
        except KeyboardInterrupt:
            say("benchmark: interrupted; everything that it started is stopped")
            return 130


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
