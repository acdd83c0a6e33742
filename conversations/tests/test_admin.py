"""The admin's pages about accounts and conversations: they load, and lists hold nothing that users said."""

from __future__ import annotations

import re

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, Role, User
from conversations.models import (
    Conversation,
    Feedback,
    Folder,
    Message,
    RetentionRule,
    SavedPrompt,
    SharedLink,
    StoredFile,
)
from conversations.tests.trees import chain, start_streaming

pytestmark = pytest.mark.django_db

LISTS = {
    "user": "/admin/accounts/user/",
    "conversation": "/admin/conversations/conversation/",
    "message": "/admin/conversations/message/",
}


def talk(owner: User) -> Message:
    """A conversation of a canary title with a canary question."""
    conversation = Conversation.objects.create(
        owner=owner, title="canary-title", system_prompt="canary-prompt"
    )
    return Message.objects.create(
        conversation=conversation,
        owner=owner,
        role="assistant",
        content="canary-content",
        reasoning="canary-reasoning",
        parts=[{"type": "document", "file_id": "canary-file", "name": "canary-name"}],
        tool_calls=[{"id": "canary-call"}],
        model="tiny",
    )


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina", email="mina@example.com")


@pytest.fixture
def message(mina: User) -> Message:
    return talk(mina)


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN))
    return client


@pytest.mark.usefixtures("message")
@pytest.mark.parametrize("path", ["/admin/", *LISTS.values(), *(f"{p}?q=mina" for p in LISTS.values())])
def test_list_loads_and_shows_nothing_that_users_said(admin: Client, path: str) -> None:
    response = admin.get(path)

    assert response.status_code == 200
    assert b"canary" not in response.content


def test_lists_show_their_rows(admin: Client, message: Message) -> None:
    pages = {name: admin.get(path).content.decode() for name, path in LISTS.items()}

    assert "mina@example.com" in pages["user"]
    assert str(message.conversation_id) in pages["conversation"]
    assert str(message.id) in pages["message"]


def test_details_load(admin: Client, message: Message) -> None:
    for path in (
        f"{LISTS['user']}{message.owner_id}/change/",
        f"{LISTS['user']}add/",
        f"{LISTS['user']}{message.owner_id}/password/",
        f"{LISTS['conversation']}{message.conversation_id}/change/",
        f"{LISTS['message']}{message.id}/change/",
        f"{LISTS['conversation']}{message.conversation_id}/history/",
    ):
        assert admin.get(path).status_code == 200, path


def test_message_can_be_found_by_its_ids(admin: Client, message: Message) -> None:
    for query in (message.id, message.conversation_id):
        page = admin.get(LISTS["message"], {"q": str(query)})
        assert page.status_code == 200
        assert f"{message.id}" in page.content.decode()


@pytest.mark.parametrize("name", ["conversation", "message"])
def test_what_users_said_cannot_be_written_by_hand(admin: Client, message: Message, name: str) -> None:
    object_id = message.conversation_id if name == "conversation" else message.id

    add = admin.get(f"{LISTS[name]}add/")
    change = admin.post(f"{LISTS[name]}{object_id}/change/", {"content": "forged", "title": "forged"})

    assert (add.status_code, change.status_code) == (403, 403)
    assert not Message.objects.filter(content="forged").exists()
    assert not Conversation.objects.filter(title="forged").exists()


def test_conversation_can_be_deleted_with_its_messages(admin: Client, message: Message) -> None:
    path = f"{LISTS['conversation']}{message.conversation_id}/delete/"

    assert b"canary" not in admin.get(path).content
    admin.post(path, {"post": "yes"})

    assert (Conversation.objects.count(), Message.objects.count()) == (0, 0)


def test_account_is_made_with_a_role_and_can_log_in(admin: Client) -> None:
    response = admin.post(
        f"{LISTS['user']}add/",
        {
            "username": "new",
            "email": "",
            "role": "user",
            "usable_password": "true",
            "password1": "a long enough phrase",
            "password2": "a long enough phrase",
        },
    )

    assert response.status_code == 302
    new = User.objects.get(username="new")
    assert (new.role, new.email, new.check_password("a long enough phrase")) == ("user", None, True)


@pytest.mark.parametrize("name", LISTS)
def test_number_of_queries_of_a_list_does_not_grow_with_its_rows(admin: Client, name: str) -> None:
    counts = []
    admin.get("/admin/")  # the first page opens the session of the cookie

    for size in (2, 12):
        for _ in range(size):
            talk(User.objects.create(username=f"user-{User.objects.count()}"))
        with CaptureQueriesContext(connection) as queries:
            admin.get(LISTS[name])
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "columns",
    [{"role": Role.USER}, {"role": Role.ADMIN, "is_active": False}],
    ids=["user", "inactive admin"],
)
@pytest.mark.parametrize("path", ["/admin/", *LISTS.values()])
def test_nobody_but_an_active_admin_gets_in(path: str, columns: dict[str, object]) -> None:
    client = Client()
    client.force_login(User.objects.create(username="somebody", **columns))

    response = client.get(path)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_password_of_a_user_does_not_open_the_admin() -> None:
    User.objects.create_user("mina", None, "a long enough phrase")

    response = Client().post("/admin/login/", {"username": "mina", "password": "a long enough phrase"})

    assert response.status_code == 200
    assert "sessionid" not in response.cookies


def test_admin_who_loses_the_role_is_out_at_once(admin: Client) -> None:
    assert admin.get("/admin/").status_code == 200
    User.objects.filter(username="root").update(role=Role.USER)

    assert admin.get("/admin/").status_code == 302


def test_deletion_is_on_record_without_what_was_said(admin: Client, message: Message) -> None:
    path = LISTS["conversation"]
    conversation = message.conversation

    admin.post(f"{path}{conversation.pk}/delete/", {"post": "yes"})

    event = AuditEvent.objects.get()
    assert not Conversation.objects.exists()
    assert (event.action, event.actor_name, event.via) == ("conversation_deleted", "root", "admin")
    assert (event.target_id, event.address) == (str(conversation.pk), "127.0.0.1")
    assert "canary" not in str(AuditEvent.objects.values().get())


def test_deletion_of_several_is_on_record_one_by_one(admin: Client, mina: User) -> None:
    ids = [str(talk(mina).conversation_id) for _ in range(2)]

    admin.post(LISTS["conversation"], {"action": "delete_selected", "_selected_action": ids, "post": "yes"})

    assert not Conversation.objects.exists()
    assert set(AuditEvent.objects.values_list("target_id", flat=True)) == set(ids)


def pages_of(message: Message) -> dict[str, str]:
    return {
        "conversation": f"{LISTS['conversation']}{message.conversation_id}/change/",
        "message": f"{LISTS['message']}{message.pk}/change/",
    }


TEXTS = {
    "conversation": ["canary-title", "canary-prompt"],
    "message": ["canary-content", "canary-reasoning", "canary-call", "canary-name"],
}


@pytest.fixture
def reader(admin: Client) -> Client:
    """The administrator, who may now read what people wrote."""
    User.objects.filter(username="root").update(may_view_texts=True)
    return admin


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_hidden_from_administrators_who_were_not_granted_to_see_them(
    admin: Client, message: Message, kind: str
) -> None:
    page = admin.get(pages_of(message)[kind]).content.decode()

    assert "canary" not in page
    assert "12 bytes, hidden" in page if kind == "conversation" else "14 bytes, hidden" in page
    assert AuditEvent.objects.get().changes == {"owner": "mina", "texts": "hidden"}


@pytest.mark.parametrize("kind", TEXTS)
def test_look_at_somebodys_messages_is_on_record_with_address(
    reader: Client, message: Message, kind: str
) -> None:
    page = reader.get(pages_of(message)[kind], REMOTE_ADDR="10.1.2.3").content.decode()

    assert [text for text in TEXTS[kind] if text not in page] == []
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name, event.via, event.address) == (
        *(f"{kind}_viewed", "root", "admin", "10.1.2.3"),
    )
    assert event.changes == {"owner": "mina", "texts": "shown"}


def test_list_shows_beginnings_to_those_alone_who_may_read_texts(
    reader: Client, message: Message, mina: User
) -> None:
    Message.objects.filter(pk=message.pk).update(content="canary\n" + "word " * 40)

    shown = {kind: reader.get(LISTS[kind]).content.decode() for kind in ("message", "conversation")}
    User.objects.filter(username="root").update(may_view_texts=False)
    hidden = reader.get(LISTS["message"]).content.decode()

    assert "canary word word" in shown["message"]
    assert "word " * 20 not in shown["message"]
    assert "canary-title" in shown["conversation"]
    assert "canary" not in hidden
    assert "column-size_bytes" in hidden
    assert "column-role" in hidden


def test_list_cuts_texts_in_the_database(reader: Client, message: Message) -> None:
    with CaptureQueriesContext(connection) as queries:
        reader.get(LISTS["message"])

    for text in ("content", "reasoning", "parts", "tool_calls"):
        whole = rf'(?<!\()"conversations_message"\."{text}"'  # as no argument of a function
        assert not [q["sql"] for q in queries if re.search(whole, q["sql"])]


def test_look_at_a_list_of_beginnings_is_on_record_once_a_page(
    reader: Client, message: Message, mina: User
) -> None:
    talk(mina)
    talk(User.objects.create(username="jun"))

    reader.get(LISTS["message"], REMOTE_ADDR="10.1.2.3")

    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name, event.address) == ("message_list_viewed", "root", "10.1.2.3")
    assert event.changes == {"rows": 3, "owners": "jun, mina", "texts": "beginnings shown"}


def test_look_at_a_list_is_no_event_without_texts_of_others(
    reader: Client, message: Message, mina: User
) -> None:
    Message.objects.update(owner=User.objects.get(username="root"))
    reader.get(LISTS["message"])

    User.objects.filter(username="root").update(may_view_texts=False)
    Message.objects.update(owner=mina)
    reader.get(LISTS["message"])

    assert not AuditEvent.objects.exists()


def test_number_of_queries_does_not_grow_for_those_who_see_beginnings(reader: Client) -> None:
    counts = []
    reader.get("/admin/")
    for size in (2, 12):
        for _ in range(size):
            talk(User.objects.create(username=f"user-{User.objects.count()}"))
        with CaptureQueriesContext(connection) as queries:
            reader.get(LISTS["message"])
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_nobody_grants_themselves_to_see_texts_and_grants_are_on_record(admin: Client, mina: User) -> None:
    root = User.objects.get(username="root")
    fields = {"username": "mina", "email": "mina@example.com", "role": "admin", "is_active": "on"}

    own = fields | {"username": "root", "may_view_texts": "on"}
    admin.post(f"{LISTS['user']}{root.pk}/change/", own)
    admin.post(f"{LISTS['user']}{mina.pk}/change/", fields | {"may_view_texts": "on"})

    granted = {user.username: user.has_perm("conversations.view_texts") for user in User.objects.all()}
    assert granted == {"root": False, "mina": True}
    changes = [event.changes for event in AuditEvent.objects.filter(action="user_changed")]
    assert {"may_view_texts": [False, True]} in changes


def test_what_people_keep_beside_conversations_is_found_and_hidden(
    admin: Client, message: Message, mina: User
) -> None:
    rows = [
        Folder.objects.create(owner=mina, name="canary"),
        StoredFile.objects.create(owner=mina, sha256="0", kind="document", size_bytes=1, name="canary"),
        SavedPrompt.objects.create(owner=mina, title="canary", content="canary"),
        SharedLink.objects.create(owner=mina, conversation=message.conversation, head=message),
    ]
    for row in rows:
        path = f"/admin/conversations/{row._meta.model_name}/"
        for page in (admin.get(path), admin.get(f"{path}?q=mina"), admin.get(f"{path}{row.pk}/change/")):
            assert page.status_code == 200, path
            assert str(row.pk) in page.content.decode()
            assert "canary" not in page.content.decode()

    SavedPrompt.objects.update(is_shared=True)
    shared = admin.get(f"/admin/conversations/savedprompt/{rows[2].pk}/change/")
    assert "canary" in shared.content.decode()


def test_link_is_revoked_on_record(admin: Client, message: Message, mina: User) -> None:
    link = SharedLink.objects.create(owner=mina, conversation=message.conversation, head=message)

    admin.post(f"/admin/conversations/sharedlink/{link.pk}/delete/", {"post": "yes"})

    assert not SharedLink.objects.exists()
    assert AuditEvent.objects.get().action == "sharedlink_deleted"


def test_feedback_is_listed_with_its_comment_and_a_file_of_it(
    admin: Client, message: Message, mina: User
) -> None:
    Feedback.objects.create(message=message, owner=mina, rating=-1, comment="Not so.")
    path = "/admin/conversations/feedback/"

    with CaptureQueriesContext(connection) as queries:
        page = admin.get(path).content.decode()

    assert not [q for q in queries if '"content"' in q["sql"]]
    assert "Not so." in page
    assert "canary" not in page
    assert "/api/feedback?format=csv" in page
    assert admin.get("/api/feedback", {"format": "csv"}).status_code == 200
    assert "Not so." in admin.get(f"{path}{message.pk}/change/").content.decode()


def test_retention_rule_is_for_a_role_and_on_record(admin: Client) -> None:
    path = "/admin/conversations/retentionrule/"

    for bad in ({"role": "nobody", "days": 3}, {"role": "user", "days": 0}, {"role": "user", "days": 99_999}):
        assert admin.post(f"{path}add/", bad).status_code == 200
    assert not RetentionRule.objects.exists()

    assert admin.post(f"{path}add/", {"role": "user", "days": 30}).status_code == 302
    rule = RetentionRule.objects.get()
    admin.post(f"{path}{rule.pk}/change/", {"role": "user", "days": 60})
    admin.post(f"{path}{rule.pk}/delete/", {"post": "yes"})

    events = AuditEvent.objects.order_by("id").values_list("action", "changes")
    assert [action for action, _ in events] == [
        *("retentionrule_created", "retentionrule_changed", "retentionrule_deleted"),
    ]
    assert events[1][1] == {"days": [30, 60]}


def test_long_conversation_is_deleted_in_as_many_queries_as_a_short_one(admin: Client, mina: User) -> None:
    admin.get("/admin/")  # the first page opens the session of the cookie
    ContentType.objects.get_for_models(Conversation, Message)  # each process asks for them once
    counts = []
    for length in (4, 1500):
        conversation, rows = chain(mina, length)
        path = f"{LISTS['message']}{rows[2].pk}/delete/"
        with CaptureQueriesContext(connection) as queries:
            assert f"Messages: {length - 2}" in " ".join(admin.get(path).content.decode().split())
            admin.post(path, {"post": "yes"})
            assert Message.objects.count() == 2
            admin.post(f"{LISTS['conversation']}{conversation.pk}/delete/", {"post": "yes"})
        assert (Conversation.objects.count(), Message.objects.count()) == (0, 0)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_message_above_a_running_answer_is_not_deleted(admin: Client, message: Message) -> None:
    start_streaming(message.conversation, message)

    page = admin.post(f"{LISTS['message']}{message.pk}/delete/", {"post": "yes"}, follow=True)

    assert "still receiving an answer" in page.content.decode()
    assert Message.objects.count() == 2


def test_look_at_ones_own_messages_is_nobodys_business(admin: Client) -> None:
    own = talk(User.objects.get(username="root"))

    for page in pages_of(own).values():
        assert admin.get(page).status_code == 200

    assert AuditEvent.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("message", "content__startswith=canary"),
        ("message", "reasoning__contains=canary"),
        ("message", "tool_calls__contains=canary"),
        ("message", "conversation__title__startswith=canary"),
        ("conversation", "title__startswith=canary"),
        ("conversation", "system_prompt__regex=^canary"),
        ("user", "conversations__title__startswith=canary"),
    ],
)
def test_words_are_not_guessed_by_filtering_for_them(
    admin: Client, message: Message, kind: str, query: str
) -> None:
    response = admin.get(f"{LISTS[kind]}?{query}")

    assert response.status_code == 400


def test_filters_of_the_lists_work(admin: Client, message: Message) -> None:
    day = message.created_at.date().isoformat()

    for query in ("role__exact=assistant", "model=tiny", f"until={day}"):
        assert str(message.pk) in admin.get(f"{LISTS['message']}?{query}").content.decode()
