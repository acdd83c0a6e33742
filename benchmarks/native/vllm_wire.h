/* vllm_wire: what vLLM 0.32 writes on the wire, as text. Used by mock_engine. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { REPLY_BYTES = 4096, CREATED = 1790000000, MAX_WHOLE_TOKENS = 100, MAX_MODEL_LEN = 1 << 20 };

/* Bytes on their way to a client. */
struct reply {
    int bytes, sent;
    char text[REPLY_BYTES];
};

/* What the events of one answer have in common. */
struct answer {
    unsigned id;
    const char *model;
    int tokens;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void add(struct reply *reply, const char *text)
{
    int length = strlen(text);
    memcpy(reply->text + reply->bytes, text, length);
    reply->bytes += length;
}

/* One event is one HTTP chunk, as uvicorn sends it. */
static void add_event(struct reply *reply, const char *payload)
{
    char event[640];
    snprintf(event, sizeof event, "%x\r\ndata: %s\n\n\r\n", (unsigned)strlen(payload) + 8, payload);
    add(reply, event);
}

static void add_chunk(struct reply *reply, struct answer answer, const char *choices, const char *rest)
{
    char payload[560];
    snprintf(payload, sizeof payload,
             "{\"id\":\"chatcmpl-%032x\",\"object\":\"chat.completion.chunk\",\"created\":%d,"
             "\"model\":\"%s\",\"choices\":[%s]%s}",
             answer.id, CREATED, answer.model, choices, rest);
    add_event(reply, payload);
}

static void add_delta(struct reply *reply, struct answer answer, const char *delta, const char *finish_reason)
{
    char choice[200];
    snprintf(choice, sizeof choice,
             "{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s,\"token_ids\":null}", delta,
             finish_reason);
    add_chunk(reply, answer, choice, "");
}

static void add_stream_head(struct reply *reply, struct answer answer)
{
    add(reply, "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
               "transfer-encoding: chunked\r\n\r\n");
    add_delta(reply, answer, "\"role\":\"assistant\",\"content\":\"\"", "null");
}

static void add_token(struct reply *reply, struct answer answer)
{
    char delta[64];
    snprintf(delta, sizeof delta, "\"content\":\" tok@%016llu\"", (unsigned long long)now_us());
    add_delta(reply, answer, delta, "null");
}

static void add_stream_end(struct reply *reply, struct answer answer, bool with_usage)
{
    char usage[120];
    snprintf(usage, sizeof usage,
             ",\"usage\":{\"prompt_tokens\":12,\"total_tokens\":%d,\"completion_tokens\":%d}",
             12 + answer.tokens, answer.tokens);
    add_delta(reply, answer, "\"content\":\"\"", "\"stop\"");
    if (with_usage)
        add_chunk(reply, answer, "", usage);
    add_event(reply, "[DONE]");
    add(reply, "0\r\n\r\n");
}

static void add_json(struct reply *reply, const char *status, const char *body)
{
    char head[160];
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nserver: uvicorn\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
             status, strlen(body));
    add(reply, head);
    add(reply, body);
}

/* A whole answer of up to MAX_WHOLE_TOKENS. */
static void add_completion(struct reply *reply, struct answer answer)
{
    char content[24 * MAX_WHOLE_TOKENS + 1] = "", body[sizeof content + 1200];
    int tokens = answer.tokens < MAX_WHOLE_TOKENS ? answer.tokens : MAX_WHOLE_TOKENS, length = 0;
    for (int i = 0; i < tokens; i++)
        length += sprintf(content + length, " tok@%016llu", (unsigned long long)now_us());
    snprintf(body, sizeof body,
             "{\"id\":\"chatcmpl-%032x\",\"object\":\"chat.completion\",\"created\":%d,\"model\":\"%s\","
             "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\","
             "\"refusal\":null,\"annotations\":null,\"audio\":null,\"function_call\":null,\"tool_calls\":[],"
             "\"reasoning\":null},\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":null,"
             "\"token_ids\":null}],\"service_tier\":null,\"system_fingerprint\":null,\"usage\":"
             "{\"prompt_tokens\":12,\"total_tokens\":%d,\"completion_tokens\":%d,\"prompt_tokens_details\":null},"
             "\"prompt_logprobs\":null,\"prompt_token_ids\":null,\"kv_transfer_params\":null}",
             answer.id, CREATED, answer.model, content, 12 + tokens, tokens);
    add_json(reply, "200 OK", body);
}

/* One card of /v1/models. `card` takes 240 bytes. */
static void write_model_card(char *card, const char *model)
{
    snprintf(card, 240,
             "{\"id\":\"%s\",\"object\":\"model\",\"created\":%d,\"owned_by\":\"vllm\",\"root\":\"%s\","
             "\"parent\":null,\"max_model_len\":%d,\"permission\":[]}",
             model, CREATED, model, MAX_MODEL_LEN);
}
