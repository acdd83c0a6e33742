"""Real reverse proxies with a certificate of their own, on the configuration that `deploy/` ships.

Only addresses, names of hosts and paths of files are other ones.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.conf import BASE_DIR
from gateway.tests.live import wait_until
from gateway.tests.needs import find_program
from modelops.simulator.process import find_free_port

DEPLOY = BASE_DIR / "deploy"
IPV6 = Path("/proc/net/if_inet6")
HOST = "localhost"
NGINX_MAIN = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/proxy.log;
events {{}}
http {{
    access_log off;
    {paths}
    include {folder}/vllm-chat-gateway.conf;
}}
"""
CADDY_MAIN = """\
{{
    admin off
    skip_install_trust
    http_port {http_port}
    storage file_system {folder}
}}
import {folder}/example
"""
TEMPORARY_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    """A proxy that ends TLS on a port of its own."""

    port: int
    http_port: int
    """The one that leads to https."""
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """For clients that check who answers."""
        return ssl.create_default_context(cafile=str(self.certificate))


def replace_each(text: str, replacements: Mapping[str, str]) -> str:
    """The text with all of them made. Raises ValueError for one that is not there."""
    for old, new in replacements.items():
        if old not in text:
            raise ValueError(f"the example has no {old!r} any more")
        text = text.replace(old, new)
    return text


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for `HOST`, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *curve, *subject, *files], check=True, capture_output=True)
    return certificate, key


@contextmanager
def start_nginx(folder: Path, *upstream_ports: int, base_path: str = "") -> Iterator[Proxy]:
    """nginx as `deploy/nginx` has it, before one web replica or several. Raises NeedMissing."""
    program = find_program("nginx")
    certificate, key = make_certificate(folder)
    proxy = Proxy(find_free_port(), find_free_port(), certificate)
    replacements = {
        "server 127.0.0.1:8080;": "\n".join(f"server 127.0.0.1:{port};" for port in upstream_ports),
        "listen 80": f"listen {proxy.http_port}",
        "listen [::]:80;": _listen_on_ipv6(str(proxy.http_port)),
        "listen 443 ssl http2": f"listen {proxy.port} ssl http2",
        "listen [::]:443 ssl http2;": _listen_on_ipv6(f"{proxy.port} ssl http2"),
        "https://$host$request_uri": f"https://$host:{proxy.port}$request_uri",
        "chat.example.com;": f"{HOST};",
        "/etc/letsencrypt/live/chat.example.com/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/chat.example.com/privkey.pem": str(key),
        "include snippets/": f"include {DEPLOY}/nginx/snippets/",
    }
    if base_path:
        replacements |= {"location / {": f"location {base_path}/ {{"}
    example = (DEPLOY / "nginx" / "vllm-chat-gateway.conf").read_text()
    (folder / "vllm-chat-gateway.conf").write_text(replace_each(example, replacements))
    paths = "\n    ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY_PATHS)
    (folder / "nginx.conf").write_text(NGINX_MAIN.format(folder=folder, paths=paths))
    command = [program, "-p", str(folder), "-e", str(folder / "proxy.log"), "-c", str(folder / "nginx.conf")]
    with _running(command, folder, proxy):
        yield proxy


def _listen_on_ipv6(place: str) -> str:
    """Nothing where the kernel has no IPv6, as in some containers: nginx would not start."""
    return f"listen [::]:{place};" if IPV6.exists() else ""


@contextmanager
def start_caddy(folder: Path, upstream_port: int) -> Iterator[Proxy]:
    """Caddy as `deploy/caddy` has it, addresses by its variables. Raises NeedMissing."""
    program = find_program("caddy")
    certificate, key = make_certificate(folder)
    proxy = Proxy(find_free_port(), find_free_port(), certificate)
    example = (DEPLOY / "caddy" / "Caddyfile").read_text()
    given = {"# tls /etc/caddy/certificate.pem /etc/caddy/key.pem": f"tls {certificate} {key}"}
    (folder / "example").write_text(replace_each(example, given))
    main = folder / "Caddyfile"
    main.write_text(CADDY_MAIN.format(folder=folder, http_port=proxy.http_port))
    command = [program, "run", "--adapter", "caddyfile", "--config", str(main)]
    variables = {"CADDY_SITE": proxy.url, "CADDY_UPSTREAM": f"127.0.0.1:{upstream_port}", "HOME": str(folder)}
    with _running(command, folder, proxy, **variables):
        yield proxy


@contextmanager
def _running(command: list[str], folder: Path, proxy: Proxy, **environment: str) -> Iterator[None]:
    log_path = folder / "proxy.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment
        )
    try:
        wait_until(lambda: process.poll() is not None or accepts(proxy.port), what=f"{command[0]} to listen")
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} did not start:\n{log_path.read_text()[-3000:]}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def accepts(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
