"""`manage.py createsuperuser`, which refuses the names that the gateway refuses with a sentence, and 2."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from gateway.command_errors import refuse_input


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError also for what only the model finds: Django checks each field by itself."""
        try:
            super().handle(*args, **options)
        except ValidationError as exc:
            raise refuse_input("; ".join(exc.messages)) from exc
        except CommandError as exc:
            raise refuse_input(str(exc)) from exc
