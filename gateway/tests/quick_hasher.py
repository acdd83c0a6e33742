"""Argon2 for tests, kept apart from `gateway.tests.quick_settings`, which must import nothing of Django's."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2Hasher(Argon2PasswordHasher):
    """The same format, with the least of memory and time."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
