"""Exports of ChatGPT, Open WebUI and LibreChat become the trees that they were."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from conversations.models import Conversation, Feedback, Message, StoredFile
from conversations.portability.readers.open_webui import split_reasoning
from conversations.tests.portability import chatgpt_files
from conversations.tests.portability.files import bring, file_folder
from conversations.tests.portability.librechat_files import librechat_conversation, librechat_message
from conversations.tests.rest import error_of
from conversations.tests.sample_files import data_url, image

__all__ = ["file_folder"]

pytestmark = pytest.mark.django_db


def bring_all(api: Client, *items: Any, **query: str) -> dict[str, Any]:
    return bring(api, json.dumps(items).encode(), **query)


def tree_of(conversation: Conversation) -> list[tuple[str, str, str | None]]:
    """Role, content and the parent's content of each message, in the order of ids."""
    rows = conversation.messages.select_related("parent").order_by("pk")
    return [(row.role, row.content, row.parent.content if row.parent else None) for row in rows]


def test_chatgpt_branches_are_branches(api: Client) -> None:
    report = bring_all(api, chatgpt_files.branched())

    assert report["format"] == "chatgpt"
    conversation = Conversation.objects.get()
    assert tree_of(conversation) == [
        ("user", "Hi", None),
        ("assistant", "Hello!", "Hi"),
        ("assistant", "Hm", "Hi"),
    ]
    assert conversation.head is not None
    assert conversation.head.content == "Hello!"
    assert (conversation.title, conversation.title_source) == ("From ChatGPT", "user")
    assert (conversation.model, conversation.is_archived) == ("gpt-x", True)
    assert conversation.updated_at == datetime.fromtimestamp(1_700_000_100, UTC)
    first, second = conversation.messages.filter(role="assistant").order_by("pk")
    assert (first.model, first.finish_reason, first.status) == ("gpt-x", "stop", "complete")
    assert second.status == "cancelled"


def test_chatgpt_archive_brings_images_tools_and_thoughts(api: Client) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations.json", json.dumps([chatgpt_files.with_tools()]))
        archive.writestr("file-AbC-cat.png", image())

    report = bring(api, out.getvalue())

    assert report["taken"] == {"conversations": 1, "messages": 4, "files": 1}
    assert report["skipped"] == []
    question, call, result, answer = Message.objects.order_by("pk")
    assert question.parts is not None
    assert [part["type"] for part in question.parts] == ["image", "text"]
    assert question.content == "What is that?"
    assert (call.content, call.reasoning) == ("", "I look.")
    assert call.tool_calls is not None
    assert call.tool_calls[0]["function"] == {"name": "python", "arguments": "print(1)"}
    assert (result.role, result.content, result.tool_call_id) == ("tool", "1", call.tool_calls[0]["id"])
    assert answer.parent == result


def test_chatgpt_thoughts_go_to_the_first_answer_alone(api: Client) -> None:
    thoughts = {"content_type": "thoughts", "thoughts": [{"content": "I look."}]}
    answers = [f"a{n}" for n in range(3)]

    bring_all(
        api,
        chatgpt_files.conversation(
            chatgpt_files.node("q", None, ["t", "u"], chatgpt_files.said("user", "Hi")),
            chatgpt_files.node("t", "q", answers, chatgpt_files.said("assistant", thoughts)),
            *(chatgpt_files.node(id_, "t", [], chatgpt_files.said("assistant", id_)) for id_ in answers),
            chatgpt_files.node("u", "q", ["b"], chatgpt_files.said("assistant", thoughts)),
            chatgpt_files.node("b", "u", [], chatgpt_files.said("assistant", "b")),
        ),
    )

    assert dict(Message.objects.filter(role="assistant").values_list("content", "reasoning")) == {
        "a0": "I look.",
        "a1": "",
        "a2": "",
        "b": "I look.",
    }


def test_chatgpt_image_that_is_not_in_the_file_is_reported(api: Client) -> None:
    report = bring_all(api, chatgpt_files.with_tools())

    assert report["taken"]["conversations"] == 1
    assert report["skipped"] == [{"name": "cat.png", "reason": "The file is not in what was imported."}]


def test_chatgpt_nodes_in_a_circle_end(api: Client) -> None:
    circle = chatgpt_files.conversation(
        chatgpt_files.node("root", None, ["a"], chatgpt_files.said("user", "Hi")),
        chatgpt_files.node("a", "root", ["root", "a"], chatgpt_files.said("assistant", "Hello")),
    )

    assert bring_all(api, circle)["taken"]["messages"] == 2


def open_webui_chat(**fields: Any) -> dict[str, Any]:
    thought = (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
    )
    nodes = [
        {
            **{"id": "q", "parentId": None, "childrenIds": ["a", "b"], "role": "user", "content": "What?"},
            **{"files": [{"type": "image", "url": data_url(image())}], "timestamp": 1_700_000_000},
        },
        {
            **{"id": "a", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "Nothing."},
            **{"model": "llama", "done": True, "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
            **{"annotation": {"rating": -1, "reason": "wrong", "comment": "No."}, "timestamp": 1_700_000_001},
        },
        {
            **{"id": "b", "parentId": "q", "childrenIds": [], "role": "assistant", "done": True},
            **{
                "content": f"{thought}&gt; I &lt;see&gt;\n&gt; a square.\n</details>\nA square.",
                "timestamp": 1_700_000_002,
            },
        },
    ]
    return {
        "id": "w-1",
        "user_id": "u",
        "title": "From Open WebUI",
        "chat": {
            "title": "From Open WebUI",
            "models": ["llama"],
            "params": {"system": "Be brief."},
            "history": {"messages": {node["id"]: node for node in nodes}, "currentId": "b"},
            "messages": [],
        },
        "updated_at": 1_700_000_100,
        "created_at": 1_700_000_000,
        "archived": False,
        "pinned": True,
        **fields,
    }


def test_open_webui_chat_keeps_images_reasoning_and_feedback(api: Client) -> None:
    report = bring_all(api, open_webui_chat())

    assert report["format"] == "open-webui"
    assert report["taken"] == {"conversations": 1, "messages": 3, "files": 1}
    conversation = Conversation.objects.get()
    assert (conversation.system_prompt, conversation.model) == ("Be brief.", "llama")
    assert conversation.is_pinned
    first, second = conversation.messages.filter(role="assistant").order_by("pk")
    assert conversation.head == second
    assert (first.prompt_tokens, first.completion_tokens) == (5, 2)
    assert (Feedback.objects.get().message, Feedback.objects.get().comment) == (first, "No.")
    assert (second.content, second.reasoning) == ("A square.", "I <see>\na square.")
    assert StoredFile.objects.get().kind == "image"


def test_open_webui_reasoning_of_an_old_version_is_not_unescaped() -> None:
    block = (
        '<details type="reasoning" done="true">\n<summary>Thinking</summary>\n> &lt; is <\n> that\n</details>'
    )

    assert split_reasoning(f"{block}\n\nDone.") == ("Done.", "&lt; is <\nthat")


def test_reasoning_that_is_never_closed_is_text_however_often_it_begins() -> None:
    opened = ('<details type="reasoning">' + " " * 50 + "<summary>") * 20_000

    assert split_reasoning(opened) == (opened, "")
    assert split_reasoning(f"Well.{opened}a</details> Done.") == ("Well.Done.", f"{opened[26:].strip()}a")


def test_open_webui_chat_of_an_old_version_is_one_branch(api: Client) -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]

    bring_all(api, open_webui_chat(chat={"title": "Old", "messages": said}))

    assert tree_of(Conversation.objects.get()) == [("user", "Hi", None), ("assistant", "Hello", "Hi")]


NO_PARENT = "00000000-0000-0000-0000-000000000000"


def test_librechat_list_becomes_a_tree_with_tools(api: Client) -> None:
    call = {"id": "t1", "name": "search", "args": '{"q": "x"}', "output": "found", "type": "tool_call"}
    content = [
        {"type": "think", "think": "I search."},
        {"type": "tool_call", "tool_call": call},
        {"type": "text", "text": {"value": "Here."}},
    ]
    messages = [
        librechat_message("q", NO_PARENT, is_users=True, text="Find x"),
        librechat_message("a", "q", text="", content=content, model="mistral", finish_reason="stop"),
        librechat_message("b", "q", text="No.", error=True, feedback={"rating": "thumbsDown", "text": "Hm"}),
        librechat_message("q2", "a", is_users=True, text="More"),
    ]

    report = bring_all(api, librechat_conversation(messages))

    assert report["format"] == "librechat"
    conversation = Conversation.objects.get()
    assert tree_of(conversation) == [
        ("user", "Find x", None),
        ("assistant", "", "Find x"),
        ("tool", "found", ""),
        ("assistant", "Here.", "found"),
        ("assistant", "No.", "Find x"),
        ("user", "More", "Here."),
    ]
    calling = conversation.messages.get(tool_calls__isnull=False)
    assert calling.tool_calls is not None
    assert calling.tool_calls[0]["function"] == {"name": "search", "arguments": '{"q": "x"}'}
    assert calling.reasoning == "I search."
    assert conversation.messages.get(content="No.").status == "error"
    assert Feedback.objects.get().rating == -1
    assert (conversation.model, conversation.system_prompt) == ("mistral", "Be kind.")


def test_librechat_single_object_with_nested_messages_is_taken(api: Client) -> None:
    answer = librechat_message("a", "q", text="Hello", children=[])
    question = librechat_message("q", NO_PARENT, is_users=True, text="Hi", children=[answer])
    exported = librechat_conversation([], recursive=True, messagesTree=[question])
    del exported["messages"]

    bring(api, json.dumps(exported, indent=2).encode())

    assert tree_of(Conversation.objects.get()) == [("user", "Hi", None), ("assistant", "Hello", "Hi")]


def test_archive_with_files_of_several_products_is_taken(api: Client) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/one.json", json.dumps(librechat_conversation([])))
        archive.writestr("a/two.json", json.dumps([open_webui_chat()]))
        archive.writestr("a/settings.json", "{}")

    report = bring(api, out.getvalue())

    assert report["taken"]["conversations"] == 2
    assert [one["name"] for one in report["skipped"]] == ["a/settings.json 1"]


@pytest.mark.parametrize("item", [chatgpt_files.branched(), open_webui_chat(), librechat_conversation([])])
def test_foreign_file_that_is_imported_twice_is_taken_once(api: Client, item: dict[str, Any]) -> None:
    first, second = bring_all(api, item), bring_all(api, item)

    assert (first["taken"]["conversations"], first["already_here"]) == (1, 0)
    assert (second["taken"]["conversations"], second["already_here"]) == (0, 1)


def test_format_that_is_named_is_the_only_one_taken(api: Client) -> None:
    report = bring_all(api, chatgpt_files.branched(), open_webui_chat(), format="chatgpt")

    assert report["taken"]["conversations"] == 1
    assert [one["name"] for one in report["skipped"]] == ["From Open WebUI"]


@pytest.mark.parametrize("wrong", [None, 1, "x", [], [None], {"a": 1}], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        lambda wrong: chatgpt_files.conversation({"id": "a", **(wrong if isinstance(wrong, dict) else {})}),
        lambda wrong: {"mapping": {"a": wrong}, "current_node": wrong, "title": wrong},
        lambda wrong: {"mapping": {"a": {"message": {"content": wrong, "author": wrong, "metadata": wrong}}}},
        lambda wrong: {
            "mapping": {"a": {"message": {"author": {"role": "user"}, "content": {"parts": wrong}}}}
        },
        lambda wrong: {"chat": {"history": wrong, "models": wrong, "params": wrong}},
        lambda wrong: {"chat": {"history": {"messages": {"a": wrong}}, "title": wrong}},
        lambda wrong: {
            "chat": {"messages": [{"role": "assistant", "content": wrong, "files": [wrong], "usage": wrong}]}
        },
        lambda wrong: librechat_conversation([wrong], options=wrong),
        lambda wrong: librechat_conversation([librechat_message("a", "", content=[wrong], files=[wrong])]),
        lambda wrong: librechat_conversation(
            [{"content": [{"type": "tool_call", "tool_call": wrong}], "feedback": wrong}]
        ),
        lambda wrong: {"id": "a", "head_id": wrong, "messages": [wrong], "folder": wrong},
        lambda wrong: {
            "id": "a",
            "head_id": None,
            "messages": [{"id": "a", "role": "user", "parts": [wrong]}],
        },
    ],
)
def test_values_of_other_types_break_nothing(api: Client, make: Any, wrong: Any) -> None:
    response = api.post(
        "/api/conversations/import", json.dumps([make(wrong)]), content_type="application/json"
    )

    if response.status_code != 200:
        assert error_of(response)[:2] == (400, "invalid_request")
