"""Images, documents and tools in stored chats: what the engine gets, and what is read afterwards."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine, delta_event
from chat.tests.streams import error_of
from conversations.tests.sample_files import data_url, image, pdf
from gateway.tests.live import GatewayProcess

ANSWER = delta_event("Nice.", finish_reason="stop") + b"data: [DONE]\n\n"
CALL = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "서울"}'}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(autouse=True)
def answer(scripted_engine: ScriptedEngine) -> None:
    scripted_engine.reply(ANSWER)
    scripted_engine.received.clear()


def upload(client: httpx.Client, content: bytes, name: str) -> str:
    response = client.post("/api/files", files={"file": (name, content)})
    assert response.status_code in (200, 201), response.text
    file_id: str = response.json()["id"]
    return file_id


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/api/chat", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def parts_of(*parts: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}
    ]


def image_part(content: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(content)}}


def messages_of(client: httpx.Client, conversation_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return messages


def asked(engine: ScriptedEngine) -> list[dict[str, Any]]:
    """The messages of the last completion."""
    messages: list[dict[str, Any]] = [body for body in engine.received if "stream" in body][-1]["messages"]
    return messages


def test_image_is_sent_stored_and_sent_again_with_what_follows(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    content = image(colour=17)

    started = ask(odd_client, messages=parts_of("What is it?", image_part(content), "Be brief."))

    sent = asked(scripted_engine)[-1]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url", "text"]
    assert sent[1]["image_url"] == {"url": data_url(content)}
    stored = messages_of(odd_client, started["conversation_id"])[0]
    assert stored["content"] == "What is it?\n\nBe brief."
    assert [part["type"] for part in stored["parts"]] == ["text", "image", "text"]
    assert [stored["parts"][n]["text"] for n in (0, 2)] == ["What is it?", "Be brief."]
    file = stored["parts"][1]
    assert (file["media_type"], file["size_bytes"]) == ("image/png", len(content))
    assert odd_client.get(f"/api/files/{file['file_id']}/content").content == content
    ask(odd_client, conversation_id=started["conversation_id"], content="And now?")
    assert asked(scripted_engine)[0]["content"] == sent
    assert asked(scripted_engine)[2] == {"role": "user", "content": "And now?"}


def test_engine_caches_an_image_by_an_id_that_is_each_users_own(
    odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    ids = []
    for account in ("demo", "admin"):
        with odd_gateway.client(account) as client:
            for _ in range(2):
                ask(client, messages=parts_of("What?", image_part(image(colour=3))))
                ids.append(asked(scripted_engine)[-1]["content"][1]["uuid"])

    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize("content", [{}, {"content": ""}], ids=["without", "empty"])
def test_files_are_sent_without_words_and_name_the_conversation(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, content: dict[str, str]
) -> None:
    file_ids = [upload(odd_client, image(colour=40), "sunset.png"), upload(odd_client, b"Hello", "a.txt")]

    started = ask(odd_client, file_ids=file_ids, **content)

    sent = asked(scripted_engine)[-1]["content"]
    assert [part["type"] for part in sent] == ["image_url", "text"]
    conversation = odd_client.get(f"/api/conversations/{started['conversation_id']}").json()
    assert conversation["title"] == "sunset.png"
    question = conversation["messages"][0]
    assert (question["content"], [part["type"] for part in question["parts"]]) == ("", ["image", "document"])


def test_model_that_reads_no_images_is_an_error_of_its_own(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    words = "At most 0 image(s) may be provided in one prompt."
    refusal = json.dumps({"error": {"message": words, "type": "BadRequestError", "code": 400}})
    scripted_engine.reply(refusal.encode(), status=400, content_type="application/json")

    refused = odd_client.post("/api/chat", json={"file_ids": [upload(odd_client, image(), "a.png")]})

    assert refused.status_code == 400
    assert error_of(refused)["code"] == "images_not_supported"
    assert error_of(refused)["message"] == words


def test_documents_are_plain_text_for_the_engine_with_their_names(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    file_ids = [
        upload(odd_client, "값,1\n".encode(), "표.csv"),
        upload(odd_client, pdf("From a PDF"), "a.pdf"),
    ]

    started = ask(odd_client, content="Sum up", file_ids=file_ids)

    assert asked(scripted_engine) == [
        {
            "role": "user",
            "content": '<document name="표.csv">\n값,1\n\n</document>\n\n'
            '<document name="a.pdf">\nFrom a PDF\n</document>\n\nSum up',
        }
    ]
    stored = messages_of(odd_client, started["conversation_id"])[0]
    assert [part["type"] for part in stored["parts"]] == ["document", "document", "text"]
    assert [part.get("name") for part in stored["parts"]] == ["표.csv", "a.pdf", None]


def test_document_that_exceeds_the_context_is_named_and_nothing_is_stored(odd_client: httpx.Client) -> None:
    file_id = upload(odd_client, b"x" * 200_000, "long.txt")
    before = odd_client.get("/api/conversations").json()["first_id"]

    refused = odd_client.post("/api/chat", json={"content": "Sum up", "file_ids": [file_id]})

    assert error_of(refused)["code"] == "context_length_exceeded"
    assert "200000 bytes" in error_of(refused)["message"]
    assert "`long.txt`" in error_of(refused)["message"]
    assert odd_client.get("/api/conversations").json()["first_id"] == before


def test_document_that_the_engine_counts_as_too_long_is_named(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    file_id = upload(odd_client, b"y " * 4_000, "edge.txt")
    scripted_engine.reply(b'{"count": 5000, "tokens": []}', content_type="application/json")

    refused = odd_client.post("/api/chat", json={"content": "Sum up", "file_ids": [file_id]})

    assert error_of(refused)["code"] == "context_length_exceeded"
    assert "5000 tokens" in error_of(refused)["message"]
    assert "`edge.txt`" in error_of(refused)["message"]


@pytest.mark.parametrize("store", [True, False])
def test_files_of_others_cannot_be_attached_and_look_like_missing_ones(
    odd_gateway: GatewayProcess, odd_client: httpx.Client, store: bool
) -> None:
    with odd_gateway.client("admin") as other:
        foreign = upload(other, image(colour=99), "a.png")

    refused = [
        odd_client.post("/api/chat", json={"store": store, **body})
        for file_id in (foreign, str(uuid.uuid4()))
        for body in (
            {"content": "Look", "file_ids": [file_id]},
            {"messages": parts_of("Look", {"type": "image", "file_id": file_id})},
        )
    ]

    assert [error_of(answer)["code"] for answer in refused] == ["not_found"] * 4
    assert refused[0].content == refused[2].content
    assert refused[1].content == refused[3].content


@pytest.mark.parametrize(
    ("part", "status", "says"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, 400, "data: URL"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,@@@@"}}, 400, "base64"),
        ({"type": "image_url", "image_url": {"url": data_url(b"<svg/>", "image/svg+xml")}}, 400, "no image"),
        ({"type": "image_url", "image_url": {"url": data_url(image()[:50])}}, 400, "damaged"),
        ({"type": "input_audio", "input_audio": {}}, 400, "input_audio"),
    ],
)
def test_what_is_no_image_is_refused_by_its_place(
    odd_client: httpx.Client, part: dict[str, Any], status: int, says: str
) -> None:
    refused = odd_client.post("/api/chat", json={"messages": parts_of("Look", part)})

    assert refused.status_code == status
    assert error_of(refused)["param"].startswith("messages[0].content[1]")
    assert says in error_of(refused)["message"]


def test_chat_that_is_not_stored_takes_images_and_keeps_none(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    content = image(colour=123)
    before = odd_client.get("/api/files").json()["first_id"]

    ask(odd_client, messages=parts_of("Look", image_part(content)), store=False)

    assert asked(scripted_engine)[0]["content"][1]["image_url"] == {"url": data_url(content)}
    assert odd_client.get("/api/files").json()["first_id"] == before


def test_repeat_with_another_image_is_told_from_the_same_one(odd_client: httpx.Client) -> None:
    key = uuid.uuid4().hex
    body = {"client_message_id": key, "messages": parts_of("Look", image_part(image(colour=1)))}
    first = ask(odd_client, **body)

    assert ask(odd_client, **body)["message_id"] == first["message_id"]
    other = odd_client.post(
        "/api/chat", json=body | {"messages": parts_of("Look", image_part(image(colour=2)))}
    )
    assert error_of(other)["code"] == "client_message_id_reused"


def test_tool_loop_goes_on_in_the_conversation_and_is_told_as_it_was(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    called = {"role": "assistant", "tool_calls": [{"index": 0, **CALL}], "reasoning": "Look it up."}
    scripted_engine.reply(
        b'data: {"id": "1", "choices": [{"index": 0, "delta": %s, "finish_reason": "tool_calls"}]}\n\n'
        b"data: [DONE]\n\n" % json.dumps(called).encode()
    )
    started = ask(odd_client, content="Weather?", tools=TOOLS, tool_choice="auto")
    assert scripted_engine.received[-1]["tools"] == TOOLS
    assert scripted_engine.received[-1]["tool_choice"] == "auto"
    assert started["message"]["tool_calls"] == [CALL]
    scripted_engine.reply(ANSWER)

    result = {"role": "tool", "tool_call_id": "call-1", "content": ""}
    conversation_id = started["conversation_id"]
    ask(
        odd_client,
        conversation_id=conversation_id,
        messages=[result, {"role": "user", "content": "In °C."}],
        tools=TOOLS,
    )

    assert asked(scripted_engine) == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},  # without what it thought
        result,
        {"role": "user", "content": "In °C."},
    ]
    stored = messages_of(odd_client, conversation_id)
    assert [message["role"] for message in stored] == ["user", "assistant", "tool", "user", "assistant"]
    assert (stored[1]["tool_calls"], stored[1]["reasoning"]) == ([CALL], "Look it up.")
    assert (stored[2]["tool_call_id"], stored[2]["content"]) == ("call-1", "")


def test_whole_tool_loop_of_a_clients_own_starts_a_conversation(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call-1", "content": "21 °C"},
    ]

    for store in (True, False):
        ask(odd_client, messages=messages, store=store)
        assert asked(scripted_engine) == messages


def test_result_that_answers_no_call_is_refused(odd_client: httpx.Client) -> None:
    started = ask(odd_client, content="Hello")
    result = {"role": "tool", "tool_call_id": "call-9", "content": "21 °C"}

    goes_on = {"conversation_id": started["conversation_id"], "messages": [result]}
    starts = {"messages": [{"role": "user", "content": "Hi"}, result]}

    for body, param in ((goes_on, "messages[0].tool_call_id"), (starts, "messages[1].tool_call_id")):
        refused = odd_client.post("/api/chat", json=body)
        assert (refused.status_code, error_of(refused)["param"]) == (400, param)


def test_refusal_is_told_as_one_also_after_a_reload(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(
        b'data: {"id": "1", "choices": [{"index": 0, "delta": {"refusal": "I cannot."}}]}\n\n' + ANSWER[-14:]
    )
    key = uuid.uuid4().hex

    first, again = (ask(odd_client, content="Do it", client_message_id=key) for _ in range(2))

    assert first["message"] == again["message"] == {**first["message"], "refusal": "I cannot."}
    stored = messages_of(odd_client, first["conversation_id"])[-1]
    assert (stored["content"], stored["finish_reason"]) == ("I cannot.", "refusal")


def test_upload_may_be_larger_than_other_bodies(odd_client: httpx.Client) -> None:
    content = b"\x89PNG\r\n\x1a\n" + base64.b64encode(bytes(8 * 2**20))  # over MAX_BODY_BYTES

    refused = odd_client.post("/api/files", files={"file": ("a.png", content)})
    other = odd_client.post("/api/conversations", content=content)

    assert "image is larger" in error_of(refused)["message"]
    assert "request body is larger" in error_of(other)["message"]
