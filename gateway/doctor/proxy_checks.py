"""What TRUSTED_PROXY_HOPS means here, and what of a request arrives that comes in from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.arrivals import HEADER, PATH, sign_probe
from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.wording import fill_in

FORGED = "192.0.2.77"
"""An address that nobody has (RFC 5737), sent as a client would who pretends to be somebody else."""
TIMEOUT_S = 5.0


def check_proxy(place: VantagePoint) -> Iterator[Finding]:
    hops = place.config.trusted_proxy_hops
    if not hops:
        message = fill_in(
            "TRUSTED_PROXY_HOPS is 0: addresses are those of the connections, and X-Forwarded-For counts "
            "for nothing."
        )
    else:
        message = fill_in(
            "TRUSTED_PROXY_HOPS is {hops}: the address of a client is entry {hops} from the end of "
            "X-Forwarded-For. "
            "Whoever reaches the gateway past the proxy can claim any address.",
            hops=hops,
        )
    advice = "" if place.url else fill_in("doctor --url https://… asks from outside, and says what arrives.")
    yield Finding("proxy.setting", FindingKind.OK, message, advice, {"trusted_proxy_hops": hops})
    if place.url:
        yield from _ask_from_outside(place)


def _ask_from_outside(place: VantagePoint) -> Iterator[Finding]:
    url = place.url.rstrip("/")
    try:
        answer = httpx.get(
            f"{url}{PATH}",
            headers={HEADER: sign_probe(), "X-Forwarded-For": FORGED},
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        yield _explain_unreached(url, exc)
        return
    if answer.is_redirect:
        yield Finding(
            "proxy.url",
            FindingKind.NOTE,
            fill_in("{url} sends on to {to}.", url=url, to=answer.headers.get("location", "?")),
            fill_in(
                "Name that one: doctor --url {to}", to=answer.headers.get("location", "?").removesuffix(PATH)
            ),
        )
        return
    arrived = _read(answer)
    if arrived is None:
        yield _explain_answer(url, answer)
        return
    yield Finding("proxy.url", FindingKind.OK, fill_in("{url} reaches this gateway.", url=url), facts=arrived)
    yield _judge_address(place, arrived)
    yield from _judge_scheme(place, url, arrived)


def _read(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if answer.status_code == 200 and isinstance(content, dict) and "peer" in content else None


def _explain_unreached(url: str, error: Exception) -> Finding:
    text = f"{type(error).__name__}: {error}"[:300]
    message = fill_in("{url} is not reached from here: {error}", url=url, error=text)
    advice = fill_in(
        "Look at the proxy, the name's address and the firewall. From inside a container, the machine's "
        "own name may not be reachable: try it on the host."
    )
    if "certificate" in text.lower():
        advice = fill_in(
            "The certificate is not trusted here: renew it, or have its authority known (SSL_CERT_FILE)."
        )
    return Finding("proxy.url", FindingKind.PROBLEM, message, advice)


def _explain_answer(url: str, answer: httpx.Response) -> Finding:
    status = answer.status_code
    advice = fill_in(
        "Is it this gateway, with the same SECRET_KEY? The proxy's log says where it sent the request."
    )
    if status == 400:
        advice = fill_in("Add the name to ALLOWED_HOSTS, and have the proxy pass Host on unchanged.")
    elif status in (502, 503, 504):
        advice = fill_in(
            "The proxy does not reach the gateway: compare its address and port with `docker compose ps web`."
        )
    elif status == 429:
        advice = fill_in("This address asked too often: wait a minute.")
    return Finding(
        "proxy.url", FindingKind.PROBLEM, fill_in("{url} answers {status}.", url=url, status=status), advice
    )


def _judge_address(place: VantagePoint, arrived: dict[str, Any]) -> Finding:
    """The forged address must be no client's; what the proxies added counts their number."""
    entries: list[str] = arrived["forwarded_for"]
    hops, client = place.config.trusted_proxy_hops, arrived["client"]
    added = len(entries) - entries.index(FORGED) - 1 if FORGED in entries else len(entries)
    facts = {"proxies": added, "client": client}
    if client != FORGED and added == hops:
        message = fill_in(
            "This request counts as {client}, past {count} proxies; a forged address is ignored.",
            client=client,
            count=added,
        )
        return Finding("proxy.address", FindingKind.OK, message, facts=facts)
    explain = _explain_forgery if client == FORGED else _explain_few if added > hops else _explain_many
    said, advice = explain(client=client, hops=hops, count=added)
    return Finding("proxy.address", FindingKind.PROBLEM, said, advice, facts)


def _explain_forgery(*, client: str, hops: int, count: int) -> tuple[str, str]:
    message = fill_in(
        "A client can pretend to have any address: TRUSTED_PROXY_HOPS is {hops}, and {count} proxies add to "
        "X-Forwarded-For.",
        hops=hops,
        count=count,
    )
    return message, fill_in("Set TRUSTED_PROXY_HOPS={count}.", count=count)


def _explain_few(*, client: str, hops: int, count: int) -> tuple[str, str]:
    message = fill_in(
        "All clients count as {client}, a proxy: TRUSTED_PROXY_HOPS is {hops}, and {count} proxies add to "
        "X-Forwarded-For.",
        client=client,
        hops=hops,
        count=count,
    )
    return message, fill_in(
        "Set TRUSTED_PROXY_HOPS={count}, or limits by address hit everybody at once.", count=count
    )


def _explain_many(*, client: str, hops: int, count: int) -> tuple[str, str]:
    message = fill_in(
        "TRUSTED_PROXY_HOPS is {hops}, and {count} proxies add to X-Forwarded-For: all clients count as "
        "{client}.",
        client=client,
        hops=hops,
        count=count,
    )
    return message, fill_in(
        "Have each proxy append the address of its client to X-Forwarded-For, or set "
        "TRUSTED_PROXY_HOPS={count}.",
        count=count,
    )


def _judge_scheme(place: VantagePoint, url: str, arrived: dict[str, Any]) -> Iterator[Finding]:
    parts = urlsplit(url)
    is_https = parts.scheme == "https"
    if is_https and not place.config.secure_cookies:
        yield Finding(
            "proxy.https",
            FindingKind.PROBLEM,
            fill_in("{url} is https, and SECURE_COOKIES is off: signing in on a page is refused.", url=url),
            fill_in("Set SECURE_COOKIES=true."),
        )
    elif not is_https and place.config.secure_cookies:
        yield Finding(
            "proxy.https",
            FindingKind.PROBLEM,
            fill_in("SECURE_COOKIES is on, and {url} is not https: browsers keep no session there.", url=url),
            fill_in("Name the https address, or turn SECURE_COOKIES off."),
        )
    if arrived["host"] and arrived["host"].lower() != parts.netloc.rpartition("@")[2].lower():
        yield Finding(
            "proxy.host",
            FindingKind.NOTE,
            fill_in(
                "The proxy turns the host {sent} into {arrived}.", sent=parts.netloc, arrived=arrived["host"]
            ),
            fill_in("Have it pass Host on unchanged; otherwise forms may be refused."),
        )
