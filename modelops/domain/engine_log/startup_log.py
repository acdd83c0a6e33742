"""Reads an engine's log while it starts: where it is, when it last moved, and what it turned out to need."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from enum import StrEnum

from modelops.domain.engine_log.lines import MAX_LINE_CHARS, LogLine, read_line
from modelops.domain.engine_log.sizes import EngineSizes, parse_sizes, read_sizes, serialise_sizes

__all__ = ["EngineSizes", "Phase", "StartupLog", "parse_sizes", "serialise_sizes"]

KEPT_LINES = 400
KEPT_SUSPECTS = 400
_REMEMBERED_LINES = 512


class Phase(StrEnum):
    """What an engine does while it starts, in this order. Not every start goes through each."""

    BOOT = "boot"
    DISTRIBUTED = "distributed"
    DOWNLOAD = "download"
    """The weights are looked up, and fetched where they are not cached: nothing is printed meanwhile."""
    WEIGHTS = "weights"
    COMPILE = "compile"
    PROFILE = "profile"
    KV_CACHE = "kv_cache"
    """The cache is laid out, kernels are tuned."""
    GRAPHS = "graphs"
    DONE = "done"
    """The model is loaded; the API server comes up."""


ORDER = {phase: position for position, phase in enumerate(Phase)}

_SIGNS = (
    (Phase.DISTRIBUTED, r"\bworld_size=\d+ rank=|vLLM is using nccl==|Init(?:ializing|ialized) distributed"),
    (Phase.DOWNLOAD, r"Starting to load model\b|Loading model weights from"),
    (Phase.WEIGHTS, r"Loading .*(?:shards|Streamer)\b.*:|Time spent downloading|Loading weights took"),
    (
        Phase.COMPILE,
        r"Starting torch\.compile|for vLLM's torch\.compile|Compiling a graph for|Dynamo bytecode",
    ),
    (Phase.PROFILE, r"torch\.compile t(?:ook|akes) .* in total|Initial profiling/warmup run took"),
    (Phase.PROFILE, r"Memory profiling (?:takes|results)|CUDA graph memory: |Available KV cache memory"),
    (Phase.KV_CACHE, r"\bKV cache size: [\d,]+ tokens|# (?:GPU|cuda) blocks: \d+"),
    (Phase.GRAPHS, r"Capturing (?:the model for )?CUDA ?graphs?|Graph capturing finished"),
    (Phase.DONE, r"\binit engine \(.*\) took|Starting vLLM (?:API )?server"),
)
_PHASE_SIGNS = tuple((phase, re.compile(pattern, re.IGNORECASE)) for phase, pattern in _SIGNS)
_LOADED = re.compile(r"(?:Model loading|Loading model weights) took")
_EAGER = re.compile(r"'enforce_eager': True|\benforce_eager=True|Initializing (?:an|a V0) LLM engine")
"""Nothing is compiled then."""
_COUNTED = re.compile(r"(\d+)/(\d+)\s*(?:\[|$)")
COMPLETE = "Application startup complete"
_PERCENT_OR_WORD = re.compile(r"\d+(?:\.\d+)?%|\d+")
_BAR_PHASES = {Phase.DOWNLOAD: "Fetching", Phase.WEIGHTS: "Loading", Phase.GRAPHS: "Captur"}


class StartupLog:
    """Fed line by line, with seconds of any clock that never goes back. Its memory is bounded.

    A phase never gives way to an earlier one, nor a percentage to a lower one in the same phase.
    """

    def __init__(self, started_at: float) -> None:
        self.phase = Phase.BOOT
        self.phase_percent: float | None = None
        self.phase_started_at = started_at
        self.changed_at = started_at
        """When it last moved: a new phase, another percentage, or words it had not printed before. The same
        line once more is no sign of life: workers that wait for a hung one say so every minute."""
        self.sizes = EngineSizes()
        self.is_complete = False
        self._seconds: dict[Phase, float] = {}
        self._fed_at = started_at
        self._compiles = True
        self._tail: deque[str] = deque(maxlen=KEPT_LINES)
        self._suspects: list[str] = []
        self._seen: OrderedDict[str, None] = OrderedDict()

    def feed(self, line: str, at: float) -> None:
        self._fed_at = max(at, self._fed_at)
        self._tail.append(line[:MAX_LINE_CHARS])
        if self.is_complete:
            # From here on the log is about requests.
            return
        read = read_line(line)
        if not read.text.strip():
            return
        self._keep_suspect(read, line)
        if self._is_new(read.text):
            self.changed_at = self._fed_at
        if read.is_harmless:
            # An error message may hold any of these words.
            self._read_phase(read)
            self.sizes = read_sizes(self.sizes, read.text)
        if COMPLETE in read.text:
            self._enter(Phase.DONE)
            self._move_to(100.0)
            self.is_complete = True
            self._suspects.clear()

    def phase_seconds(self, now: float | None = None) -> dict[str, float]:
        """Seconds spent in each phase so far, in order; the present one counts up to `now`, or the last line.

        Once complete they stay as they are.
        """
        if self.is_complete:
            now = self.changed_at
        until = self._fed_at if now is None else now
        present = {self.phase: max(0.0, until - self.phase_started_at)}
        return {str(phase): round(value, 3) for phase, value in {**self._seconds, **present}.items()}

    def tail(self, count: int) -> list[str]:
        """The last lines, as they came."""
        return list(self._tail)[-count:] if count > 0 else []

    def failure_lines(self) -> list[str]:
        """Lines to find a cause in: the first ones that may tell of one, then the last ones.

        A failing engine's tracebacks, one for each rank and wrapper, are longer than what is kept. Of an
        engine that came to serve, only what came after that, which the first of these lines says.
        """
        if self.is_complete:
            return [f"INFO:     {COMPLETE}.", *self._tail]
        return [*self._suspects, *self._tail]

    def _keep_suspect(self, read: LogLine, line: str) -> None:
        if len(self._suspects) < KEPT_SUSPECTS and not read.is_harmless:
            self._suspects.append(line[:MAX_LINE_CHARS])

    def _is_new(self, text: str) -> bool:
        """Whether these words, whatever their figures, did not come before; percentages count as words."""
        words = _PERCENT_OR_WORD.sub(lambda found: found[0] if found[0].endswith("%") else "#", text)
        is_new = words not in self._seen
        self._seen[words] = None
        self._seen.move_to_end(words)
        if len(self._seen) > _REMEMBERED_LINES:
            self._seen.popitem(last=False)
        return is_new

    def _read_phase(self, read: LogLine) -> None:
        if _EAGER.search(read.text):
            self._compiles = False
        for phase, sign in _PHASE_SIGNS:
            if sign.search(read.text) and self._is_due(phase):
                self._enter(phase)
        if _LOADED.search(read.text):
            self._enter(Phase.COMPILE if self._compiles else Phase.PROFILE)
        word = _BAR_PHASES.get(self.phase)
        counted = _COUNTED.search(read.text) if word and word in read.text else None
        if counted and int(counted[2]):
            self._move_to(min(100.0, 100.0 * int(counted[1]) / int(counted[2])))

    def _is_due(self, phase: Phase) -> bool:
        """Trial captures, which newer engines make while they profile, are not the phase of the graphs."""
        return phase is not Phase.GRAPHS or ORDER[self.phase] >= ORDER[Phase.KV_CACHE]

    def _enter(self, phase: Phase) -> None:
        if ORDER[phase] <= ORDER[self.phase]:
            return
        self._seconds[self.phase] = max(0.0, self._fed_at - self.phase_started_at)
        self.phase, self.phase_percent = phase, None
        self.phase_started_at = self.changed_at = self._fed_at

    def _move_to(self, percent: float) -> None:
        if self.phase_percent is None or percent > self.phase_percent:
            self.phase_percent = percent
            self.changed_at = self._fed_at
