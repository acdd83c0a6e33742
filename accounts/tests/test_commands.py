"""The commands about accounts."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import ApiKey, AuditEvent, Role, Session, User
from accounts.tests.rest import PASSWORD, client_with, code_of, me
from accounts.tokens import issue_pair

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", PASSWORD)


def run(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def test_user_is_created_with_a_made_up_password_shown_once() -> None:
    password = run("create_user", "juno", "--email", "juno@example.com", "--quiet").strip()

    juno = User.objects.get()
    assert juno.check_password(password)
    assert (juno.username, juno.email, juno.role) == ("juno", "juno@example.com", Role.USER)
    assert [(e.action, e.via) for e in AuditEvent.objects.all()] == [("user_created", "command")]


def test_admin_is_created_with_the_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))

    output = run("create_user", "root", "--admin", "--password-stdin")

    assert User.objects.get().check_password(PASSWORD)
    assert User.objects.get().role == Role.ADMIN
    assert PASSWORD not in output


@pytest.mark.parametrize(
    ("arguments", "typed", "problem"),
    [
        (["mina"], "", "username"),
        (["<script>"], "", "username"),
        (["new", "--email", "MINA@example.com"], "", "email"),
        (["new", "--password-stdin"], "short\n", "password"),
        (["new", "--password-stdin"], "", "no password"),
    ],
)
def test_user_that_cannot_be_is_refused_with_the_reason(
    mina: User, monkeypatch: pytest.MonkeyPatch, arguments: list[str], typed: str, problem: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    with pytest.raises(CommandError, match=problem):
        run("create_user", *arguments)

    assert User.objects.count() == 1


@pytest.mark.parametrize("typed", [["--password", "hunter2"], ["--password=hunter2"], ["--password"]])
def test_password_as_an_argument_is_refused_with_the_reason_and_not_repeated(typed: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        run("create_user", "juno", *typed)

    assert "list of processes" in str(refused.value) and "--password-stdin" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert not User.objects.exists()


def test_password_is_asked_for_at_a_terminal_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)

    output = run("create_user", "juno", "--password-stdin")

    assert User.objects.get().check_password(PASSWORD)
    assert PASSWORD not in output


def test_superuser_with_a_name_that_nobody_gets_is_refused_with_the_reason(mina: User) -> None:
    with pytest.raises(CommandError, match=r"looks like|already"):
        run("createsuperuser", "--noinput", "--username", "MINA", "--email", "other@example.com")

    assert not User.objects.filter(role=Role.ADMIN).exists()


def test_key_is_printed_once_and_nothing_else_for_scripts(mina: User) -> None:
    key = run("create_api_key", "mina@example.com", "--scope", "history", "--quiet").strip()

    assert client_with(key).get("/api/conversations").status_code == 200


def test_key_has_what_the_options_say(mina: User) -> None:
    options = ["--name", "nightly", "--model", "small", "--model", "large", "--expires-days", "7"]

    output = run("create_api_key", "mina", *options)

    row = ApiKey.objects.get()
    assert f"{row.shown_prefix}-" in output
    assert (row.name, row.scopes, row.allowed_models) == (
        "nightly",
        ["chat", "models:read"],
        ["small", "large"],
    )
    assert row.expires_at is not None
    assert timedelta(days=6) < row.expires_at - timezone.now() < timedelta(days=7)


def test_key_for_nobody_is_refused(mina: User) -> None:
    with pytest.raises(CommandError, match="no account"):
        run("create_api_key", "nobody")


def test_sessions_of_one_account_are_ended(mina: User) -> None:
    other = User.objects.create(username="other")
    gone, kept = issue_pair(mina), issue_pair(other)
    issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND)

    output = run("revoke_sessions", "mina")

    assert output == "1 sessions ended, 0 API keys revoked.\n"
    assert code_of(me(Client(), gone.access_token)) == (401, "token_revoked")
    assert me(Client(), kept.access_token).status_code == 200


def test_everybody_is_logged_out_and_their_keys_revoked(mina: User) -> None:
    pairs = [issue_pair(mina), issue_pair(User.objects.create(username="other"))]
    issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND)

    output = run("revoke_sessions", "--all", "--keys")

    assert output == "2 sessions ended, 1 API keys revoked.\n"
    assert {me(Client(), pair.access_token).status_code for pair in pairs} == {401}


@pytest.mark.parametrize("arguments", [[], ["mina", "--all"], ["nobody"]])
def test_whose_sessions_must_be_clear(mina: User, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("revoke_sessions", *arguments)


def test_what_ended_long_ago_is_pruned_and_what_works_stays(mina: User) -> None:
    long_ago = timezone.now() - timedelta(days=31)
    for _ in range(3):
        issue_pair(mina)
        issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND)
    first, second, third = Session.objects.order_by("id")
    Session.objects.filter(pk=first.pk).update(expires_at=long_ago)
    Session.objects.filter(pk=second.pk).update(revoked_at=long_ago, revoked_reason="logout")
    one, two, three = ApiKey.objects.order_by("id")
    ApiKey.objects.filter(pk=one.pk).update(expires_at=long_ago)
    ApiKey.objects.filter(pk=two.pk).update(overlap_until=long_ago, replaced_by=three)

    dry = run("prune_tokens", "--dry-run")
    assert (Session.objects.count(), ApiKey.objects.count()) == (3, 3)
    wet = run("prune_tokens")

    assert dry == "2 sessions and 2 API keys would be deleted.\n"
    assert wet == "2 sessions and 2 API keys deleted.\n"
    assert [Session.objects.get(), ApiKey.objects.get()] == [third, three]


def test_what_ended_lately_is_kept(mina: User) -> None:
    issue_pair(mina)
    yesterday = timezone.now() - timedelta(days=1)
    Session.objects.update(expires_at=yesterday)

    run("prune_tokens")
    assert Session.objects.exists()
    run("prune_tokens", "--days", "0")
    assert not Session.objects.exists()
