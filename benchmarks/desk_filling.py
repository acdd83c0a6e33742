"""Fills a database for the operators' desk: `python -m benchmarks.desk_filling MESSAGES`.

Runs with the gateway's settings, on a migrated database with the profiles of the YAML.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import django

from benchmarks.filling import ROWS_AT_A_TIME, Share, Writer, analyse, id_at, make_conversations, store

if TYPE_CHECKING:
    from django.db.models import Model

    from accounts.models import User

ACCOUNTS = 10_000
CONVERSATIONS_EACH = 2
DAYS_OF_USE = 30
SESSIONS_EACH = 2
EVENTS_EACH = 20
PROFILES = 50
SWITCHES = 300
FEW = 5_000
"""Of what people keep beside their conversations."""
MODELS = ("qwen2.5-7b-instruct", "llama-3.1-8b-instruct")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    fill_models()
    users = make_users()
    fill_accounts(users)
    fill_messages(users, int(sys.argv[1]))
    fill_belongings(users)
    analyse()


def make_users() -> list[User]:
    from accounts.models import Role, User

    names = [f"person-{number}" for number in range(ACCOUNTS)]
    users = [
        User(username=name, folded_name=name, email=f"{name}@example.com", folded_email=f"{name}@example.com")
        for name in names
    ]
    users.append(User(username="operator", folded_name="operator", role=Role.ADMIN, may_view_texts=True))
    store_rows(users)
    return users[:-1]


def fill_messages(users: list[User], count: int) -> None:
    """A question and an answer in each conversation, and copies of them with texts of their own."""
    from conversations.models import Message

    writer, conversations, messages = Writer(), [], []
    for user in users:
        share = Share(user, CONVERSATIONS_EACH, 2 * CONVERSATIONS_EACH)
        for conversation, made in make_conversations(share, writer, has_longest=False):
            conversations.append(conversation)
            messages += made
            if len(messages) >= ROWS_AT_A_TIME:
                store(conversations, messages)
    store(conversations, messages)
    text = "md5(row.id::text || copy.number)"
    multiply(
        Message,
        count // (2 * CONVERSATIONS_EACH * len(users)),
        id=uuid_of("row.created_at"),
        content=f"repeat({text} || ' ', 5)",
    )


def uuid_of(moment: str) -> str:
    """SQL for a UUIDv7 of a copy, at that moment."""
    milliseconds = f"lpad(to_hex((extract(epoch FROM {moment}) * 1000)::bigint), 12, '0')"
    noise = "md5(row.id::text || copy.number)"
    return f"({milliseconds} || '7' || left({noise}, 3) || '8' || substr({noise}, 4, 15))::uuid"


def multiply(model: type[Model], times: int, *, without: str = "", **changed: str) -> None:
    """Have so many of each row: copies that differ in these columns, as SQL of `row` and `copy.number`."""
    from django.db import connection

    fields = [field for field in model._meta.concrete_fields if not field.generated]
    columns = [str(field.column) for field in fields if field.column != without]
    values = [changed.get(name, f'row."{name}"') for name in columns]
    names, table = ", ".join(f'"{name}"' for name in columns), f'"{model._meta.db_table}"'
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} "  # noqa: S608 - names of our own
            f"FROM {table} AS row CROSS JOIN generate_series(1, %s) AS copy(number)",
            [times - 1],
        )


def fill_accounts(users: list[User]) -> None:
    """Sessions, keys, limits, thirty days of use and the audit trail."""
    from accounts.models import ApiKey, AuditEvent, DailyUsage, Limit, Session, Via

    now = datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(days=30)
    store_rows(
        Session(
            user=user, account_version=0, expires_at=later, user_agent="python-httpx/0.28", refresh_jti="x"
        )
        for user in users
        for _number in range(SESSIONS_EACH)
    )
    store_rows(
        ApiKey(user=user, name="laptop", prefix=f"{number:08}", digest="0" * 64, scopes=["chat"])
        for number, user in enumerate(users)
    )
    store_rows(
        Limit(subject="user", user=user, kind="requests", value=100, window_s=60) for user in users[:FEW]
    )
    today = now.date()
    store_rows(
        DailyUsage(
            user=user,
            day=today,
            model=model,
            requests=number % 50 + 1,
            prompt_tokens=number % 5000,
            completion_tokens=number % 900,
        )
        for number, user in enumerate(users)
        for model in MODELS
    )
    multiply(DailyUsage, DAYS_OF_USE, without="id", day="row.day - copy.number")
    store_rows(
        AuditEvent(
            id=id_at(at := now - datetime.timedelta(minutes=number)),
            at=at,
            actor_id=user.pk,
            actor_name=user.username,
            via=Via.REST,
            action="logged_in",
            target_type="user",
            target_id=str(user.pk),
            target_label=user.username,
        )
        for number, user in enumerate(users)
    )
    earlier = "row.at - copy.number * interval '7 days'"
    multiply(AuditEvent, EVENTS_EACH, id=uuid_of(earlier), at=earlier)


def fill_belongings(users: list[User]) -> None:
    from conversations.models import (
        Feedback,
        Folder,
        Message,
        RetentionRule,
        SavedPrompt,
        SharedLink,
        StoredFile,
    )

    some = users[:FEW]
    store_rows(Folder(owner=user, name="Work") for user in some)
    store_rows(SavedPrompt(owner=user, title="Review", content="Review this.") for user in some)
    store_rows(
        StoredFile(owner=user, sha256=f"{number:064}", kind="document", media_type="text/plain", size_bytes=9)
        for number, user in enumerate(some)
    )
    answers = list(Message.objects.filter(role="assistant").only("pk", "owner_id", "conversation_id")[:FEW])
    store_rows(Feedback(message=answer, owner_id=answer.owner_id, rating=1) for answer in answers)
    store_rows(
        SharedLink(owner_id=answer.owner_id, conversation_id=answer.conversation_id, head=answer)
        for answer in {answer.conversation_id: answer for answer in answers}.values()
    )
    RetentionRule.objects.create(role="user", days=3650)


def fill_models() -> None:
    """Profiles that are copies of one, and switches to them with their engines."""
    from modelops.domain.switching.states import SwitchState
    from modelops.models import Engine, EngineState, ModelProfile, Switch
    from modelops.switching.slots import get_slot

    slot, profile = get_slot(), ModelProfile.objects.order_by("pk")[0]
    for number in range(PROFILES - ModelProfile.objects.count()):
        profile.pk, profile._state.adding = None, True
        profile.slug, profile.is_default = f"copy-{number}", False
        profile.save(force_insert=True)
    now = datetime.datetime.now(datetime.UTC)
    moments = [now - datetime.timedelta(hours=SWITCHES - number) for number in range(SWITCHES)]
    store_rows(
        Engine(
            id=id_at(at),
            slot=slot,
            generation=number,
            name=f"engine-{number}",
            state=EngineState.ENDED,
            profile=profile.slug,
            spec={},
            model_name=profile.slug,
            runtime="docker",
            ended_at=now,
        )
        for number, at in enumerate(moments)
    )
    store_rows(
        Switch(
            id=id_at(at),
            slot=slot,
            to_profile=profile.slug,
            state=SwitchState.ACTIVE if number % 5 else SwitchState.ROLLED_BACK,
            via=Switch.Via.ADMIN,
            actor_name="operator",
            drain_timeout_s=60,
            drain_policy="wait",
            state_seconds={"loading": 60.0, "verifying": 2.0},
            created_at=at,
            ended_at=at,
        )
        for number, at in enumerate(moments)
    )


def store_rows(rows: Iterable[Any]) -> None:
    made: list[Model] = list(rows)
    type(made[0])._default_manager.bulk_create(made, batch_size=ROWS_AT_A_TIME)


if __name__ == "__main__":
    main()
