"""Accounts and the rights that come from their role."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError
from pytest_django import Settings

import gateway.settings
from accounts.models import Role, User
from accounts.services import seed_user

pytestmark = pytest.mark.django_db


def test_admin_may_everything_and_user_nothing_special() -> None:
    admin, user = User(role=Role.ADMIN), User(role=Role.USER)

    assert all((admin.is_staff, admin.is_superuser, admin.has_perm("conversations.delete_message")))
    assert not any((user.is_staff, user.is_superuser, user.has_perm("conversations.delete_message")))


def test_inactive_admin_may_nothing() -> None:
    former = User(role=Role.ADMIN, is_active=False)

    assert not any((former.is_staff, former.is_superuser, former.has_perms([]), former.has_module_perms("x")))


def test_superuser_is_an_admin() -> None:
    assert User.objects.create_superuser("root").role == Role.ADMIN


def test_password_is_kept_as_an_argon2_hash(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = gateway.settings.PASSWORD_HASHERS

    user = User.objects.create_user("mina", None, "correct horse")

    assert user.password.startswith("argon2$argon2id$")
    assert user.check_password("correct horse")


def test_email_is_unique_in_any_case() -> None:
    User.objects.create_user("one", "same@example.com")

    with pytest.raises(ValidationError):
        User.objects.create_user("two", "SAME@example.com")
    with pytest.raises(IntegrityError):
        User.objects.create(username="three", email="Same@Example.com")


def test_accounts_without_email_do_not_collide() -> None:
    users = [User.objects.create_user("one", ""), User.objects.create_user("two", None)]

    assert [user.email for user in users] == [None, None]


def test_role_outside_the_known_ones_cannot_be_stored() -> None:
    with pytest.raises(IntegrityError):
        User.objects.create(username="odd", role="root")


def test_user_name_with_odd_characters_is_refused() -> None:
    with pytest.raises(ValidationError):
        User.objects.create_user("<script>")


def test_seeding_without_a_password_makes_one_up_once() -> None:
    first = seed_user(username="demo", password="", role=Role.USER)
    again = seed_user(username="demo", password="", role=Role.USER)

    assert (first.is_new, again.is_new) == (True, False)
    assert User.objects.get(username="demo").check_password(first.made_up_password)
    assert again.made_up_password == ""


def test_seeding_with_a_password_sets_it_and_says_when_it_changed() -> None:
    results = [seed_user(username="demo", password=p, role=Role.ADMIN) for p in ("one", "one", "two")]

    assert [(r.is_new, r.is_password_changed) for r in results] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    demo = User.objects.get(username="demo")
    assert (demo.role, demo.check_password("two")) == (Role.ADMIN, True)


def test_password_that_was_changed_since_can_be_left_as_it_is() -> None:
    seed_user(username="admin", password="first", role=Role.ADMIN)

    again = seed_user(username="admin", password="another", role=Role.ADMIN, keep_password=True)

    assert not again.is_password_changed
    assert User.objects.get(username="admin").check_password("first")


def test_demo_account_is_left_out_where_asked() -> None:
    call_command("seed_users", "--admin-only", stdout=StringIO())

    assert [user.username for user in User.objects.all()] == ["admin"]
