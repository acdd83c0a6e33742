"""Which vLLM a profile's image or program is, where its tag does not say: what the last start's log said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from modelops.domain.fit.engine_defaults import parse_version
from modelops.domain.fit.recommendation import Candidate
from modelops.domain.profiles.engine_args import find_spec_version
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import RUNTIMES
from modelops.models import Engine


def add_seen_version(candidate: Candidate, spec: ProfileSpec, engines: Iterable[Engine]) -> Candidate:
    """The candidate with the version that its image or program had at its newest start, where no tag says it.

    `engines` are those whose logs gave their sizes, the newest first.
    """
    if spec.engine == EngineKind.SIMULATOR or find_spec_version(spec) is not None:
        return candidate
    program = _name_program(spec.runtime, spec.image)
    for engine in engines:
        version = (engine.actual or {}).get("vllm_version")
        ran = engine.spec.get("runtime"), engine.spec.get("image", "")
        if parse_version(version) is not None and _name_program(*ran) == program:
            settings = replace(candidate.settings, vllm_version=version, is_version_seen=True)
            return replace(candidate, settings=settings)
    return candidate


def _name_program(runtime: str | None, image: str) -> tuple[str | None, str]:
    """A runtime, and the image where it needs one."""
    needs_image = any(traits.needs_image for kind, traits in RUNTIMES.items() if kind == runtime)
    return runtime, image if needs_image else ""
