"""Where a request for a model goes: to an engine now, into the waiting room, or nowhere, with the reason.

Pure: made anew from each snapshot of the board, then asked for every request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.utils import timezone

from gateway.errors import GatewayError, ModelLoading, ModelNotFound, ModelSwitching, NoModel
from gateway.shortening import shorten
from gateway.wording import end_sentence, fill_in
from modelops.models import DEFAULT_SLOT
from modelops.serving.board import FREE, BoardSnapshot, LiveSwitch, Price, ServingEngine, SlotView
from modelops.serving.engine_client import ServedModel
from modelops.serving.model_tasks import ModelTask

CURRENT = "current"
"""The alias of whatever the default slot serves."""
CURRENT_NAMES = frozenset({"", CURRENT})


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where a request goes. One that waits has no engine yet."""

    slot: str
    """The slot's slug."""
    model: str
    """What the engine calls its model; while waiting, what is expected to answer."""
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    max_concurrent_requests: int | None = None
    max_output_tokens: int | None = None
    max_model_len: int | None = None
    """The context in tokens, where the engine said it."""
    price: Price = FREE
    tasks: tuple[ModelTask, ...] | None = None
    """What the model can be asked for; None where that is not known."""
    switch_to: str = ""
    """The profile to switch to before the wait makes sense."""
    engine: str = ""
    """The id of the engine; empty while waiting, and for the one of VLLM_BASE_URL."""
    choices: tuple[Route, ...] = ()
    """Where several engines serve the name: the way to each of them, this one included; empty for one."""

    @property
    def must_wait(self) -> bool:
        return not self.base_url


@dataclass(frozen=True, kw_only=True)
class ExternalRoute:
    """The engine of VLLM_BASE_URL: it serves for the default slot while that has none of its own."""

    base_url: str
    api_key: str = field(default="", repr=False)
    models: Sequence[ServedModel] = ()
    serves_nothing: bool = False
    """It answers, and has no model."""


@dataclass(frozen=True)
class RouteTable:
    """The routes of one moment. `snapshot` is None until the database has been read once."""

    snapshot: BoardSnapshot | None = None
    external: ExternalRoute | None = None
    ready: Mapping[str, Route] = field(init=False)
    """The routes that need no wait, by name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ready", self._find_ready())

    def resolve(self, name: str, *, may_switch: bool = False) -> Route:
        """Where a request for `name` goes; `current` and the empty name mean the default slot's model.

        With `may_switch`, a profile that is not served gets a route that names the switch to ask for.
        Raises ModelLoading, ModelSwitching, NoModel or ModelNotFound.
        """
        route = self.ready.get(name)
        if route is not None:
            return route
        if self.snapshot is None:
            raise ModelLoading("This gateway has just started and does not know yet what is served.")
        if name in CURRENT_NAMES:
            return self._route_current(name)
        for slot in self.snapshot.slots:
            for switch in slot.switches:
                if name in switch.expected_names:
                    return Route(slot=slot.slug, model=name)
            if _is_leaving(slot, name):
                raise _leaving_error(slot, name)
            if slot.is_retiring:
                continue
            if slot.resting is not None and name in slot.resting.names:
                return _route_to_resting(slot, slot.resting, name)
            if not slot.is_open and slot.engine is not None and name in slot.engine.names:
                return Route(slot=slot.slug, model=name)
        return self._route_unserved(name, self.snapshot, may_switch=may_switch)

    def list_served_names(self) -> list[str]:
        """What clients may ask for now, without `current`."""
        return [name for name in self.ready if name not in CURRENT_NAMES]

    def list_models_for(self, tasks: Collection[ModelTask]) -> list[str]:
        """The served models that are known to have one of these tasks, by the engine's names."""
        able = (route for route in self.ready.values() if not set(route.tasks or ()).isdisjoint(tasks))
        return list(dict.fromkeys(route.model for route in able))

    @property
    def uses_external(self) -> bool:
        """True while the default slot's requests go to the engine of VLLM_BASE_URL."""
        if self.snapshot is None or self.external is None:
            return False
        slot = self.snapshot.default
        return slot is None or (slot.engine is None and slot.is_open)

    def _find_ready(self) -> dict[str, Route]:
        routes: dict[str, Route] = {}
        if self.snapshot is None:
            return routes
        for name, found in _find_ways(self.snapshot).items():
            routes[name] = found[0] if len(found) == 1 else replace(found[0], choices=tuple(found))
        if self.uses_external and self.external is not None:
            url, key = self.external.base_url, self.external.api_key
            own = {
                m.name: Route(
                    slot=DEFAULT_SLOT,
                    model=m.name,
                    base_url=url,
                    api_key=key,
                    max_model_len=m.max_model_len,
                    tasks=m.tasks,
                )
                for m in self.external.models
            }
            for model in self.external.models[:1]:
                own |= dict.fromkeys(CURRENT_NAMES, own[model.name])
            routes = own | routes
        return routes

    def _route_current(self, name: str) -> Route:
        slot = self.snapshot.default if self.snapshot else None
        if self.uses_external:
            raise self._explain_external()
        if slot is None:
            raise ModelLoading(fill_in("No model has been started yet."))
        if slot.switch is not None:
            expected = slot.switch.expected_names
            return Route(slot=slot.slug, model=expected[0] if expected else slot.switch.to_profile)
        if slot.resting is not None:
            return _route_to_resting(slot, slot.resting, slot.resting.model_name)
        if not slot.is_open and slot.problem is None:
            return Route(slot=slot.slug, model=slot.engine.model_name if slot.engine else CURRENT)
        raise explain_empty(slot)

    def _route_unserved(self, name: str, snapshot: BoardSnapshot, *, may_switch: bool) -> Route:
        if self.uses_external and not self.ready:
            raise self._explain_external()
        slug = snapshot.profiles.get(name)
        for slot in snapshot.slots:
            if slot.engine is None and slug and slug == slot.desired_profile:
                raise explain_empty(slot)
        served = ", ".join(self.list_served_names()) or "nothing"
        if slug is None:
            spelling = find_spelling(name, (CURRENT, *self.list_served_names(), *snapshot.profiles))
            problem = (
                misspelled_message(name, spelling)
                if spelling is not None
                else fill_in("The model `{model}` is not served.", model=shorten(name))
            )
            raise ModelNotFound(
                fill_in("{problem} Served now: {served}.", problem=problem, served=served), param="model"
            )
        if may_switch:
            return Route(slot=DEFAULT_SLOT, model=name, switch_to=slug)
        raise ModelNotFound(
            fill_in(
                "The model `{model}` is not active. Served now: {served}. An admin can switch to it.",
                model=shorten(name),
                served=served,
            ),
            param="model",
        )

    def _explain_external(self) -> GatewayError:
        if self.external is not None and self.external.serves_nothing:
            return NoModel(fill_in("The engine is running and serves no model."))
        return ModelLoading(
            fill_in(
                "No engine has answered since this gateway started: "
                "it is loading its model, or it is not running."
            )
        )


def _route_to_resting(slot: SlotView, engine: ServingEngine, name: str) -> Route:
    """A wait until the engine is awake. Its admission asks for that (`chat.engine_admission`)."""
    return Route(slot=slot.slug, model=name, max_model_len=engine.max_model_len, tasks=engine.tasks)


def _find_ways(snapshot: BoardSnapshot) -> dict[str, list[Route]]:
    """The ways to each served name, the default slot's first.

    Every engine of the same model counts, of whichever slot. A name that two models share, as an alias may
    be, is the first one's.
    """
    ways: dict[str, list[Route]] = {}
    current = ""
    for slot in sorted(snapshot.slots, key=lambda slot: slot.slug != DEFAULT_SLOT):
        if not slot.is_open:
            continue
        for engine in slot.engines:
            route = _route_to(slot, engine)
            for name in engine.names:
                way = replace(route, model=name) if name in engine.adapters else route
                known = ways.setdefault(name, [])
                if not known or known[0].model == way.model:
                    known.append(way)
        if slot.slug == DEFAULT_SLOT and slot.engine is not None:
            current = slot.engine.model_name
    if current:
        ways |= dict.fromkeys(CURRENT_NAMES, ways[current])
    return ways


def _route_to(slot: SlotView, engine: ServingEngine) -> Route:
    return Route(
        slot=slot.slug,
        model=engine.model_name,
        base_url=engine.base_url,
        api_key=engine.api_key,
        max_concurrent_requests=engine.max_concurrent_requests,
        max_output_tokens=engine.max_output_tokens,
        max_model_len=engine.max_model_len,
        price=engine.price,
        tasks=engine.tasks,
        engine=str(engine.id),
    )


def find_spelling(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs from `name` by capitals or by blanks and slashes around it alone."""
    folded = name.strip(" /").casefold()
    return next((spelling for spelling in known if spelling.casefold() == folded), None)


def misspelled_message(name: str, spelling: str) -> str:
    return fill_in("There is no model `{name}`. It is spelled `{spelling}`.", name=name, spelling=spelling)


def explain_empty(slot: SlotView) -> GatewayError:
    """Why a slot serves nothing, and nothing is under way."""
    if slot.problem is not None:
        reason = end_sentence(slot.problem.get("message") or fill_in("its engine failed"))
        wait_s = _seconds_to_restart(slot)
        if slot.restart is not None:
            message = fill_in(
                "`{profile}` is about to be started again: {reason}",
                profile=slot.desired_profile,
                reason=reason,
            )
            return ModelLoading(message, retry_after_s=wait_s)
        return NoModel(fill_in("No model is being served: {reason}", reason=reason), retry_after_s=wait_s)
    if slot.desired_profile:
        return ModelLoading(fill_in("`{profile}` is about to be started.", profile=slot.desired_profile))
    return NoModel("No model is being served. An admin can switch to one.")


def switching_error(slot: SlotView, what: str) -> GatewayError:
    """`what` happened to a request because its slot is between two models; says when to try again."""
    switch = slot.switch
    if switch is None and slot.resting is not None:
        return ModelLoading(
            fill_in("{what} `{profile}` rested and is being woken.", what=what, profile=slot.resting.profile),
            retry_after_s=slot.wake_s,
        )
    if switch is None:
        return ModelSwitching(what)
    wait_s = _seconds_to_ready(switch)
    if not switch.from_profile:
        return ModelLoading(
            fill_in("{what} `{profile}` is being loaded.", what=what, profile=switch.to_profile),
            retry_after_s=wait_s,
        )
    if switch.is_rolling_back:
        happening = fill_in(
            "`{profile}` could not be started; `{previous}` is coming back.",
            profile=switch.to_profile,
            previous=switch.from_profile,
        )
    else:
        happening = fill_in("A switch to `{profile}` is under way.", profile=switch.to_profile)
    return ModelSwitching(
        fill_in("{what} {happening}", what=what, happening=happening) if what else happening,
        retry_after_s=wait_s,
    )


def _leaving_error(slot: SlotView, name: str) -> GatewayError:
    is_undone = slot.switch is not None and slot.switch.is_rolling_back
    # What could not be started is not being replaced: the rest of the message says it all.
    return switching_error(slot, "" if is_undone else fill_in("`{model}` is being replaced.", model=name))


def cut_error(slot: SlotView) -> ModelSwitching:
    """The error of a running answer that is cut because its engine is stopped."""
    switch = slot.switch
    if switch is None:
        return ModelSwitching("This answer was ended early: its model is being replaced.")
    return ModelSwitching(
        fill_in(
            "This answer was ended early: the operator switched to `{profile}`.", profile=switch.to_profile
        ),
        retry_after_s=_seconds_to_ready(switch),
    )


def _is_leaving(slot: SlotView, name: str) -> bool:
    """True for a name that is served no more, because a switch goes on that leads to others."""
    switch = slot.switch
    if switch is None or (slot.is_open and slot.engine is not None):
        return False
    if switch.is_rolling_back:
        return name in switch.to_names
    if slot.resting is not None and name in slot.resting.names:
        return switch.to_profile != slot.resting.profile
    return name in switch.from_names or (slot.engine is not None and name in slot.engine.names)


def _seconds_to_ready(switch: LiveSwitch) -> float | None:
    now = timezone.now()
    moment = switch.expect_ready_at(now)
    return None if moment is None else (moment - now).total_seconds()


def _seconds_to_restart(slot: SlotView) -> float | None:
    """Until what should serve is expected to, if its next start goes as those before; None for no idea."""
    until_try_s = 0.0
    if slot.retry_at is not None:
        until_try_s = max((slot.retry_at - timezone.now()).total_seconds(), 0.0)
    typical_s = slot.restart.typical_seconds if slot.restart else None
    return until_try_s + (typical_s or 0.0) or None
