"""Read a profile by the rules of this deployment: whose code may run is a setting of its operator's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.conf import get_config
from modelops.domain.profiles.reading import Reading, read_profile
from modelops.domain.profiles.spec import ProfileSpec


def read_own_profile(values: Mapping[str, Any]) -> Reading[ProfileSpec]:
    """As `read_profile`, with the repositories of TRUST_REMOTE_CODE_REPOSITORIES."""
    return read_profile(values, trusted_repositories=get_config().trust_remote_code_repositories)
