"""What the simulated model says. Every reply but a title begins by saying that it is simulated."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from modelops.simulator import tokenizer

_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_TITLE_REQUEST = re.compile(r"\AWrite a title for .*?<user>\s*(?P<said>.*?)\s*</user>", re.DOTALL)
"""How the gateway asks for the title of a conversation."""
_JSON_TITLE_REQUEST = re.compile(
    r'JSON format: \{ "title":.*?<chat_history>\s*(?:USER:\s*)?(?P<said>[^\n]*)', re.DOTALL
)
"""How Open WebUI asks for one: its answer is an object with the title, and nothing beside it."""
_TITLE_WORDS = 6
_ECHO_CHARS = 80
_RESULT_CHARS = 2000
_SENTENCES_PER_REPLY = 3


@dataclass(frozen=True, slots=True)
class _Language:
    opening: str
    echo: str
    no_message: str
    images: str
    tool_result: str
    transcript: str
    sentences: tuple[str, ...]
    filler: str
    reasoning: str


_ENGLISH = _Language(
    opening="This is a simulated reply: no model is loaded and nothing was understood.",
    echo=" You wrote: “{text}”.",
    no_message=" There was no user message.",
    images=" Images received: {images}.",
    tool_result=" The tool {name} answered: “{text}”.",
    transcript="This is a simulated transcript: nothing was listened to. Received: {audio}.",
    sentences=(
        " The text was put together by the gateway's simulated engine, so that everything around a model"
        " can be tried without a GPU.",
        " Streaming, token counts, stop strings and limits behave as they would with a real one.",
        " Switch to a real profile and the same request will be answered by a model.",
        " Ask the same thing with the same seed and these words will come back unchanged.",
        " Another seed picks other sentences from the same short list.",
        " If you can read this, the path from your client to the engine works.",
    ),
    filler=" Simulated filler sentence {number}.",
    reasoning="This is simulated reasoning: nothing is being thought through before the simulated reply.",
)
_KOREAN = _Language(
    opening="이것은 시뮬레이션 응답입니다. 실제 모델은 실행되고 있지 않습니다.",
    echo=" 보내신 내용: “{text}”.",
    no_message=" 사용자 메시지가 없습니다.",
    images=" 받은 이미지: {images}.",
    tool_result=" {name} 도구의 결과: “{text}”.",
    transcript="이것은 시뮬레이션 받아쓰기입니다. 실제로 들은 것은 없습니다. 받은 파일: {audio}.",
    sentences=(
        " 이 문장은 게이트웨이의 시뮬레이션 엔진이 만들었습니다.",
        " 스트리밍과 토큰 수는 실제 엔진과 같은 방식으로 동작합니다.",
        " 실제 프로필로 전환하면 같은 요청에 모델이 답합니다.",
        " 같은 시드로 다시 물으면 같은 문장이 나옵니다.",
        " 다른 시드를 주면 다른 문장이 선택됩니다.",
        " 이 글이 보인다면 엔진까지의 경로가 정상입니다.",
    ),
    filler=" 시뮬레이션 문장 {number}.",
    reasoning="이것은 시뮬레이션 추론입니다. 실제로 생각하는 모델은 없습니다.",
)


@dataclass(frozen=True, slots=True)
class Received:
    """What came with the user's text: images in words, and the name and text of each tool's result."""

    images: tuple[str, ...] = ()
    tool_results: tuple[tuple[str, str], ...] = ()


NOTHING_RECEIVED = Received()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply: its reasoning and its content, before any limit cuts it."""

    reasoning: str
    content: str
    _filler: str

    def after(self, said: str) -> Reply:
        """What is still to be said of the reply when ``said`` was; all of it where that began otherwise."""
        if self.content.startswith(said):
            return replace(self, content=self.content[len(said) :])
        return replace(self, content=f" {self.content}")

    def filler(self) -> Iterator[str]:
        """Endless further tokens, for requests that demand more than the natural reply."""
        for number in itertools.count(1):
            yield from tokenizer.split(self._filler.format(number=number))


def _pick_sentences(language: _Language, *, prompt: str, seed: int | None) -> str:
    digest = hashlib.sha256(f"{seed}\0{prompt}".encode()).digest()
    ranked = sorted(range(len(language.sentences)), key=lambda i: (digest[i], i))
    return "".join(language.sentences[i] for i in ranked[:_SENTENCES_PER_REPLY])


def compose_reply(
    *, prompt: str, user_text: str, seed: int | None, received: Received = NOTHING_RECEIVED
) -> Reply:
    """The reply to ``user_text``; the same arguments always give the same reply."""
    language = _choose_language(user_text)
    if (asked := _TITLE_REQUEST.match(user_text)) is not None:
        return Reply(reasoning="", content=_make_title(asked["said"]), _filler=language.filler)
    if (asked := _JSON_TITLE_REQUEST.search(user_text)) is not None:
        title = json.dumps({"title": _make_title(asked["said"])}, ensure_ascii=False)
        return Reply(reasoning="", content=title, _filler=language.filler)
    excerpt = _shorten(user_text, _ECHO_CHARS)
    echo = language.echo.format(text=excerpt) if excerpt else language.no_message
    sentences = _pick_sentences(language, prompt=prompt, seed=seed)
    return Reply(
        reasoning=language.reasoning,
        content=language.opening + echo + _describe_received(language, received) + sentences,
        _filler=language.filler,
    )


def _make_title(said: str) -> str:
    """The first words of what was said."""
    title = " ".join(said.split()[:_TITLE_WORDS])
    return title[:1].upper() + title[1:]


def compose_transcript(audio: str, *, language: str) -> Reply:
    """The transcript of a recording that is told in words; in Korean for Korean, else in English."""
    own = _KOREAN if language == "ko" else _ENGLISH
    return Reply(reasoning="", content=own.transcript.format(audio=audio), _filler=own.filler)


def compose_reasoning(user_text: str) -> str:
    """What is said before tools are called."""
    return _choose_language(user_text).reasoning


def _choose_language(user_text: str) -> _Language:
    return _KOREAN if _HANGUL.search(user_text) else _ENGLISH


def _shorten(text: str, most: int) -> str:
    """The text in one line, cut where it is longer."""
    line = " ".join(text.split())
    return line[:most] + "…" if len(line) > most else line


def _describe_received(language: _Language, received: Received) -> str:
    images = language.images.format(images=", ".join(received.images)) if received.images else ""
    return images + "".join(
        language.tool_result.format(name=name, text=_shorten(text, _RESULT_CHARS))
        for name, text in received.tool_results
    )
