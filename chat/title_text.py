"""The request for a title, and the title in what a model answers to it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

MAX_TITLE_LENGTH = 80
QUOTED_LENGTH = 1000
"""Characters of the question and of the answer, each, that the request holds."""

INSTRUCTION = (
    "Write a title for the conversation below. At most six words, in the language of the conversation, "
    "on one line, without quotation marks. Answer with the title alone."
)

_THOUGHTS = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL)
"""Also where the chat template wrote the beginning, and where the end is missing."""
_LABEL = re.compile(
    r"\A[\s#*_>-]*(?:title|titel|titre|título|titolo|제목|タイトル|题目|标题|標題)[\s*_]*[:：][\s*_]*",
    re.IGNORECASE,
)
_PAIRS = frozenset({'""', "''", "“”", "‘’", "«»", "„“", "「」", "『』", "《》", "【】", "**", "__", "``"})
_KEPT_FORMATS = "\u200c\u200d"
"""The joiners, which scripts and emoji need; other formats are invisible, or turn the line round."""


def ask_for_title(question: str, answer: str) -> str:
    """One message, as some chat templates know no system prompt."""
    said = f"<user>\n{_cut(question)}\n</user>\n<assistant>\n{_cut(answer)}\n</assistant>"
    return f"{INSTRUCTION}\n\n{said}\n\nTitle:"


def first_question(prompt: Sequence[dict[str, Any]]) -> str:
    """The text of the first message of the user's; of one in parts, that of its text parts."""
    content = next((message["content"] for message in prompt if message["role"] == "user"), "")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or "" for part in content or () if isinstance(part, dict))


def clean_title(text: str) -> str:
    """The first line that can be a title, without what models put around it; empty where there is none."""
    for line in _THOUGHTS.sub("", text).splitlines():
        title = _clean_line(line)
        if title and not title.endswith((":", "：")):  # which announces the title
            return _cut_at_word(title)
    return ""


def _clean_line(line: str) -> str:
    line = " ".join("".join(map(_visible, line)).split())
    line = _LABEL.sub("", line.lstrip("#>- "))
    while len(line) > 1 and line[0] + line[-1] in _PAIRS:
        line = line[1:-1].strip()
    if line.endswith((".", "。")) and not line.endswith(".."):
        line = line[:-1].rstrip()
    return line if any(map(str.isalnum, line)) else ""


def _visible(character: str) -> str:
    """A space for a control character, nothing for what is no text: halves of characters, formats."""
    match unicodedata.category(character):
        case "Cc":
            return " "
        case "Cf" if character not in _KEPT_FORMATS:
            return ""
        case "Cs" | "Co" | "Cn":
            return ""
    return character


def _cut(text: str) -> str:
    return text if len(text) <= QUOTED_LENGTH else text[:QUOTED_LENGTH] + "…"


def _cut_at_word(title: str) -> str:
    if len(title) <= MAX_TITLE_LENGTH:
        return title
    cut = title[: MAX_TITLE_LENGTH - 1]
    if not title[MAX_TITLE_LENGTH - 1].isspace():
        cut = cut.rpartition(" ")[0] or cut
    return cut.rstrip() + "…"
