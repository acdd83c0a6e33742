"""A process that has imported what ours import, and forks where one is needed.

Settings a child reads by itself, from its own environment, so it differs from a process of its own only in
being there sooner (`gateway.tests.preloaded_django`). `gateway.tests.forked` starts it and speaks to it.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from gateway.tests.preloaded_django import compare_settings, preload_django

MAX_ORDER_BYTES = 2**17
PR_SET_PDEATHSIG = 1
STANDARD_STREAMS = (0, 1, 2)
WITH_DJANGO, WITHOUT_DJANGO = "with-django", "without-django"

PRELOADED = (
    *("aiohttp", "argon2", "autobahn.websocket.protocol", "cachetools", "channels.routing"),
    *("cryptography.x509", "docker", "environ", "hiredis", "httpcore2", "httptools", "httpx", "httpx2"),
    *("huggingface_hub.hf_api", "inflection", "jsonschema", "jwt", "msgspec", "prometheus_client", "psycopg"),
    *("psycopg.types.json", "pynvml", "redis.asyncio", "requests", "service_identity", "sqlparse"),
    *("starlette.applications", "starlette.middleware.cors", "structlog", "tqdm", "twisted.web.http"),
    *("uritemplate", "uuid_utils.compat", "uvicorn", "uvicorn.supervisors", "uvloop", "yaml"),
    *("django.contrib.admin.sites", "django.contrib.staticfiles.finders", "django.core.handlers.asgi"),
    *("django.core.management.commands.migrate", "django.core.management.commands.runserver"),
    *("gateway.database.base", "django.db.backends.sqlite3.base", "django.db.models"),
    *("django.forms", "django.template.backends.django", "django.template.defaulttags"),
    *("django.template.loader_tags", "django.urls", "django.views.debug", "django.views.generic"),
    *("django_prometheus.middleware", "django_ratelimit.core", "django_redis.cache", "whitenoise.middleware"),
    *("rest_framework.compat", "rest_framework.serializers", "rest_framework_simplejwt.exceptions"),
    *("PIL.ExifTags", "PIL.Image", "django.contrib.admin.views.main", "django.contrib.admindocs.views"),
    *("django.contrib.auth.hashers", "django.contrib.auth.password_validation", "django.contrib.auth.tokens"),
    *(
        "django.contrib.messages.middleware",
        "django.contrib.sessions.backends.db",
        "django.middleware.common",
    ),
    *("django.contrib.sessions.middleware", "django.contrib.sites.shortcuts", "django.middleware.locale"),
    *("django.middleware.security", "django_prometheus.exports", "drf_spectacular.utils"),
    *("rest_framework.metadata", "rest_framework.mixins", "rest_framework.permissions"),
    *("rest_framework_simplejwt.utils", "uvicorn.protocols.http.httptools_impl", "whitenoise.storage"),
)
"""Third-party modules that a web process or a switcher imports, and that read no settings when imported."""
PURE_PACKAGE = "modelops.domain"
"""Knows neither Django nor settings, which import-linter sees to; a fifth of what a start imports."""


def main() -> None:
    # Ctrl-C is for the test run, which then ends us by closing the channel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    preload()
    settings = preload_django() if sys.argv[2] == WITH_DJANGO else {}
    # What is shared with the children stays shared.
    gc.collect()
    gc.freeze()
    if order := serve(channel):
        compare_settings(settings, order["arguments"])
        run(**order)


def preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    package = importlib.import_module(PURE_PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{PURE_PACKAGE}."):
        importlib.import_module(module.name)
    share_authorities()


def share_authorities() -> None:
    """Read them once: every client of httpx does so by itself, and none speaks TLS in a test."""
    transport: Any = importlib.import_module("httpx._transports.default")
    transport.create_ssl_context = functools.cache(transport.create_ssl_context)
    transport.create_ssl_context(verify=True, cert=None, trust_env=False)


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Answer orders until the other end closes (None). In a child: what it is to run."""
    while True:
        message, streams, _, _ = socket.recv_fds(channel, MAX_ORDER_BYTES, len(STANDARD_STREAMS))
        if not message:
            return None
        order = json.loads(message)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                channel.close()
                become_process(streams)
                return dict(order)
            for stream in streams:
                os.close(stream)
        channel.send(json.dumps(answer).encode())


def become_process(streams: list[int]) -> None:
    """Of its own, as far as streams and signals go. Ends with us, whatever ends us."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, standard in zip(streams, STANDARD_STREAMS, strict=True):
        os.dup2(stream, standard)
        os.close(stream)


def end_with_parent() -> None:
    """Ask Linux to kill this process when the one that forked it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(arguments: list[str], environment: dict[str, str]) -> None:
    """What `python ARGUMENTS` does: a script, or `-m` and a module."""
    os.environ.clear()
    os.environ.update(environment)
    for folder in filter(None, environment.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        # The loader read the variable when our parent began; what is loaded by its path it finds by its name.
        for library in Path(folder).glob("lib*.so*"):
            ctypes.CDLL(str(library))
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
