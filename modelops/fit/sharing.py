"""Good starts as lines for anybody: what the check was asked, and what the engine's log then told."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from gateway.wording import fill_in
from modelops.domain.fit.shared_runs import NotShareable, write_run
from modelops.domain.profiles.engine_args import list_unestimated, to_checkpoint_facts
from modelops.fit.start_reading import read_start
from modelops.models import Engine


def list_good_starts() -> QuerySet[Engine]:
    """Engines that came to serve and told their sizes, the newest first."""
    return Engine.objects.filter(actual__isnull=False, ready_at__isnull=False).order_by("-created_at", "-id")


def share_start(engine: Engine) -> dict[str, Any]:
    """The start as plain JSON values, without anything that names its owner. Raises NotShareable."""
    start = read_start(engine)
    if start is None:
        raise NotShareable(fill_in("it is simulated, or its settings are none that a profile can have today"))
    if unread := list_unestimated(start.spec):
        names = ", ".join(unread)
        raise NotShareable(fill_in("the check does not consider {names}, which it ran with", names=names))
    if not engine.gpu_name:
        raise NotShareable(fill_in("it ran on no GPU"))
    return write_run(
        start.spec.effective_config,
        to_checkpoint_facts(start.spec),
        start.settings,
        start.sizes,
        engine.gpu_name,
    )
