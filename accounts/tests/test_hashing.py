"""How many passwords are hashed at a time, and who gets in meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from pytest_django import Settings

from accounts import hashing
from accounts.hashing import HashingGate
from accounts.models import Role, User
from accounts.tests.rest import NEW_PASSWORD, PASSWORD, client_at, client_of, log_in
from gateway.errors import ConcurrencyLimitExceeded
from gateway.tests.databases import USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

LONG_S = 120.0


def gate(*, places: int = 1, queue: int = 8, wait_s: float = LONG_S) -> HashingGate:
    return HashingGate(places=places, queue=queue, wait_s=wait_s)


class Visitor(threading.Thread):
    """Takes a place and keeps it until it is told to leave."""

    def __init__(self, entered: HashingGate, order: list[str], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._entered, self._order = entered, order
        self.is_inside, self.may_leave = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self._entered.place():
            self._order.append(self.name)
            self.is_inside.set()
            self.may_leave.wait(LONG_S)


def is_full(entered: HashingGate, waiting: int) -> bool:
    return len(entered._turns) == waiting


def test_those_who_wait_come_in_the_order_of_their_coming() -> None:
    one = gate()
    order: list[str] = []
    visitors = [Visitor(one, order, "0")]
    visitors[0].is_inside.wait(LONG_S)
    for number in range(1, 5):
        visitors.append(Visitor(one, order, str(number)))
        wait_until(lambda number=number: is_full(one, number))

    for number in range(5):
        assert visitors[number].is_inside.wait(LONG_S)
        visitors[number].may_leave.set()
        visitors[number].join(LONG_S)

    assert order == ["0", "1", "2", "3", "4"]


def test_more_than_may_wait_are_refused_at_once() -> None:
    one = gate(queue=1)
    order: list[str] = []
    inside = Visitor(one, order, "inside")
    inside.is_inside.wait(LONG_S)
    waiting = Visitor(one, order, "waiting")
    wait_until(lambda: is_full(one, 1))

    with pytest.raises(ConcurrencyLimitExceeded) as caught, one.place():
        pass

    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    for visitor in (inside, waiting):
        visitor.may_leave.set()
        visitor.join(LONG_S)
    with one.place():
        assert order == ["inside", "waiting"]


def test_whose_turn_does_not_come_is_refused_and_leaves_the_queue() -> None:
    one = gate(wait_s=0)
    inside = Visitor(one, [], "inside")
    inside.is_inside.wait(LONG_S)

    with pytest.raises(ConcurrencyLimitExceeded), one.place():
        pass

    assert is_full(one, 0)
    inside.may_leave.set()
    inside.join(LONG_S)
    with one.place(), one.place():
        pass  # a thread that has a place needs no second one


def test_place_is_given_back_when_the_hash_fails() -> None:
    one = gate(queue=0)

    with pytest.raises(ZeroDivisionError), one.place():
        raise ZeroDivisionError

    with one.place():
        pass


@pytest.fixture
def quick(db: None, settings: Settings) -> None:
    settings.LOGIN_RATE = "10000/m"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina(quick: None) -> User:
    return User.objects.create_user("mina", None, PASSWORD, role=Role.ADMIN)


def admin_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, path: str, **body: str) -> Any:
    return client.post(path, body, content_type="application/json")


def new_passwords(prefix: str = "password") -> dict[str, str]:
    return {f"{prefix}1": NEW_PASSWORD, f"{prefix}2": NEW_PASSWORD}


PLACES: dict[str, Callable[[User], Any]] = {
    "log-in": lambda user: log_in(client_at(), user.username),
    "log-in with an unknown name": lambda user: log_in(client_at(), "nobody"),
    "admin log-in": lambda user: client_at().post(
        "/admin/login/", {"username": user.username, "password": PASSWORD}
    ),
    "registration": lambda _user: post(
        client_at(), "/api/auth/register", username="newcomer", password=PASSWORD
    ),
    "password change": lambda user: post(
        client_of(user), "/api/auth/password", current=PASSWORD, new=NEW_PASSWORD
    ),
    "own password in the admin": lambda user: admin_of(user).post(
        "/admin/password_change/", {"old_password": PASSWORD, **new_passwords("new_password")}
    ),
    "somebody's password in the admin": lambda user: admin_of(user).post(
        f"/admin/accounts/user/{User.objects.exclude(pk=user.pk).get().pk}/password/",
        {"usable_password": "true", **new_passwords()},
    ),
    "new account in the admin": lambda user: admin_of(user).post(
        "/admin/accounts/user/add/",
        {"username": "newcomer", "role": "user", "usable_password": "true", **new_passwords()},
    ),
}


@pytest.mark.parametrize("ask", PLACES.values(), ids=PLACES)
def test_every_place_that_hashes_waits_for_its_turn(
    mina: User, monkeypatch: pytest.MonkeyPatch, ask: Callable[[User], Any], registration_is_on: None
) -> None:
    User.objects.create_user("somebody", None, PASSWORD)
    before = mina.password
    monkeypatch.setattr(hashing, "hashing_gate", lambda: gate(places=0, queue=0))

    answer = ask(mina)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "concurrency_limit_exceeded"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    mina.refresh_from_db()
    assert mina.password == before
    assert not User.objects.filter(username="newcomer").exists()


@pytest.fixture
def registration_is_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from dataclasses import replace

    from accounts import services
    from gateway.conf import get_config

    config = replace(get_config(), registration=True)
    monkeypatch.setattr(services, "get_config", lambda: config)
    yield


class ConcurrencyHasher(MD5PasswordHasher):
    """Remembers how many were hashing at a time."""

    running: ClassVar[int] = 0
    most: ClassVar[int] = 0
    lock: ClassVar[threading.Lock] = threading.Lock()
    met: ClassVar[threading.Barrier] = threading.Barrier(3)

    def encode(self, password: str, salt: str) -> str:
        kind = type(self)
        with self.lock:
            kind.running += 1
            kind.most = max(kind.most, kind.running)
        try:
            # Lets the others come in, where they may.
            kind.met.wait(0.05)
        except threading.BrokenBarrierError:
            kind.met.reset()
        with self.lock:
            kind.running -= 1
        return super().encode(password, salt)


def test_no_more_hash_at_a_time_than_the_setting_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.ConcurrencyHasher"]
    two = gate(places=2, queue=20)
    monkeypatch.setattr(hashing, "hashing_gate", lambda: two)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda n: User(username="x").set_password(f"password {n}"), range(12)))

    assert ConcurrencyHasher.most == 2


@pytest.fixture
def gateway(embedded_stores: Stores, tmp_path: Path) -> Iterator[GatewayProcess]:
    """It hashes passwords as in production, unlike the gateways of other tests."""
    real = {"DJANGO_SETTINGS_MODULE": "gateway.settings"}
    with start_gateway(embedded_stores, tmp_path, "http://127.0.0.1:9", **real) as gateway:
        yield gateway


def test_right_password_gets_in_while_fifty_wrong_ones_come_at_a_time(gateway: GatewayProcess) -> None:
    url = f"{gateway.url}/api/auth/login"
    is_over = threading.Event()
    seen: set[int] = set()

    def guess(number: int) -> None:
        with httpx.Client(timeout=LONG_S) as client, contextlib.suppress(httpx.HTTPError):
            while not is_over.is_set():
                body = {"username": f"guest-{number}", "password": "wrong"}
                seen.add(client.post(url, json=body).status_code)

    with ThreadPoolExecutor(50) as threads:
        for number in range(50):
            threads.submit(guess, number)
        try:
            wait_until(lambda: seen, timeout_s=LONG_S)
            right = httpx.post(url, json={"username": "demo", "password": USER_PASSWORD}, timeout=LONG_S)
        finally:
            is_over.set()
            gateway.kill()  # nobody waits for what the others get

    assert right.status_code == 200, right.text
    assert seen <= {401, 429}
