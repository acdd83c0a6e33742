"""The rows of the matrix: each client, its program, and the cells that it has no call for."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.tests.clients.cells import PICTURE_BASE64, Cell, Target
from gateway.tests.clients.install import NODE_PROGRAMS, Interpreters
from gateway.tests.forked import KEPT_OF_ENVIRONMENT
from gateway.tests.needs import PROJECT

PROGRAM_TIMEOUT_S = 480
NO_LIST = "has no call that lists models"
NO_EMBEDDINGS = "has no call for embeddings"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A library, and the program that tries it."""

    package: str
    """As the registry of its language names it."""
    program: str
    """A module of `gateway.tests.clients`, or a file of its folder `node`."""
    without: Mapping[Cell, str] = field(default_factory=dict)
    """What the library itself cannot do, and why."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in Cell if cell not in self.without)

    @property
    def is_node(self) -> bool:
        return self.program.endswith(".mjs")


CLIENTS = (
    Client(package="openai", program="openai_python"),
    Client(package="openai (npm)", program="openai.mjs"),
    Client(
        package="anthropic",
        program="anthropic_python",
        without={Cell.EMBEDDINGS: NO_EMBEDDINGS, Cell.RESPONSES: "speaks `/v1/messages` alone"},
    ),
    Client(package="langchain-openai", program="langchain_python", without={Cell.LIST: NO_LIST}),
    Client(package="litellm", program="litellm_python"),
    Client(
        package="openai-agents",
        program="openai_agents_python",
        without={Cell.LIST: NO_LIST, Cell.EMBEDDINGS: NO_EMBEDDINGS},
    ),
    Client(package="pydantic-ai-slim", program="pydantic_ai_python", without={Cell.LIST: NO_LIST}),
    Client(package="@ai-sdk/openai (npm)", program="ai_sdk.mjs", without={Cell.LIST: NO_LIST}),
    Client(
        package="llama-index-llms-openai-like", program="llama_index_python", without={Cell.LIST: NO_LIST}
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What came of one cell. `detail` is empty where all is well."""

    detail: str


def run_client(client: Client, target: Target, interpreters: Interpreters) -> dict[Cell, Outcome]:
    """Run the client's program to its end; what it says of each cell that `target` names."""
    try:
        done = subprocess.run(
            _command(client, target, interpreters),
            cwd=NODE_PROGRAMS if client.is_node else PROJECT,
            env={name: value for name, value in os.environ.items() if name in KEPT_OF_ENVIRONMENT}
            # LiteLLM asks the network for the prices of models otherwise.
            | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            capture_output=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        return _read_outcomes(
            target, exc.stdout, f"not done after {PROGRAM_TIMEOUT_S} s: {exc.stderr!r:.2000}"
        )
    ending = f"the program ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return _read_outcomes(target, done.stdout, ending)


def _read_outcomes(target: Target, printed: bytes | None, otherwise: str) -> dict[Cell, Outcome]:
    """What the program told of each cell; `otherwise` of those that it told nothing of."""
    lines = [json.loads(line) for line in (printed or b"").splitlines() if line.startswith(b'{"cell"')]
    told = {Cell(line["cell"]): Outcome(line["detail"]) for line in lines}
    return {Cell(cell): told.get(Cell(cell), Outcome(otherwise)) for cell in target.cells}


def _command(client: Client, target: Target, interpreters: Interpreters) -> list[Any]:
    if client.is_node:
        # These have no way to read what Python defines.
        fields = json.loads(target.to_json()) | {"picture_base64": PICTURE_BASE64}
        return [interpreters.node, Path(client.program), json.dumps(fields)]
    return [interpreters.python, "-m", f"gateway.tests.clients.{client.program}", target.to_json()]
