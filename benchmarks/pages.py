"""What the pages weigh and how soon they are there: `python -m benchmarks.pages [--visits N] [--seconds S]`.

Starts a gateway on SQLite, an engine that speaks Markdown, and Chromium. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page_filling import CONVERSATIONS, LONG_MESSAGES, READER
from benchmarks.page_visits import (
    NOTE_MOMENTS,
    TOKENS_PER_S,
    Smoothness,
    Start,
    visit,
    watch,
    watch_stream,
    weigh,
)
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.account_page import create_person
from gateway.tests.pages.browsers import Visitor, running_chromium, visiting
from gateway.tests.pages.speaking_engine import SpeakingEngine, start_speaking_engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FILL = "from benchmarks.page_filling import fill; fill()"
MOST_BYTES = 250_000
MOST_MS = 1_000
MOST_FRAME_MS = 50
LATENCY_MS = 40


@dataclass(frozen=True)
class PageBench:
    chromium: Browser
    gateway: GatewayProcess
    speaker: SpeakingEngine
    long_conversation: str
    empty: tuple[str, str]
    """Name and password of somebody who has nothing yet."""

    @contextmanager
    def visitor(self, *, is_empty: bool = False, latency_ms: int = 0) -> Iterator[Visitor]:
        """Somebody who is signed in, with an empty cache."""
        with visiting(self.chromium, self.gateway.url) as visitor:
            visitor.context.add_init_script(NOTE_MOMENTS)
            visitor.page.goto(f"{self.gateway.url}/sign-in/?next=/health")
            name, password = self.empty if is_empty else (READER, "")
            if is_empty:
                visitor.page.fill("#id_username", name)
                visitor.page.fill("#id_password", password)
                visitor.page.locator("form button[type=submit]").click()
                visitor.page.wait_for_url("**/health")
            else:
                visitor.sign_in(path="/health", username=name)
            session = visitor.context.new_cdp_session(visitor.page)
            session.send("Network.enable")
            session.send("Network.clearBrowserCache")
            if latency_ms:
                conditions = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
                session.send("Network.emulateNetworkConditions", {**conditions, "latency": latency_ms})
            yield visitor


@contextmanager
def started() -> Iterator[PageBench]:
    with (
        tempfile.TemporaryDirectory(prefix="gateway-pages-") as name,
        start_speaking_engine() as speaker,
        start_gateway(Stores(), Path(name), speaker.url) as gateway,
        running_chromium() as chromium,
    ):
        person = create_person(gateway)
        long_conversation = gateway.manage("shell", "-c", FILL).rpartition("ID ")[2].strip()
        yield PageBench(chromium, gateway, speaker, long_conversation, (person.name, person.password))


def measure_weight(bench: PageBench) -> list[list[str]]:
    with bench.visitor(is_empty=True) as visitor:
        weight = weigh(visitor, f"{bench.gateway.url}/chat/")
    rows = [
        [kind, f"{count}", f"{weight.gzipped_bytes[kind] / 1000:.1f}"]
        for kind, count in sorted(weight.requests.items())
    ]
    total = sum(weight.gzipped_bytes.values())
    rows.append(
        [
            f"all (bound: {MOST_BYTES / 1000:g})",
            f"{sum(weight.requests.values())}",
            judge(total / 1000, 250, 1),
        ]
    )
    return rows


def measure_starts(bench: PageBench, visits: int) -> list[list[str]]:
    page = f"{bench.gateway.url}/chat/"
    kinds: list[tuple[str, str, str, bool, int]] = [
        ("empty account", page, "usable", True, 0),
        (f"empty account, {LATENCY_MS} ms away", page, "usable", True, LATENCY_MS),
        (f"{CONVERSATIONS:,} conversations", page, "list", False, 0),
        (
            f"conversation of {LONG_MESSAGES:,} messages",
            f"{page}#{bench.long_conversation}",
            "message",
            False,
            0,
        ),
    ]
    rows = []
    for name, url, until, is_empty, latency_ms in kinds:
        cold, warm = [], []
        for _ in range(visits):
            with bench.visitor(is_empty=is_empty, latency_ms=latency_ms) as visitor:
                cold.append(visit(visitor.page, url, until=until))
                warm.append(visit(visitor.page, url, until=until))
        rows += [describe_starts(f"{name}, first visit", cold), describe_starts(f"{name}, again", warm)]
    return rows


def describe_starts(name: str, starts: list[Start]) -> list[str]:
    moments: list[Callable[[Start], float | None]] = [
        lambda start: start.paint_ms,
        lambda start: start.usable_ms,
        lambda start: start.list_ms,
        lambda start: start.message_ms,
    ]
    cells = []
    for moment in moments:
        known = [value for start in starts if (value := moment(start)) is not None]
        cells.append(judge(statistics.median(known), MOST_MS) if known else "")
    return [name, *cells]


def measure_opening(bench: PageBench, visits: int) -> list[str]:
    """From a click in the list to the last message, on a page that is open."""
    times = []
    with bench.visitor() as visitor:
        page = visitor.page
        for _ in range(visits):
            page.goto("about:blank")
            page.goto(f"{bench.gateway.url}/chat/")
            page.wait_for_function("() => 'list' in moments")
            times.append(page.evaluate(OPEN, bench.long_conversation))
    return ["the same, by a click in the list", "", "", "", judge(statistics.median(times), MOST_MS)]


OPEN = """async (id) => {
    const begun = performance.now();
    document.querySelector(`a[href$="#${id}"]`).click();
    const isShown = () => document.querySelector("main article");
    while (!isShown()) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
}"""


def measure_streams(bench: PageBench, seconds: float) -> list[list[str]]:
    """The first row is what the machine does to a page on which nothing happens."""
    page = f"{bench.gateway.url}/chat/"
    rows = []
    with bench.visitor() as visitor:
        visitor.page.goto(page)
        visitor.page.wait_for_function("() => 'list' in moments")
        idle = watch(visitor, lambda: visitor.page.wait_for_timeout(1000 * seconds))
        rows.append(describe_stream("nothing, to compare", idle))
        rows.append(
            describe_stream("a new conversation", watch_stream(visitor, bench.speaker, seconds=seconds))
        )
    with bench.visitor() as visitor:
        visitor.page.goto(f"{page}#{bench.long_conversation}")
        visitor.page.wait_for_function("() => 'message' in moments")
        found = watch_stream(visitor, bench.speaker, seconds=seconds)
        rows.append(describe_stream(f"one of {LONG_MESSAGES:,} messages", found))
    return rows


def describe_stream(name: str, found: Smoothness) -> list[str]:
    return [
        name,
        judge(found.longest_frame_ms, MOST_FRAME_MS),
        f"{found.frames_over_50_ms}",
        f"{found.long_tasks}",
        f"{found.longest_task_ms:.0f}",
        judge(found.longest_task_cpu_ms, MOST_FRAME_MS),
        f"{100 * found.cpu_share:.0f} %",
    ]


def judge(value: float, bound: float, digits: int = 0) -> str:
    """What misses its bound is set in bold."""
    return f"{value:,.{digits}f}" if value < bound else f"**{value:,.{digits}f}**"


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    one, five, _fifteen = os.getloadavg()
    print(f"\n{title} (load {one:.1f}, before {five:.1f}, on {os.cpu_count()} cores)\n")
    for cells in (columns, ["---"] * len(columns), *rows):
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--visits", type=int, default=5, help="of each kind; medians are printed")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of an answer")
    options = parser.parse_args()
    with started() as bench:
        print_table(
            "First visit, kB as gzip -9 leaves them", ["kind", "requests", "kB"], measure_weight(bench)
        )
        columns = ["chat page, ms", "first paint", "usable", "list", "messages"]
        starts = [*measure_starts(bench, options.visits), measure_opening(bench, options.visits)]
        print_table(f"Medians of {options.visits} visits", columns, starts)
        columns = ["while an answer comes in", "longest frame, ms", "frames over 50 ms", "long tasks"]
        columns += ["longest task, ms", "its CPU ms", "main thread's CPU"]
        title = f"{TOKENS_PER_S} tokens/s for {options.seconds:g} s"
        print_table(title, columns, measure_streams(bench, options.seconds))


if __name__ == "__main__":
    main()
