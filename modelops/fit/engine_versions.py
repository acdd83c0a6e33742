"""Which vLLM a profile's image or program is, where its tag does not say: what the last start's log said."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from modelops.domain.fit.engine_defaults import parse_version
from modelops.domain.fit.recommendation import Candidate
from modelops.domain.profiles.engine_args import find_spec_version
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import RUNTIMES, RuntimeKind
from modelops.models import Engine

REMEMBERED_STARTS = 200
"""Looked through, the newest first."""

_Program = tuple[str, str]
"""A runtime, and the image where it needs one."""


class SeenVersions:
    """Versions by program, read in one query when the first profile needs one."""

    def complete(self, candidate: Candidate, spec: ProfileSpec) -> Candidate:
        """Return the candidate with its program's version at the last start, where its tag says none."""
        if spec.engine == EngineKind.SIMULATOR or find_spec_version(spec) is not None:
            return candidate
        version = self._versions.get(_name_program(spec.runtime, spec.image))
        if version is None:
            return candidate
        settings = replace(candidate.settings, vllm_version=version, is_version_seen=True)
        return replace(candidate, settings=settings)

    @cached_property
    def _versions(self) -> dict[_Program, str]:
        starts = (
            Engine.objects.filter(actual__vllm_version__isnull=False)
            .order_by("-created_at", "-id")
            .values_list("runtime", "image", "actual__vllm_version")[:REMEMBERED_STARTS]
        )
        seen: dict[_Program, str] = {}
        for runtime, image, version in starts:
            if parse_version(version):
                seen.setdefault(_name_program(runtime, image), version)
        return seen


def _name_program(runtime: str, image: str) -> _Program:
    needs_image = RUNTIMES[RuntimeKind(runtime)].needs_image
    return runtime, image if needs_image else ""
