"""Groups: who may change them, what they do to the limits of their members, and what is put on record."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.change_origin import COMMAND
from accounts.groups import add_member, follow_claim, save_group
from accounts.limits.in_force import list_limits_in_force
from accounts.limits.rows import load_limits, set_group_limit
from accounts.models import (
    AccountGroup,
    AuditEvent,
    GroupMembership,
    Limit,
    LimitKind,
    LimitSubject,
    User,
)
from accounts.tests.rest import client_of

pytestmark = pytest.mark.django_db

GROUPS = "/api/groups"


def new_group(name: str = "research", **fields: str) -> AccountGroup:
    return save_group(group=AccountGroup(name=name, **fields), origin=COMMAND)


def changes_on_record() -> list[tuple[str, dict[str, Any]]]:
    events = AuditEvent.objects.filter(target_type="accountgroup").order_by("at", "id")
    return [(event.action, event.changes) for event in events]


def test_group_with_a_member_and_a_limit_by_rest(root: User, mina: User) -> None:
    client = client_of(root)

    created = client.post(GROUPS, {"name": "research"}, content_type="application/json")
    path = f"{GROUPS}/{created.json()['id']}"
    member = f"{path}/members/{mina.pk}"
    added = [client.put(member).status_code for _ in range(2)]
    number = {"limit": 500, "window_s": 3600}
    limited = client.put(f"{path}/limits/requests", number, content_type="application/json")
    renamed = client.patch(path, {"name": "Research", "claim_value": "rd"}, content_type="application/json")
    (listed,) = client.get(GROUPS).json()["data"]

    assert (created.status_code, added, limited.status_code, renamed.status_code) == (
        201,
        [200, 200],
        200,
        200,
    )
    assert (listed["name"], listed["claim_value"]) == ("Research", "rd")
    assert listed["limits"] == {"requests": number, "tokens": None, "streams": None}
    assert [(each["id"], each["username"], each["source"]) for each in listed["members"]] == [
        (str(mina.pk), "mina", "admin")
    ]
    assert client_of(mina).get("/api/auth/me").json()["limits"]["requests"] == number
    assert changes_on_record() == [
        ("accountgroup_created", {"name": [None, "research"]}),
        ("accountgroup_changed", {"member": [None, "mina"]}),
        ("accountgroup_changed", {"name": ["research", "Research"], "claim_value": ["", "rd"]}),
    ]
    assert (
        AuditEvent.objects.get(action="limit_created").target_label == "Requests per window of the group "
        "research: 500 in 3600 s"
    )


def test_group_goes_with_its_limits_and_leaves_its_members(root: User, mina: User) -> None:
    client, group = client_of(root), new_group()
    add_member(group=group, user=mina, origin=COMMAND)
    set_group_limit(group=group, kind=LimitKind.STREAMS, value=1, window_s=None, origin=COMMAND)
    path = f"{GROUPS}/{group.pk}"

    left = [client.delete(f"{path}/members/{mina.pk}").status_code for _ in range(2)]
    unlimited = [client.delete(f"{path}/limits/streams").status_code for _ in range(2)]
    set_group_limit(group=group, kind=LimitKind.STREAMS, value=1, window_s=None, origin=COMMAND)
    gone = [client.delete(path).status_code for _ in range(2)]

    assert left == unlimited == gone == [204, 404]
    assert not Limit.objects.exists()
    assert AuditEvent.objects.filter(action="limit_deleted").count() == 2
    assert User.objects.filter(pk=mina.pk).exists()


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"name": "RESEARCH"}, "name"),
        ("", {"name": ""}, "name"),
        ("/limits/requests", {"limit": 5}, "window_s"),
        ("/limits/streams", {"limit": 5, "window_s": 60}, "window_s"),
        ("/limits/requests", {"limit": -1, "window_s": 60}, "limit"),
    ],
)
def test_what_makes_no_group_or_limit_is_refused(
    root: User, path: str, body: dict[str, object], param: str
) -> None:
    client, group = client_of(root), new_group()
    send = client.put if path else client.post

    response = send(f"{GROUPS}/{group.pk}{path}" if path else GROUPS, body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert (AccountGroup.objects.count(), Limit.objects.count()) == (1, 0)


def test_groups_are_for_administrators_in_person(mina: User) -> None:
    client, group = client_of(mina), new_group()
    path = f"{GROUPS}/{group.pk}"
    calls = [
        ("get", GROUPS),
        ("post", GROUPS),
        *(("get", path), ("patch", path), ("delete", path)),
        *((method, f"{path}/members/{mina.pk}") for method in ("put", "delete")),
        *((method, f"{path}/limits/requests") for method in ("put", "delete")),
        ("get", f"{GROUPS}/{uuid.uuid4()}"),
    ]

    statuses = {
        client.generic(method.upper(), url, "{}", content_type="application/json").status_code
        for method, url in calls
    }

    assert statuses == {403}
    assert not GroupMembership.objects.exists()


def test_limit_in_force_names_its_group(mina: User) -> None:
    for name, value in (("research", 500), ("trial", 5)):
        group = new_group(name)
        add_member(group=group, user=mina, origin=COMMAND)
        set_group_limit(group=group, kind=LimitKind.REQUESTS, value=value, window_s=60, origin=COMMAND)

    requests, tokens, _streams = list_limits_in_force(mina)

    assert (requests.source, requests.group_name) == (LimitSubject.GROUP, "trial")
    assert requests.allowance == (5, 60)
    assert (tokens.source, tokens.group_name) == (None, "")


def test_change_of_members_is_seen_by_the_web_process(mina: User) -> None:
    group = new_group()
    set_group_limit(group=group, kind=LimitKind.REQUESTS, value=5, window_s=60, origin=COMMAND)
    (before,) = load_limits([None])

    add_member(group=group, user=mina, origin=COMMAND)
    (after,) = load_limits([before.mark])
    (unchanged,) = load_limits([after.mark])

    assert (before.groups, after.groups) == ({}, {mina.pk: [str(group.pk)]})
    assert (unchanged.rows, unchanged.groups) == (None, None)


def test_claim_puts_an_account_into_groups_that_exist_and_out_again(mina: User) -> None:
    research, operations, by_hand = (
        new_group("research"),
        new_group("operations", claim_value="ops"),
        new_group("by-hand"),
    )
    add_member(group=by_hand, user=mina, origin=COMMAND)

    seen = []
    for values in ({"research", "ops", "operations", "unknown"}, {"operations", "by-hand"}, set()):
        follow_claim(user=mina, values=values, origin=COMMAND)
        seen.append(set(GroupMembership.objects.values_list("group_id", "source")))

    assert seen == [
        {(research.pk, "claim"), (operations.pk, "claim"), (by_hand.pk, "admin")},
        {(by_hand.pk, "admin")},
        {(by_hand.pk, "admin")},
    ]
    assert AccountGroup.objects.count() == 3
    assert [changes for _action, changes in changes_on_record()][-2:] == [{"member": ["mina", None]}] * 2


def test_members_are_put_in_and_taken_out_on_the_page_of_the_group(web: Client, mina: User) -> None:
    form = {"name": "research", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0}
    added = web.post("/admin/accounts/accountgroup/add/", form | {"memberships-0-user": mina.pk})
    group = AccountGroup.objects.get()
    membership = GroupMembership.objects.get()
    page = f"/admin/accounts/accountgroup/{group.pk}/change/"
    set_group_limit(group=group, kind=LimitKind.REQUESTS, value=500, window_s=3600, origin=COMMAND)
    prefilled = web.get(f"/admin/accounts/limit/add/?subject=group&group={group.pk}").content.decode()
    shown = web.get(page).content.decode()
    listed = web.get("/admin/accounts/accountgroup/").content.decode()

    form |= {
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": membership.pk,
        "memberships-0-group": group.pk,
        "memberships-0-user": mina.pk,
        "memberships-0-DELETE": "on",
    }
    removed = web.post(page, form)

    assert (added.status_code, removed.status_code) == (302, 302)
    assert (membership.user, membership.source) == (mina, "admin")
    assert "mina" in shown
    assert "Requests: 500 per hour" in shown
    assert f'?subject=group&amp;group={group.pk}">Set a limit' in shown
    assert '<option value="group" selected>' in prefilled
    assert '<td class="field-member_count">1</td>' in listed
    assert not GroupMembership.objects.exists()
    assert [changes.get("member") for _action, changes in changes_on_record()] == [
        None,
        [None, "mina"],
        ["mina", None],
    ]
    assert web.post(f"{page[:-7]}delete/", {"post": "yes"}).status_code == 302
    assert not AccountGroup.objects.exists()
