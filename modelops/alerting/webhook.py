"""Posts an alert to the address of ALERT_WEBHOOK_URL.

The address is a secret: whoever knows it can write there. No error here, and so no line of a log, holds more
of it than its host. Names are resolved once, and the connection goes to the address that was looked at: never
to one of the link, where clouds keep the machine's credentials. Redirects are not followed, and proxies of
the environment are not used.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from gateway.wording import FilledText, fill_in

TIMEOUT_S = 10.0
LONGEST_RETRY_AFTER_S = 600.0


class WebhookFailed(Exception):
    """It was not taken. `wording` says why; `retry_after_s` is what the other side asked for, or None."""

    def __init__(self, wording: FilledText, *, retry_after_s: float | None = None) -> None:
        super().__init__(str(wording))
        self.wording = wording
        self.retry_after_s = retry_after_s


class Webhook:
    """One address. Blocking; every wait is bounded by TIMEOUT_S, that for a name by the system's resolver."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._client = httpx.Client(
            timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=_trust_authorities()
        )

    @property
    def host(self) -> str:
        return self._url.host

    def post(self, payload: Mapping[str, Any]) -> None:
        """Raises WebhookFailed unless it is answered with a 2xx."""
        try:
            request = self._client.build_request(
                "POST",
                self._url.copy_with(host=self._resolve()),
                json=payload,
                headers={"Host": self._url.netloc.decode("ascii"), "User-Agent": "vllm-chat-gateway"},
                extensions={"sni_hostname": self._url.host},
            )
            # As a stream: what is said in the answer's body is not read, however much it is.
            answer = self._client.send(request, stream=True)
            answer.close()
        except httpx.TimeoutException as exc:
            raise WebhookFailed(
                fill_in("{host} did not answer within {seconds} s", host=self.host, seconds=f"{TIMEOUT_S:g}")
            ) from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise WebhookFailed(
                fill_in("{host} cannot be reached ({error})", host=self.host, error=type(exc).__name__)
            ) from exc
        if not answer.is_success:
            raise WebhookFailed(
                fill_in(
                    "{host} answered with the status {status}", host=self.host, status=answer.status_code
                ),
                retry_after_s=_read_retry_after(answer),
            )

    def close(self) -> None:
        self._client.close()

    def _resolve(self) -> str:
        port = self._url.port or {"https": 443, "http": 80}[self._url.scheme]
        try:
            found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise WebhookFailed(fill_in("the name {host} cannot be resolved", host=self.host)) from exc
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if _is_forbidden(address):
                raise WebhookFailed(
                    fill_in(
                        "{host} leads to {address}, where no alarm is sent", host=self.host, address=address
                    )
                )
        return addresses[0]


def _trust_authorities() -> ssl.SSLContext:
    """Those that httpx brings along, and those of this machine (SSL_CERT_FILE), as a company's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _is_forbidden(address: str) -> bool:
    """Private networks are allowed, where a Mattermost of one's own is."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    known = getattr(parsed, "ipv4_mapped", None) or parsed
    return known.is_link_local or known.is_multicast or known.is_unspecified or known.is_reserved


def _read_retry_after(answer: httpx.Response) -> float | None:
    try:
        wanted = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(wanted, 0.0), LONGEST_RETRY_AFTER_S)
