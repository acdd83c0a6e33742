"""The database of tests in this process: a copy of one that is migrated once in a test run."""

from __future__ import annotations

import os
import shutil

import pytest
from django.db import connection

from gateway.tests.databases import MIGRATED, postgres_template, sqlite_template


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether pytest-django takes the database that is there; PostgreSQL copies one by itself."""
    return not os.environ.get("DATABASE_URL")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, request: pytest.FixtureRequest
) -> None:
    if request.config.option.quick:
        return  # the template is made by another process
    test = connection.settings_dict["TEST"]
    if server := os.environ.get("DATABASE_URL"):
        test["TEMPLATE"] = postgres_template(server, MIGRATED)
    else:
        shutil.copy(sqlite_template(MIGRATED), test["NAME"])
