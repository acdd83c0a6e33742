"""Figures of one visit to a page, as Chromium itself takes them."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.page_texts import TOKENS
from gateway.tests.pages.browsers import Visitor
from gateway.tests.pages.chats import send
from gateway.tests.pages.speaking_engine import SpeakingEngine

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

TOKENS_PER_S = 200
PERIOD_S = 1 / TOKENS_PER_S
TRACED = ["toplevel", "blink.user_timing"]
TASK = "ThreadControllerImpl::RunTask"

NOTE_MOMENTS = """(() => {
    const moments = (globalThis.moments = {});
    const wanted = {
        usable: "main textarea:not([disabled])",
        list: ".list-row.is-conversation",
        message: "main article",
    };
    const look = () => {
        for (const [name, selector] of Object.entries(wanted)) {
            if (!(name in moments) && document.querySelector(selector)) moments[name] = performance.now();
        }
        if (Object.keys(moments).length < Object.keys(wanted).length) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()"""
"""Runs before the page's scripts; a frame late at most."""

NOTE_FRAMES = """() => {
    const seen = (globalThis.seen = { frames: [], long: [] });
    let before = performance.now();
    const look = (now) => {
        seen.frames.push(now - before);
        before = now;
        if (!seen.isOver) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((each) => each.duration)))
        .observe({ type: "longtask" });
}"""


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds after the navigation began. `list_ms` and `message_ms` are None where there is none."""

    paint_ms: float
    usable_ms: float
    list_ms: float | None
    message_ms: float | None


def visit(page: Page, url: str, *, until: str) -> Start:
    """`until` is the last moment that is waited for. The page is left and opened anew."""
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_function("(name) => 'usable' in moments && name in moments", arg=until)
    moments = page.evaluate("moments")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    return Start(paint, moments["usable"], moments.get("list"), moments.get("message"))


@dataclass(frozen=True, slots=True)
class Weight:
    """What a first visit loads, by kind; bytes as `gzip -9` leaves them."""

    requests: dict[str, int]
    gzipped_bytes: dict[str, int]


def weigh(visitor: Visitor, url: str) -> Weight:
    """Everything that is loaded until the page is usable and the list is read."""
    loaded: list[Request] = []
    page = visitor.page
    page.on("requestfinished", lambda request: loaded.append(request))  # it marks its handlers
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_function("() => 'usable' in moments")
    page.get_by_text("Your conversations will be listed here.").wait_for()
    weight = Weight({}, {})
    for request in list(loaded):
        answer = request.response()
        if answer is None or not answer.url.startswith("http") or answer.status != 200:
            continue
        kind = request.resource_type
        size = len(gzip.compress(answer.body(), 9))
        weight.requests[kind] = weight.requests.get(kind, 0) + 1
        weight.gzipped_bytes[kind] = weight.gzipped_bytes.get(kind, 0) + size
    return weight


@dataclass(frozen=True, slots=True)
class Smoothness:
    """Of the main thread while an answer comes. CPU times are without waiting for a core."""

    longest_frame_ms: float
    frames_over_50_ms: int
    long_tasks: int
    longest_task_ms: float
    longest_task_cpu_ms: float
    cpu_share: float
    """Of the main thread's time."""


def watch_stream(visitor: Visitor, speaker: SpeakingEngine, *, seconds: float) -> Smoothness:
    """Ask on the open page, and have the answer come at TOKENS_PER_S."""
    page = visitor.page
    with speaking(speaker, seconds=seconds) as is_over:
        send(page, "Why is it slow?")
        page.locator("article.is-answer").last.get_by_text("Why the query").first.wait_for()
        return watch(visitor, lambda: is_over(page))


def watch(visitor: Visitor, wait: Callable[[], None]) -> Smoothness:
    page = visitor.page
    browser = visitor.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=TRACED)
    page.evaluate(NOTE_FRAMES)
    started = time.monotonic()
    wait()
    seen = page.evaluate("() => { seen.isOver = true; return seen; }")
    elapsed_ms = 1000 * (time.monotonic() - started)
    tasks = read_tasks(json.loads(browser.stop_tracing()))
    return Smoothness(
        longest_frame_ms=max(seen["frames"]),
        frames_over_50_ms=sum(frame > 50 for frame in seen["frames"]),
        long_tasks=len(seen["long"]),
        longest_task_ms=max(duration for duration, _cpu in tasks),
        longest_task_cpu_ms=max(cpu for _duration, cpu in tasks),
        cpu_share=sum(cpu for _duration, cpu in tasks) / elapsed_ms,
    )


def read_tasks(trace: dict[str, Any]) -> list[tuple[float, float]]:
    """Milliseconds that each task of the busiest renderer's main thread took, and computed."""
    events = trace["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    of_thread: dict[tuple[int, int], list[tuple[float, float]]] = {main: [] for main in mains}
    for event in events:
        thread = (event["pid"], event["tid"])
        if event.get("name") == TASK and event.get("ph") == "X" and thread in mains:
            of_thread[thread].append((event["dur"] / 1000, event.get("tdur", 0) / 1000))
    return max(of_thread.values(), key=lambda tasks: sum(cpu for _duration, cpu in tasks))


@contextmanager
def speaking(speaker: SpeakingEngine, *, seconds: float) -> Iterator[Callable[[Page], None]]:
    """The next answer comes piece by piece; what is given waits for its end."""

    def speak() -> None:
        begun = time.monotonic()
        for number in range(round(seconds * TOKENS_PER_S)):
            speaker.say(TOKENS[number % len(TOKENS)] if number % len(TOKENS) else f"\n\n{TOKENS[0]}")
            time.sleep(max(0.0, begun + number * PERIOD_S - time.monotonic()))
        speaker.end()

    thread = threading.Thread(target=speak)
    thread.start()

    def wait(page: Page) -> None:
        while thread.is_alive():
            page.wait_for_timeout(100)
        page.get_by_role("button", name="Send", exact=True).wait_for()

    try:
        yield wait
    finally:
        thread.join()
