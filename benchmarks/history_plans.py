"""PostgreSQL's plans of the history benchmark: `python -m benchmarks.history_plans USERNAME LONGEST`.

Runs with the gateway's settings. Each statement of each request is explained with the values that it had.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from accounts.models import User
    from benchmarks.filling import Writer
    from benchmarks.history import FREQUENT, RARE
    from conversations.search.queries import SearchQuery, parse_words
    from conversations.search.searching import search
    from conversations.selectors import get_conversation, list_conversations, load_page

    username, longest = sys.argv[1:]
    user_id = User.objects.get(username=username).pk
    page, _more = list_conversations(user_id=user_id, limit=980)
    conversation = get_conversation(user_id=user_id, conversation_id=uuid.UUID(longest))
    writer = Writer()

    def search_for(rank: int) -> object:
        return search(SearchQuery(owner_id=user_id, words=parse_words(writer.word_at(rank))), limit=20)

    requests: dict[str, Callable[[], object]] = {
        "list": lambda: list_conversations(user_id=user_id, limit=20),
        "page 50": lambda: list_conversations(user_id=user_id, limit=20, after=page[-1].pk),
        "detail of 4,000 messages": lambda: load_page(conversation, limit=50),
        "search, frequent word": lambda: search_for(FREQUENT),
        "search, rare word": lambda: search_for(RARE),
    }
    for name, request in requests.items():
        print(f"### {name}\n\n```")
        print(*explain(request), sep="\n\n")
        print("```\n")


def explain(request: Callable[[], object]) -> list[str]:
    """The plans of its statements, in turn."""
    from django.db import connection

    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        request()
    plans = []
    with connection.cursor() as cursor:
        for sql, params in statements:
            if sql.lstrip().upper().startswith(("SELECT", "WITH")) and "set_config" not in sql:
                cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF, TIMING OFF) {sql}", params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return plans


if __name__ == "__main__":
    main()
