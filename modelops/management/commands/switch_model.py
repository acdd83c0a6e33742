"""`manage.py switch_model`: serve another profile, and see it through."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway.caller_language import say_here
from gateway.command_errors import SERVER_ERRORS, refuse_input
from gateway.errors import GatewayError, SwitchRefused, status_of
from gateway.stop_signal import catch_stop_signal
from gateway.wording import fill_in
from modelops.domain.switching.request import LONGEST_CONTEXT, SHORTEST_CONTEXT, SwitchRequest
from modelops.domain.switching.states import DrainPolicy
from modelops.management.gpu_arguments import parse_count, parse_seconds
from modelops.management.switch_commands import (
    ExitCode,
    ProgressLine,
    describe_end,
    describe_exit_codes,
    find_actor,
    find_exit_code,
    watch_switch,
)
from modelops.models import DEFAULT_SLOT, Switch
from modelops.switching.plan_text import describe_joining, describe_plan
from modelops.switching.requests import RequestOutcome, preview_switch, request_switch

LONGEST_REASON = 500
LONGEST_DRAIN_S = 86400


class Command(BaseCommand):
    help = (
        "Serve another profile: plan, drain, stop the old engine, start the new one, and go back if that "
        f"fails. Exit codes: {describe_exit_codes()}."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("profile", metavar="PROFILE", help="slug of the profile to serve")
        parser.add_argument("--dry-run", action="store_true", help="show plan and changes, change nothing")
        parser.add_argument(
            "--wait", action=BooleanOptionalAction, default=True, help="show the progress until it ends"
        )
        parser.add_argument("--force", action="store_true", help="go on although the fit check says no")
        parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the history")
        parser.add_argument("--slot", default=DEFAULT_SLOT, metavar="NAME")
        parser.add_argument(
            "--max-model-len",
            type=parse_count,
            metavar="TOKENS",
            help="context to serve it with, in place of the profile's",
        )
        parser.add_argument(
            "--keep-context",
            action="store_true",
            help="have the profile ask for --max-model-len from now on, if the switch is accepted",
        )
        parser.add_argument(
            "--drain-timeout", type=int, metavar="SECONDS", help="what running answers get (see settings)"
        )
        parser.add_argument(
            "--drain-policy",
            choices=[str(each) for each in DrainPolicy],
            help="what happens to answers that run longer (see settings)",
        )
        parser.add_argument(
            "--timeout", type=parse_seconds, metavar="SECONDS", help="longest wait (default: no end)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        try:
            if options["dry_run"]:
                self._show_plan(options)
                return
            switch = self._request(options)
        except GatewayError as exc:
            raise CommandError(say_here(exc.wording), returncode=_find_exit_code(exc)) from exc
        if switch is None:
            self.stdout.write(say_here(fill_in("{profile} is active already.", profile=options["profile"])))
        elif options["wait"]:
            self._wait(switch, options["timeout"])
        else:
            self.stdout.write(
                say_here(
                    fill_in("Asked for: switch {id}. Look at it with manage.py model_status.", id=switch.id)
                )
            )

    def _show_plan(self, options: Mapping[str, Any]) -> None:
        plan = preview_switch(_to_request(options))
        for line in describe_plan(plan):
            self.stdout.write(line)
        self.stdout.write(say_here(fill_in("Dry run: nothing was changed.")))
        if not plan.is_accepted:
            sys.exit(_judge_refusals(problem.code for problem in plan.refusals))

    def _request(self, options: Mapping[str, Any]) -> Switch | None:
        requested = request_switch(_to_request(options), find_actor())
        if requested.outcome is RequestOutcome.JOINED:
            self.stdout.write(say_here(describe_joining(requested.taken_over)))
        for problem in requested.plan.overridden:
            self.stdout.write(say_here(fill_in("Forced, in spite of: {message}", message=problem.message)))
        return requested.switch

    def _wait(self, switch: Switch, timeout_s: float | None) -> None:
        line = ProgressLine(self.stdout)
        with catch_stop_signal() as stop:
            end = watch_switch(switch.id, line, stop, timeout_s=timeout_s)
        line.end()
        if isinstance(end, Switch):
            self.stdout.write(describe_end(end))
            code = find_exit_code(end)
        else:
            self.stderr.write(say_here(_explain_early_end(end, switch)))
            code = end
        if code is not ExitCode.ACTIVE:
            sys.exit(code)


def _to_request(options: Mapping[str, Any]) -> SwitchRequest:
    return SwitchRequest(
        options["profile"],
        reason=options["reason"],
        force=options["force"],
        drain_timeout_s=options["drain_timeout"],
        drain_policy=options["drain_policy"],
        slot=options["slot"],
        max_model_len=options["max_model_len"],
        keep_context=options["keep_context"],
    )


def _check(options: Mapping[str, Any]) -> None:
    if options["keep_context"] and options["max_model_len"] is None:
        raise refuse_input(fill_in("--keep-context goes with --max-model-len: it is what is kept"))
    if len(options["reason"]) > LONGEST_REASON:
        raise refuse_input(fill_in("--reason takes {most} characters", most=LONGEST_REASON))
    length = options["max_model_len"]
    if length is not None and not SHORTEST_CONTEXT <= length <= LONGEST_CONTEXT:
        raise refuse_input(
            fill_in(
                "--max-model-len is {least} to {most}",
                least=SHORTEST_CONTEXT,
                most=LONGEST_CONTEXT,
            )
        )
    drain_timeout_s = options["drain_timeout"]
    if drain_timeout_s is not None and not 0 <= drain_timeout_s <= LONGEST_DRAIN_S:
        raise refuse_input(fill_in("--drain-timeout is 0 to {most}", most=LONGEST_DRAIN_S))


def _find_exit_code(error: GatewayError) -> ExitCode:
    if status_of(error) >= SERVER_ERRORS:
        return ExitCode.FAILED
    plan = error.details.get("plan") if isinstance(error, SwitchRefused) else None
    codes = [problem["code"] for problem in plan["problems"]] if plan else []
    return _judge_refusals(codes)


def _judge_refusals(codes: Any) -> ExitCode:
    """No switcher is worth a code of its own only where nothing else is wrong."""
    return ExitCode.NO_SWITCHER if set(codes) == {"no_switcher"} else ExitCode.REFUSED


def _explain_early_end(end: ExitCode, switch: Switch) -> str:
    cancel = f"manage.py cancel_switch {switch.id}"
    goes_on = fill_in("The switch goes on. To end it: {command}", command=cancel)
    match end:
        case ExitCode.TIMED_OUT:
            return fill_in("The time to wait is over. {goes_on}", goes_on=goes_on)
        case ExitCode.NO_SWITCHER:
            return fill_in(
                "No switcher has been heard of for a while. Start one (manage.py run_switcher): "
                "it carries the switch on. To end the switch: {command}",
                command=cancel,
            )
        case _:
            return fill_in("No longer watching. {goes_on}", goes_on=goes_on)
