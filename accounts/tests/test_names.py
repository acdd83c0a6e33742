"""Which user names are the same, look alike or belong to nobody, and what that means for accounts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import Settings

from accounts.lookalikes import LOOKALIKES
from accounts.models import Role, User
from accounts.names import check_newcomers_name, fold, skeleton
from accounts.services import seed_user
from accounts.tests.rest import PASSWORD, client_at, client_of, log_in

pytestmark = pytest.mark.django_db

CYRILLIC_A = "\u0430"
DOTLESS_I = "\u0131"
HANGUL_FILLER = "\u3164"


@pytest.fixture(autouse=True)
def quick_hashes_and_registration(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LOGIN_RATE = settings.ADDRESS_RATE = "0/m"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr("accounts.services.get_config", lambda: OpenDoor)


class OpenDoor:
    """The configuration, with registration switched on."""

    is_registration_open = True


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("Mina", "Mina@Example.com", PASSWORD)


def register(username: str, **more: str) -> Any:
    body = {"username": username, "password": "a quite different horse"} | more
    return client_at().post("/api/auth/register", body, content_type="application/json")


def refused_field(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["param"]


LIKE_MINA = ["mina", "MINA", f"M{DOTLESS_I}na", "Min\u0251", "\uff2dina", "Mi\u0578a", "mina" + HANGUL_FILLER]


@pytest.mark.parametrize("name", LIKE_MINA)
def test_name_like_one_that_is_taken_is_refused_to_newcomers(mina: User, name: str) -> None:
    assert refused_field(register(name)) == (400, "username")
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", LIKE_MINA)
def test_name_like_one_that_is_taken_is_refused_to_administrators_too(mina: User, name: str) -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN))
    form = {"username": name, "role": "user", "usable_password": "true"}

    page = browser.post("/admin/accounts/user/add/", form | {"password1": PASSWORD, "password2": PASSWORD})

    assert page.status_code == 200
    assert set(page.context["adminform"].form.errors) == {"username"}
    assert User.objects.count() == 2


@pytest.mark.parametrize("pair", ["a1:al", "anna0:annao", "barney:bamey", "\u0441\u043e\u0441\u043e:coco"])
def test_whole_names_that_look_alike_exclude_each_other(pair: str) -> None:
    first, second = pair.split(":")
    User.objects.create_user(first)

    with pytest.raises(ValidationError, match="looks like one"):
        User.objects.create_user(second)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Admin",
            "ADMIN",
            f"adm{DOTLESS_I}n",
            f"{CYRILLIC_A}dmin",
            "4dm1n",
            "adrnin",
            "a.d.m.i.n",
            "admin_",
        ),
        *(
            "admin2024",
            "the-admin",
            "root",
            "system",
            "Support",
            "administrat0r",
            "adm" + HANGUL_FILLER + "in",
        ),
        *(".", "..", "---", "current", "me", "NULL", "\uff4d\uff45"),
    ],
)
def test_reserved_name_is_refused_to_newcomers(name: str) -> None:
    assert refused_field(register(name)) == (400, "username")


@pytest.mark.parametrize("name", [".", "..", "current", "Me", f"{CYRILLIC_A}lice", "ad" + HANGUL_FILLER])
def test_name_that_nobody_gets_is_refused_to_administrators_too(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        User.objects.create_user(name)

    assert "username" in refused.value.message_dict


@pytest.mark.parametrize("name", ["admin", "support", "system"])
def test_administrators_give_away_the_names_that_speak_for_the_service(name: str) -> None:
    assert User.objects.create_user(name).username == name


@pytest.mark.parametrize(
    "name",
    [
        "badminton",
        "rooty",
        "kim-\ucca0\uc218",
        "\u7530\u4e2dtaro",
        "\u043c\u0430\u0448\u0430",
        "jos\u00e9",
        "a.b+c",
    ],
)
def test_ordinary_names_of_newcomers_pass(name: str) -> None:
    check_newcomers_name(name)

    assert register(name).status_code == 201


@pytest.mark.parametrize("typed", ["mina", "MINA", "\uff2d\uff49\uff4e\uff41", "MINA@example.COM"])
def test_log_in_finds_the_account_by_its_folded_name(mina: User, typed: str) -> None:
    assert log_in(client_at(), typed).json()["user"]["username"] == "Mina"


def test_log_in_by_a_lookalike_finds_nobody(mina: User) -> None:
    assert log_in(client_at(), f"M{DOTLESS_I}na").status_code == 401


@pytest.mark.parametrize(
    "address", ["MINA@EXAMPLE.COM", "mina@\uff45xample.com", f"m{DOTLESS_I}na@example.com"]
)
def test_email_like_one_that_is_taken_is_refused(mina: User, address: str) -> None:
    other = client_of(User.objects.create_user("other"))

    registered = register("newcomer", email=address)
    changed = other.patch("/api/auth/me", {"email": address}, content_type="application/json")

    assert refused_field(registered) == refused_field(changed) == (400, "email")


def test_email_that_was_changed_is_compared_in_its_new_form(mina: User) -> None:
    client_of(mina).patch("/api/auth/me", {"email": "new@example.com"}, content_type="application/json")

    assert register("one", email="Mina@example.com").status_code == 201
    assert refused_field(register("two", email="NEW@example.com")) == (400, "email")


def test_name_that_an_administrator_changes_is_compared_in_its_new_form(mina: User) -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN))
    form = {"username": "Nina", "email": "mina@example.com", "role": "user", "is_active": "on"}

    assert browser.post(f"/admin/accounts/user/{mina.pk}/change/", form).status_code == 302

    assert log_in(client_at(), "NINA").status_code == 200
    assert register("mina").status_code == 201


def test_names_that_collided_before_the_rule_stay_and_one_of_them_is_found_in_any_spelling() -> None:
    names = {"ADMIN": Role.USER, "Admin": Role.ADMIN, f"adm{DOTLESS_I}n": Role.USER, ".": Role.USER}
    for name, role in names.items():
        user = User(username=name, role=role)
        user.set_password(PASSWORD)
        user.save()

    import_module("accounts.migrations.0011_fill_compared_names").fill(apps, None)

    found = {name: log_in(client_at(), name).json()["user"]["username"] for name in names}
    assert found == {name: name for name in names}
    assert log_in(client_at(), "admin").json()["user"]["username"] == "Admin"
    # They can still be edited as a whole, and seeding takes the one that there is.
    for user in User.objects.all():
        user.full_clean(exclude=["password", "email"])
        user.save()
    assert not seed_user(username="admin", password="", role=Role.ADMIN).is_new


def test_lookalikes_are_single_folded_characters_of_one_letter_each() -> None:
    others = "".join(LOOKALIKES.values())

    assert len(set(others)) == len(others) > 300
    assert all(fold(other) == other and not other.isascii() for other in others)
    assert skeleton(fold("ADM\u0130N")) == skeleton("admin")
