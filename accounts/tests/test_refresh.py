"""Refresh tokens work once; who presents one again is either in a hurry or a thief."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Session, User
from accounts.tests.rest import code_of, me, refresh
from accounts.tokens import TokenPair, issue_pair

GRACE = timedelta(seconds=10)


@pytest.fixture
def mina(db: None) -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def pair(mina: User) -> TokenPair:
    return issue_pair(mina)


def let_grace_pass() -> None:
    Session.objects.update(rotated_at=timezone.now() - GRACE - timedelta(seconds=1))


def test_refresh_goes_on_from_successor_to_successor(pair: TokenPair) -> None:
    token = pair.refresh_token
    seen = {token}

    for _ in range(4):
        answer = refresh(Client(), token).json()
        assert me(Client(), answer["access_token"]).status_code == 200
        token = answer["refresh_token"]
        seen.add(token)

    assert len(seen) == 5


def test_lost_answer_is_given_again(pair: TokenPair) -> None:
    lost, again = (refresh(Client(), pair.refresh_token).json() for _ in range(2))

    assert again["refresh_token"] == lost["refresh_token"]
    assert refresh(Client(), again["refresh_token"]).status_code == 200


def test_reuse_of_a_rotated_token_ends_the_whole_family(mina: User, pair: TokenPair) -> None:
    stolen = pair.refresh_token
    current = refresh(Client(), stolen).json()
    other_session = issue_pair(mina)
    let_grace_pass()

    response = refresh(Client(), stolen)

    assert code_of(response) == (401, "token_reused")
    assert code_of(refresh(Client(), current["refresh_token"])) == (401, "token_revoked")
    for access_token in (pair.access_token, current["access_token"]):
        assert code_of(me(Client(), access_token)) == (401, "token_revoked")
    assert me(Client(), other_session.access_token).status_code == 200
    event = AuditEvent.objects.get()
    assert (event.action, event.target_label, event.address) == ("session_reused", "mina", "127.0.0.1")


def test_token_from_two_rotations_ago_is_reuse_at_once(pair: TokenPair) -> None:
    second = refresh(Client(), pair.refresh_token).json()
    refresh(Client(), second["refresh_token"])

    assert code_of(refresh(Client(), pair.refresh_token)) == (401, "token_reused")


def test_session_lives_on_while_it_is_refreshed(pair: TokenPair) -> None:
    almost_over = timezone.now() + timedelta(minutes=1)
    Session.objects.update(expires_at=almost_over)

    refresh(Client(), pair.refresh_token)

    assert Session.objects.get().expires_at > almost_over + timedelta(days=29)


@pytest.mark.django_db(transaction=True)
def test_eight_refreshes_at_a_time_get_one_successor_and_nobody_is_locked_out() -> None:
    pair = issue_pair(User.objects.create(username="mina"))
    barrier = threading.Barrier(8)
    answers: list[Any] = []

    def ask() -> None:
        try:
            barrier.wait(10)
            answers.append(refresh(Client(), pair.refresh_token))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    for answer in answers:
        assert me(Client(), answer.json()["access_token"]).status_code == 200
    assert refresh(Client(), answers[0].json()["refresh_token"]).status_code == 200
