"""A profile from a repository's name, a pasted command, or a compose file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent
from modelops.models import ModelProfile
from modelops.simulator.process import find_free_port
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_profile
from modelops.tests.profiles.fake_hub import COMMIT, FakeHub, FakeRepository, start_fake_hub

pytestmark = pytest.mark.django_db

FIND = f"{LIST}find/"
NAME = "maker/model-7b"
COMPOSE = "services: {{{}}}".format(
    ", ".join(f"{name}: {{image: 'vllm/vllm-openai:v1', command: --model {NAME}}}" for name in ("one", "two"))
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """The hub that the page asks, with one repository."""
    with start_fake_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        config = json.dumps(make_config()).encode()
        running.repositories[NAME] = FakeRepository(
            files={"config.json": config}, sizes={"model.safetensors": 16 << 30}, parameters={"BF16": 8 << 30}
        )
        yield running


def find(web: Client, by: str, **typed: Any) -> Any:
    fields = {
        "repository": ("repository", "revision"),
        "command": ("command", "service", "repository"),
        "compose": ("compose", "service", "repository"),
    }
    data = {f"{by}-{name}": "" for name in fields[by]} | {
        f"{by}-{name}": each for name, each in typed.items()
    }
    return web.post(FIND, {"by": by, **data})


def press(web: Client, response: Any, button: str, slug: str | None = None, **options: Any) -> Any:
    """Save what is shown."""
    proposal = response.context["proposal"]
    sent = {"profile": proposal.values, "slug": slug or proposal.spec.slug, button: ""}
    return web.post(FIND, sent, **options)


def shown_settings(response: Any) -> dict[str, str]:
    return dict(response.context["proposal"].settings)


def test_list_leads_to_the_page(web: Client) -> None:
    assert f'href="{FIND}"' in page(web, LIST)
    assert "vllm serve" in page(web, FIND)


@pytest.mark.usefixtures("hub")
def test_name_leads_to_facts_settings_and_a_verdict_and_nothing_is_saved_yet(web: Client) -> None:
    record()

    response = find(web, "repository", repository=NAME)

    text = response.content.decode()
    assert response.status_code == 200
    for words in (COMMIT, "8,589,934,592", "16.00 GiB", "fit-verdict fit-fits", "Other processes"):
        assert words in text
    settings = shown_settings(response)
    assert settings["repository"] == NAME
    assert settings["revision"] == COMMIT
    assert not ModelProfile.objects.exists()


@pytest.mark.usefixtures("hub")
def test_saving_stores_what_was_shown_disabled_and_on_record(web: Client) -> None:
    record()
    shown = find(web, "repository", repository=NAME)

    response = press(web, shown, "save", follow=True)

    profile = ModelProfile.objects.get(slug="model-7b")
    assert not profile.is_enabled
    assert profile.revision == COMMIT
    assert profile.config["model_type"] == "llama"
    assert response.redirect_chain == [(f"{LIST}{profile.pk}/change/", 302)]
    assert "Saved model-7b, disabled." in response.content.decode()
    assert AuditEvent.objects.get(action="modelprofile_created").changes == {"is_enabled": False}


@pytest.mark.usefixtures("hub")
def test_saving_and_switching_enables_it_and_goes_on_to_the_plan(web: Client) -> None:
    record()

    response = press(web, find(web, "repository", repository=NAME), "switch", slug="mine")

    profile = ModelProfile.objects.get(slug="mine")
    assert profile.is_enabled
    assert response["Location"] == f"{LIST}{profile.pk}/switch/"


@pytest.mark.usefixtures("hub")
def test_name_that_is_taken_is_avoided_and_one_that_is_typed_is_refused(web: Client) -> None:
    save_profile("model-7b")
    shown = find(web, "repository", repository=NAME)

    refused = press(web, shown, "save", slug="model-7b")

    assert shown.context["proposal"].spec.slug == "model-7b-2"
    assert refused.status_code == 400
    assert "There is a profile &#x27;model-7b&#x27; already" in refused.content.decode()
    assert refused.context["proposal"].spec.repository == NAME
    assert ModelProfile.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maker/missing", "check the spelling, or it is private: set HF_TOKEN"),
        ("maker/gated", "is gated: accept its licence at"),
        ("maker/empty", "holds GGUF files"),
        ("no name at all", "is not a repository name"),
    ],
)
def test_repository_that_cannot_be_read_says_what_to_do(
    web: Client, hub: FakeHub, name: str, words: str
) -> None:
    gated = FakeRepository(files=hub.repositories[NAME].files, needs_token="hf_x")
    hub.repositories |= {"maker/gated": gated, "maker/empty": FakeRepository(files={"a.gguf": b""})}

    response = find(web, "repository", repository=name)

    assert response.status_code == 400
    assert words in response.content.decode()
    assert response.context["proposal"] is None


@pytest.mark.usefixtures("hub")
def test_command_gives_its_settings_the_hub_its_facts_and_the_rest_is_listed(web: Client) -> None:
    record()
    line = f"vllm serve {NAME} \\\n  -tp 2 --max-model-len 4k --port 8000 --api-key sk-secret"

    response = find(web, "command", command=line)

    text = response.content.decode()
    settings = shown_settings(response)
    assert (settings["tensor_parallel_size"], settings["max_model_len"]) == ("2", "4000")
    assert settings["revision"] == COMMIT
    assert [each.what for each in response.context["found"].left_out] == ["--port 8000", "--api-key"]
    assert "fit-verdict fit-fits" in text
    assert "sk-secret" not in text.partition("<textarea")[0]


@pytest.mark.usefixtures("hub")
def test_service_of_a_compose_file_is_chosen_where_there_are_several(web: Client) -> None:
    asked = find(web, "compose", compose=COMPOSE)
    chosen = find(web, "compose", compose=COMPOSE, service="two")

    assert asked.status_code == 400
    assert "<option>one</option><option>two</option>" in asked.content.decode()
    assert shown_settings(chosen)["repository"] == NAME


@pytest.mark.usefixtures("hub")
def test_entry_of_a_router_is_taken_over_line_by_line_whichever_form_it_is_pasted_into(web: Client) -> None:
    text = f"models:\n  chat:\n    cmd: vllm serve /weights --port ${{PORT}} -tp 2\n    ttl: 60\n# {NAME}\n"

    for by in ("command", "compose"):
        found = find(web, by, **{by: text, "repository": NAME}).content.decode()

        assert "<code>--tensor-parallel-size 2</code></th><td><code>tensor_parallel_size</code>" in found
        assert "<code>ttl</code></th><td>a model stays loaded" in found


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (COMPOSE.encode(), "<option>one</option>"),
        (b"\xff\xfe", "The file is not UTF-8."),
        (b"#" * 300_000, "The file is too large"),
    ],
)
def test_compose_file_can_be_chosen_from_the_disk(web: Client, content: bytes, words: str) -> None:
    file = SimpleUploadedFile("docker-compose.yml", content)

    response = web.post(
        FIND, {"by": "compose", "compose-compose": "", "compose-service": "", "compose-file": file}
    )

    assert words in response.content.decode()


@pytest.mark.parametrize(
    ("by", "typed", "words"),
    [
        ("command", {"command": "ollama run x"}, "holds no start of vLLM"),
        ("command", {"command": f"vllm serve {NAME} --quantization awq"}, "the weights are not quantized"),
        ("command", {"command": ""}, "This field is required."),
        ("compose", {"compose": "a: [1"}, "line 1: is not YAML"),
        ("compose", {"compose": ""}, "Paste the file, or choose it."),
    ],
)
@pytest.mark.usefixtures("hub")
def test_text_that_makes_no_profile_says_why(web: Client, by: str, typed: dict[str, str], words: str) -> None:
    response = find(web, by, **typed)

    assert words in response.content.decode()
    assert response.context["proposal"] is None


def test_settings_can_be_saved_while_the_hub_is_away(web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{find_free_port()}")
    record()

    response = find(web, "command", command=f"vllm serve {NAME} -tp 2")
    press(web, response, "save")

    assert "cannot be reached" in response.content.decode()
    assert "fit-verdict fit-unknown" in response.content.decode()
    assert ModelProfile.objects.get().tensor_parallel_size == 2


@pytest.mark.parametrize("sent", ["", "{", "[]", "{}", '{"slug": "x", "display_name": "x", "colour": 1}'])
def test_what_comes_back_is_validated_like_any_profile(web: Client, sent: str) -> None:
    response = web.post(FIND, {"profile": sent, "slug": "x", "save": ""})

    assert response.status_code == 400
    assert not ModelProfile.objects.exists()


@pytest.mark.usefixtures("hub")
def test_reasons_are_said_in_the_readers_language(web: Client) -> None:
    line = f"vllm serve {NAME} stray"

    found = web.post(FIND, {"by": "command", "command-command": line}, headers={"accept-language": "ko"})
    refused = web.post(FIND, {"by": "command", "command-command": "ls"}, headers={"accept-language": "ko"})

    assert "어떤 플래그에도 속하지 않는 위치에 있습니다" in found.content.decode()
    assert "vLLM을 시작하는 명령이 없습니다" in refused.content.decode()


@pytest.mark.usefixtures("hub")
def test_command_for_linked_cards_gets_what_these_cards_need_by_one_button(web: Client) -> None:
    record()
    shown = find(web, "command", command=f"vllm serve {NAME} -tp 2 --max-model-len 4096")

    added = press(web, shown, "add_links", slug="mine")
    press(web, added, "save", slug="mine")

    profile = ModelProfile.objects.get(slug="mine")
    assert "no direct path to each other" in shown.content.decode()
    assert "no direct path to each other" not in added.content.decode()
    assert profile.environment == {"NCCL_P2P_DISABLE": "1"}
    assert profile.extra_flags == {"disable-custom-all-reduce": True}
    assert profile.max_model_len == 4096
