"""What the last good start of each profile measured, read back for the next fit check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from modelops.domain.engine_log.sizes import parse_sizes
from modelops.domain.fit.measured_run import MeasuredRun, is_same_card, name_as_estimate, to_measured_run
from modelops.domain.fit.specs import Gpu
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec, to_values
from modelops.fit.start_reading import describe_start
from modelops.models import Engine

MEASURED_STARTS_PER_PROFILE = 4
"""Read back of each profile: enough to find one on these cards where the cards change back and forth."""

MEASURED_STARTS_PER_CARD = 12
"""Read back of each kind of card, whatever they served: what is counted of them is fewer, and alike."""


@dataclass(frozen=True)
class LastStart:
    """`estimate` and `actual` both have the names of `FitReport`."""

    engine: str
    started_at: datetime
    estimate: Mapping[str, Any]
    actual: Mapping[str, Any]
    run: MeasuredRun


@dataclass(frozen=True)
class MeasuredEngines:
    """Engines whose logs gave their sizes, the newest first."""

    of_profiles: Mapping[str, Sequence[Engine]]
    of_cards: Sequence[Engine]
    """Of any profile: the newest on each kind of card, and the newest start that compiled of each profile."""


def load_measured_engines(slugs: Iterable[str]) -> MeasuredEngines:
    """The last starts of these profiles, and of any on the cards that there are, in one query."""
    newest = (F("created_at").desc(), F("id").desc())
    listed = list(slugs)
    engines = (
        Engine.objects.filter(actual__isnull=False)
        .annotate(
            place=Window(RowNumber(), partition_by=F("profile"), order_by=newest),
            card_place=Window(RowNumber(), partition_by=F("gpu_name"), order_by=newest),
            cold_place=Window(
                RowNumber(), partition_by=[F("profile"), F("image"), F("actual__is_cold")], order_by=newest
            ),
        )
        .filter(
            Q(profile__in=listed, place__lte=MEASURED_STARTS_PER_PROFILE)
            | Q(card_place__lte=MEASURED_STARTS_PER_CARD)
            | Q(actual__is_cold=True, cold_place=1)
        )
        .only("profile", "name", "spec", "gpu_name", "gpus", "image", "created_at", "estimate", "actual")
        .order_by(*newest)
    )
    of_profiles: defaultdict[str, list[Engine]] = defaultdict(list)
    of_cards: list[Engine] = []
    for engine in engines:
        if engine.place <= MEASURED_STARTS_PER_PROFILE:
            of_profiles[engine.profile].append(engine)
        if engine.gpu_name:
            of_cards.append(engine)
    return MeasuredEngines({slug: of_profiles.get(slug, []) for slug in listed}, of_cards)


def choose_last_start(
    spec: ProfileSpec, engines: Sequence[Engine], gpus: tuple[Gpu, ...] | None
) -> LastStart | None:
    """The newest start with the profile's present settings, on cards like the first of these."""
    settings, values = to_engine_settings(spec), to_values(spec)
    needs_gpu = spec.engine != EngineKind.SIMULATOR
    for engine in engines:
        if needs_gpu and gpus and not is_same_card(engine.gpu_name, gpus[0].name):
            continue
        run = to_measured_run(
            settings,
            values,
            engine.spec,
            parse_sizes(engine.actual or {}),
            source=describe_start(engine),
            gpu_name=engine.gpu_name,
        )
        if run is not None:
            actual = name_as_estimate(engine.actual or {})
            return LastStart(engine.name, engine.created_at, engine.estimate or {}, actual, run)
    return None
