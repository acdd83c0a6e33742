"""`manage.py runserver`: daphne's, which speaks ASGI. As an app, every command would import daphne."""

from daphne.management.commands.runserver import Command

__all__ = ["Command"]
