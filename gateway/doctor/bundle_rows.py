"""Rows for a support bundle: migrations, counts, switches, engines and GPUs; nothing that people wrote."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from gateway.database.rows import is_postgresql
from modelops.hardware.sampling import load_history
from modelops.models import Engine, Slot, Switch, SwitchEvent
from modelops.switching.events import PUBLIC_DATA

SWITCHES = 50
EVENTS = 500
ENGINES = 20
READINGS = 10


def list_migrations() -> dict[str, Any]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return {
        "waiting": [f"{each.app_label}.{each.name}" for each, _back in waiting],
        "applied": sorted(".".join(key) for key in executor.loader.applied_migrations),
    }


def count_rows() -> dict[str, int]:
    """By table. Of PostgreSQL as its statistics have it: counting large tables takes minutes."""
    with connection.cursor() as cursor:
        if is_postgresql():
            cursor.execute("SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY relname")
            return {str(name): int(count) for name, count in cursor.fetchall()}
        tables = sorted(connection.introspection.django_table_names(only_existing=True))
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - ours
            counts[table] = int(cursor.fetchone()[0])
        return counts


def list_switches(*, with_names: bool) -> list[dict[str, Any]]:
    """Reasons and actors are people's words and names."""
    columns = (
        *("id", "slot__slug", "from_profile", "to_profile", "state", "via", "force", "attempts", "phase"),
        *("created_at", "ended_at", "state_seconds", "root_cause", "restore_cause", "max_model_len"),
        *(("actor_name", "reason", "cancelled_by") if with_names else ()),
    )
    return list(Switch.objects.order_by("-created_at", "-id").values(*columns)[:SWITCHES])


def list_events(*, with_names: bool) -> list[dict[str, Any]]:
    """Messages may name people; the data besides PUBLIC_DATA may, too."""
    return [
        {
            "id": event.pk,
            "switch": event.switch_id,
            "at": event.at,
            "kind": event.kind,
            "state": event.state,
            **({"message": event.message} if with_names else {}),
            "data": {name: value for name, value in event.data.items() if with_names or name in PUBLIC_DATA},
        }
        for event in SwitchEvent.objects.order_by("-id")[:EVENTS]
    ]


def list_slots() -> list[dict[str, Any]]:
    hidden = {"lease_holder"}
    names = [field.attname for field in Slot._meta.concrete_fields if field.name not in hidden]
    return list(Slot.objects.values(*names))


def list_engines() -> list[dict[str, Any]]:
    """Of their environment the names alone: values may be secrets."""
    left_out = {"environment", "cards", "end_texts", "spec"}
    names = [field.attname for field in Engine._meta.concrete_fields if field.name not in left_out]
    engines = []
    for engine in Engine.objects.order_by("-created_at", "-id")[:ENGINES]:
        values = {name: getattr(engine, name) for name in names}
        engines.append({**values, "environment": sorted(engine.environment)})
    return engines


def list_hardware() -> list[dict[str, Any]]:
    return [{"host": each.host, **each.reading.to_json()} for each in load_history(limit=READINGS)]
