"""A page of what a search finds: titles first, then messages; each newest first, ranked within the page."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from conversations.models import Conversation, Message, MessageRole, SearchKind
from conversations.search.candidates import SearchCandidate, SearchCandidates, find_candidates
from conversations.search.queries import SearchQuery
from conversations.search.refreshing import refresh
from conversations.search.snippets import Snippet, find_words
from gateway.errors import InvalidRequest

SPARE = 20
"""Candidates beyond a page, for those whose text does not have the words: pieces only say that it may."""
PAGE_BYTES = 8 * 2**20
"""Texts that a page is looked for in; a text that is longer by itself is read all the same."""


PLACE = re.compile("[0-9a-f]{1,15}")


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    conversation: Conversation
    snippet: Snippet
    created_at: datetime
    message_id: uuid.UUID | None = None
    """None where the title has the words."""
    role: str = ""
    model: str = ""


@dataclass(frozen=True)
class SearchPage:
    hits: list[SearchHit]
    next: str | None
    """The cursor for what follows; None at the end. Any page may have fewer hits than were asked for."""
    is_complete: bool
    """False while the account has messages that are not in the index yet."""


@dataclass(frozen=True)
class SearchCursor:
    """The last entry that was looked at."""

    kind: SearchKind
    before: int | None

    def __str__(self) -> str:
        return f"{self.kind.value}{self.before or 0:x}"


@dataclass(frozen=True)
class _Found:
    hits: list[SearchHit]
    next: SearchCursor | None


def search(query: SearchQuery, *, limit: int, after: str = "") -> SearchPage:
    """The page of hits that follows the cursor `after`. Raises InvalidRequest for one that is none."""
    start = parse_cursor(after) if after else SearchCursor(SearchKind.TITLES, None)
    is_complete = refresh(query.owner_id, timezone.now())
    hits: list[SearchHit] = []
    if start.kind == SearchKind.TITLES:
        if query.wants_titles:
            titles = _find(query, start, limit)
            hits = titles.hits
            if titles.next is not None:
                return SearchPage(hits, str(titles.next), is_complete)
        start = SearchCursor(SearchKind.MESSAGES, None)
    if len(hits) == limit:
        follows = find_candidates(query, SearchKind.MESSAGES, before=None, most=1)
        return SearchPage(hits, str(start) if follows.found or follows.looked_to else None, is_complete)
    messages = _find(query, start, limit - len(hits))
    return SearchPage(
        [*hits, *messages.hits], str(messages.next) if messages.next is not None else None, is_complete
    )


def parse_cursor(text: str) -> SearchCursor:
    kind, place = text[:1], text[1:]
    if kind not in SearchKind.values or not PLACE.fullmatch(place):
        raise InvalidRequest("The cursor is none of a search.", param="after")
    return SearchCursor(SearchKind(kind), int(place, 16) or None)


def _find(query: SearchQuery, start: SearchCursor, limit: int) -> _Found:
    """Hits among the candidates from there on, the best first, and where to go on."""
    most = limit + SPARE
    candidates = find_candidates(query, start.kind, before=start.before, most=most)
    read = _within_bytes(candidates.found)
    load = _load_messages if start.kind == SearchKind.MESSAGES else _load_titles
    texts = load(query, [candidate.id for candidate in read])
    hits: list[SearchHit] = []
    passed: list[SearchCandidate] = []
    for candidate in read:
        hit = _hit_of(query, texts.get(candidate.id))
        if hit is not None and len(hits) == limit:
            break
        hits += [hit] if hit is not None else []
        passed.append(candidate)
    hits.sort(key=lambda hit: -hit.snippet.score)
    return _Found(hits, _go_on(candidates, passed, start.kind, is_full=len(candidates.found) == most))


def _go_on(
    candidates: SearchCandidates, passed: Sequence[SearchCandidate], kind: SearchKind, *, is_full: bool
) -> SearchCursor | None:
    if len(passed) < len(candidates.found) or (passed and is_full):
        return SearchCursor(kind, passed[-1].entry_id)
    return None if candidates.looked_to is None else SearchCursor(kind, candidates.looked_to)


def _within_bytes(candidates: Sequence[SearchCandidate]) -> list[SearchCandidate]:
    """The first ones, whose texts may be in memory together; one at least."""
    read: list[SearchCandidate] = []
    left_bytes = PAGE_BYTES
    for candidate in candidates:
        left_bytes -= candidate.size_bytes
        if read and left_bytes < 0:
            break
        read.append(candidate)
    return read


@dataclass(frozen=True, kw_only=True)
class _Text:
    text: str
    conversation: Conversation
    created_at: datetime
    message_id: uuid.UUID | None = None
    role: str = ""
    model: str = ""


def _hit_of(query: SearchQuery, text: _Text | None) -> SearchHit | None:
    if text is None:
        return None
    snippet = find_words(text.text, query.words, is_markdown=text.role == MessageRole.ASSISTANT)
    if snippet is None:
        return None
    return SearchHit(
        conversation=text.conversation,
        snippet=snippet,
        created_at=text.created_at,
        message_id=text.message_id,
        role=text.role,
        model=text.model,
    )


def _load_messages(query: SearchQuery, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Text]:
    filters = {"role": query.filters.role, "model": query.filters.model}
    rows = Message.objects.filter(
        pk__in=ids, owner_id=query.owner_id, **{name: value for name, value in filters.items() if value}
    )
    of_conversation = [f"conversation__{name}" for name in ("id", "title", "is_archived")]
    return {
        row.pk: _Text(
            text=row.content,
            conversation=row.conversation,
            created_at=row.created_at,
            message_id=row.pk,
            role=row.role,
            model=row.model,
        )
        for row in rows.select_related("conversation").only(
            "content", "created_at", "role", "model", *of_conversation
        )
    }


def _load_titles(query: SearchQuery, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Text]:
    rows = Conversation.objects.visible_to(query.owner_id).filter(pk__in=ids)
    return {
        row.pk: _Text(text=row.title, conversation=row, created_at=row.created_at)
        for row in rows.only("title", "is_archived", "created_at")
    }
