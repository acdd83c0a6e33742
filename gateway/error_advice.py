"""What to do about each error code: docs/errors.md is written from it (`manage.py write_docs`)."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """Plain sentences in Markdown, for whoever meets the error and for the operator who is asked about it."""

    first_look: str
    fix: str


ADVICE = {
    "context_length_exceeded": Advice(
        "The message has the numbers: how long the prompt is, and the model's context. With files it "
        "names the largest document.",
        'Shorten the prompt, begin a new conversation, or let the oldest messages go (`"truncation": '
        '"oldest"` of `POST /api/chat`). Operators: a profile with a longer `max_model_len`, if '
        "`manage.py check_fit` says that it fits.",
    ),
    "images_not_supported": Advice(
        "`GET /api/models/status`: which model is served.",
        "Ask a model that reads images, or leave the image out. A conversation that has one keeps "
        "sending it: edit the message with the image.",
    ),
    "invalid_request": Advice(
        "`param` names the field, the message what is wrong with it. A message that is the engine's "
        "own is about something that the gateway passes on.",
        "Correct the field. Fields that the gateway refuses though vLLM takes them, and why: "
        "[clients](clients.md#what-vllm-takes-and-the-gateway-does-not). Repeating does not help.",
    ),
    "invalid_api_key": Advice(
        "Is there an `Authorization: Bearer …` at all, and is it whole? A proxy may remove or replace "
        "it. Keys begin with `sk-gw-`; where several headers hold a credential it has to be the same.",
        "Send a token from `POST /api/auth/login`, or an API key from the account page. After a "
        "change of `API_KEY_SECRET`, or of `SECRET_KEY` where it is not set, every key has to be made "
        "anew.",
    ),
    "invalid_credentials": Advice(
        "The name: the user name or the e-mail address. Is the account active (the admin, *Users*)?",
        "`manage.py changepassword NAME` sets a new password. `make run` and `make env` print first "
        "passwords once, the latter leaves that of `admin` in `.env`.",
    ),
    "token_expired": Advice(
        "Access tokens live for `JWT_EXPIRE_HOURS`. When all expire at once, compare the clocks of "
        "the machines.",
        "`POST /api/auth/refresh` with the refresh token, once; then use the new pair. When the "
        "session itself has expired (`JWT_REFRESH_DAYS`), log in again.",
    ),
    "token_reused": Advice(
        "Two processes share one refresh token, or the answer to a refresh got lost and was repeated "
        "after `REFRESH_GRACE`. If neither is so, somebody has copied the token: the audit trail "
        "shows from where.",
        "Log in again. Give each program a session, or better an API key, of its own.",
    ),
    "token_revoked": Advice(
        "The audit trail in the admin: a log-out, another password, a deactivated account, a changed "
        "role, a revoked key, a restored backup.",
        "Log in again, or make a new key.",
    ),
    "permission_denied": Advice(
        "The message says what is missing: the role of an administrator, or a scope of the key. Some "
        "things no key may do: accounts, keys, switching.",
        "Log in as somebody who may, or make a key with that scope ([scopes](api.md#signing-in)). A "
        "403 with a page in HTML below `/admin/` is a cookie: `SECURE_COOKIES=true` behind https, and "
        "the name in `ALLOWED_HOSTS`.",
    ),
    "model_not_found": Advice(
        "`GET /v1/models` with the same credential: a key that is for certain models sees no others.",
        "Name one of those, or `current`. A profile that is not served has to be switched to first "
        "([switching](switching.md)).",
    ),
    "not_found": Advice(
        "The path and the id. What belongs to somebody else looks exactly like what does not exist.",
        "Use the account that owns it. A deleted conversation is in the trash (`?deleted=true`) until "
        "it is purged.",
    ),
    "task_not_supported": Advice(
        "`tasks` of the model in `GET /v1/models`: `generate`, `embed`, `rerank` and so on.",
        "Ask a model that does this task; a model for chats makes no embeddings.",
    ),
    "method_not_allowed": Advice(
        "The header `Allow` of the answer.",
        "Use one of those methods. A GET in place of a POST is often a redirect on the way, from http "
        "to https say.",
    ),
    "answer_not_continuable": Advice(
        "`finish_reason` and `status` of the message: only what was stopped, broke off or reached "
        "`max_tokens` has an end to go on from.",
        "Ask again (`…/regenerate`), or send a new message.",
    ),
    "client_message_id_reused": Advice(
        "Does the program make a new id for each message, and repeat it only with the same request?",
        "Use a fresh id (a UUID, say) for each message.",
    ),
    "conversation_busy": Advice(
        "Another tab, device or program is having an answer written in the same conversation.",
        "Wait for it, or stop it (`…/cancel`). An answer whose process crashed is closed after "
        "`MESSAGE_LEASE`.",
    ),
    "conversation_full": Advice(
        "`MAX_CONVERSATION_BYTES`; branches that are not shown count, too.",
        "Begin a new conversation, or duplicate the branch that matters. Operators: raise the setting.",
    ),
    "does_not_fit": Advice(
        "`plan.fit` in the answer, or `manage.py check_fit PROFILE`: how much memory each card lacks, "
        "and what would help.",
        "A shorter `max_model_len`, more cards, a quantized variant of the model, or end what else is "
        "on the cards. `force` overrides it if you know better "
        "([switching](switching.md#asking-for-a-switch)).",
    ),
    "file_in_use": Advice(
        "Which conversation has it: search for the file's name. Those in the trash count.",
        "Delete that conversation for good, or leave the file; it goes when nothing refers to it any more.",
    ),
    "idempotency_in_progress": Advice(
        "The same `client_message_id` was sent twice within one answer: a program with a short time-out.",
        "Wait: the first request's answer is stored. Follow it with `GET …/messages/{id}/stream`.",
    ),
    "last_administrator": Advice(
        "The admin, *Users*: who has the role.",
        "Give the role to somebody else first: `manage.py create_user NAME --admin`, or in the admin.",
    ),
    "storage_full": Advice(
        "`MAX_ACCOUNT_BYTES`; files and deleted conversations count until they are purged.",
        "Delete conversations and files for good. Operators: raise the setting, or write a retention "
        "rule ([what is kept](retention.md)).",
    ),
    "switch_refused": Advice(
        "The message says why; `manage.py switch_model PROFILE --dry-run` shows the whole plan.",
        "No switcher: `docker compose up -d switcher`. A disabled or invalid profile: the admin, "
        "*Model profiles*. No disk: make room where the weights are. All of it: "
        "[switching](switching.md#when-a-switch-fails).",
    ),
    "slot_refused": Advice(
        "The message names what is in the way; `manage.py slot list` shows each slot with its cards.",
        "Slots share no card: narrow the other one first. A slot that serves is retired with `--stop`. "
        "All of it: [slots](slots.md).",
    ),
    "version_conflict": Advice(
        "Somebody, perhaps another tab, changed the object after it was read.",
        "Read it again, and send the change with the new `version`.",
    ),
    "request_too_large": Advice(
        "The message names the setting that is in the way. A 413 in HTML is the proxy's own.",
        "Send less, or raise that setting ([limits](limits.md#how-large-a-request-may-be)); in nginx "
        "`client_max_body_size`.",
    ),
    "unsupported_media_type": Advice(
        "The header `Content-Type` of the request.",
        "`application/json`; for files `multipart/form-data`, as `curl -F` sends it.",
    ),
    "concurrency_limit_exceeded": Advice(
        "How many are allowed: `MAX_CONCURRENT_STREAMS`, and *Limits* in the admin. Answers that wait "
        "for a switch count, too.",
        "Wait for `Retry-After`; SDKs do so by themselves. Operators: raise the number for the "
        "account or the key ([limits](limits.md)). Large bodies have a bound of their own, "
        "`MAX_LARGE_BODIES`.",
    ),
    "insufficient_quota": Advice(
        "`x-ratelimit-reset-tokens`: when the window ends. *Usage* shows what used it up.",
        "Wait for the window. Operators: *Limits* in the admin, or `TOKEN_LIMIT`.",
    ),
    "rate_limit_exceeded": Advice(
        "The message says what was counted: requests of an account or a key, log-ins, or an address. "
        "If everybody is refused together, all look like one address.",
        "Wait for `Retry-After`. Behind a proxy set `TRUSTED_PROXY_HOPS`. Operators: *Limits* in the "
        "admin, or `RATE_LIMIT_REQUESTS`, `REST_RATE`, `ADDRESS_RATE`, `LOGIN_RATE`.",
    ),
    "internal_error": Advice(
        "The log line with the answer's `x-request-id`: `docker compose logs web | grep REQUEST-ID`. "
        "It has the traceback.",
        "A mistake of the gateway's: report it with that line. Repeat once; if it stays, leave out "
        "fields of the request one by one.",
    ),
    "interrupted": Advice(
        "Did the web process restart at that time (`docker compose ps`, `docker compose logs web`)? "
        "Out of memory shows in `dmesg`.",
        "Go on with the answer (`…/continue`), or ask again. What was written by then is stored.",
    ),
    "upstream_unavailable": Advice(
        "`manage.py model_status`, then `manage.py engine_logs`: the engine has ended, restarts, or "
        "cannot be reached from the web process.",
        "It is started again by itself, or its failure has a cause with remedies there. An engine of "
        "your own: `curl $VLLM_BASE_URL/v1/models` from where web runs. More: "
        "[troubleshooting](troubleshooting.md#502-bad-gateway-the-engine-does-not-answer).",
    ),
    "dependency_unavailable": Advice(
        "`GET /health` names the store; the log says why in its words (`database_failed`).",
        "Start it, or make room on its disk. Requests are served again by themselves. More: "
        "[troubleshooting](troubleshooting.md#the-database-or-redis-does-not-answer).",
    ),
    "model_loading": Advice(
        "`manage.py model_status`, or the button at the top of the chat page: phase, percent, the time left.",
        "Wait for `Retry-After`. If the same phase stays for long, `manage.py engine_logs` says what "
        "the engine does.",
    ),
    "model_switching": Advice(
        "`manage.py model_status`: from which model to which, who asked, how far it is.",
        "Wait for `Retry-After`; streams wait by themselves for up to `SWITCH_STREAM_WAIT`. A switch "
        "that nobody wants ends by `manage.py cancel_switch` until the old engine is stopped.",
    ),
    "no_model": Advice(
        "`manage.py model_status`: nothing was asked for, or the last start failed, and why.",
        "`manage.py switch_model PROFILE` with one that fits (`manage.py recommend`).",
    ),
    "shutting_down": Advice(
        "An upgrade or a restart is going on: `docker compose ps`.",
        "Repeat after `Retry-After`. If it stays, the service that should have come back has not: "
        "`docker compose up -d`.",
    ),
    "upstream_timeout": Advice(
        "`manage.py gpu_status` and `manage.py engine_logs`: is the engine busy with long prompts, or "
        "does it hang?",
        "`UPSTREAM_FIRST_BYTE_TIMEOUT`, `UPSTREAM_IDLE_TIMEOUT` and `GENERATION_TIMEOUT` bound the "
        "wait. A lower limit of answers at a time, or a shorter context, keeps the queue short. An "
        "engine that hangs is started again by the switcher.",
    ),
}
