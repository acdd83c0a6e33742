/* mock_engine: an engine that costs next to nothing and speaks vLLM's wire on 127.0.0.1.
 *
 * Answers GET /health, /v1/models and POST /v1/chat/completions (SSE or JSON). The model asked for sets the pace
 * of a stream: see `paces`. Every token carries the moment it was sent, as " tok@" and 16 digits of
 * CLOCK_MONOTONIC in microseconds, so that load_generator can count tokens and time each on its way.
 * One thread, one epoll set, keep-alive. Usage: mock_engine PORT [TOKENS_PER_SECOND]
 * The second argument bounds all streams together, as a real engine's cards do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vllm_wire.h"

enum { REQUEST_BYTES = 1 << 20, EVENTS = 512, DEFAULT_TOKENS = 16 };

struct connection {
    int fd;
    bool is_streaming, is_queued, is_blocked, wants_usage;
    int tokens_sent;
    uint64_t due_us;
    struct connection *next;
    struct pace *pace;
    struct answer answer;
    struct reply reply;
    int request_bytes;
    char request[REQUEST_BYTES + 1];
};

/* Streams of one pace wait equally long, so a plain queue is sorted by due time. */
static struct pace {
    const char *model;
    uint64_t interval_us;
    struct connection *first, *last;
    int length;
} paces[] = {
    {.model = "instant", .interval_us = 0}, /* first: what `current` means */
    {.model = "every-10-ms", .interval_us = 10000},
    {.model = "every-second", .interval_us = 1000000},
};
enum { PACES = sizeof paces / sizeof *paces };

static int poller;

enum { CATCH_UP_US = 20000 }; /* what a busy machine may have kept the engine from */
static uint64_t token_us, free_at_us; /* 0: as fast as they go */

static void enqueue(struct connection *c)
{
    struct pace *pace = c->pace;
    c->due_us = now_us() + pace->interval_us;
    c->next = NULL;
    c->is_queued = true;
    *(pace->first ? &pace->last->next : &pace->first) = c;
    pace->last = c;
    pace->length++;
}

static struct connection *dequeue(struct pace *pace)
{
    struct connection *c = pace->first;
    pace->first = c->next;
    pace->length--;
    c->is_queued = false;
    return c;
}

/* A queued connection is freed when its turn comes. */
static void drop(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (!c->is_queued)
        free(c);
}

static void watch(struct connection *c, int operation, bool for_room)
{
    struct epoll_event event = {EPOLLIN | (for_room ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(poller, operation, c->fd, &event);
    c->is_blocked = for_room;
}

/* False when the client is gone, and the connection with it. */
static bool send_reply(struct connection *c)
{
    struct reply *reply = &c->reply;
    while (reply->sent < reply->bytes) {
        ssize_t sent = send(c->fd, reply->text + reply->sent, reply->bytes - reply->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            if (!c->is_blocked)
                watch(c, EPOLL_CTL_MOD, true);
            return true;
        }
        if (sent < 0) {
            drop(c);
            return false;
        }
        reply->sent += sent;
    }
    reply->sent = reply->bytes = 0;
    if (c->is_blocked)
        watch(c, EPOLL_CTL_MOD, false);
    return true;
}

static void answer_models(struct connection *c)
{
    char body[1000] = "{\"object\":\"list\",\"data\":[", card[240];
    for (int i = 0; i < PACES; i++) {
        write_model_card(card, paces[i].model);
        strcat(strcat(body, i ? "," : ""), card);
    }
    add_json(&c->reply, "200 OK", strcat(body, "]}"));
}

static void start_next_request(struct connection *c);

/* The next piece of a stream: a token, or what comes after the last one. */
static void continue_stream(struct connection *c)
{
    if (c->tokens_sent == 0)
        add_stream_head(&c->reply, c->answer);
    if (c->tokens_sent < c->answer.tokens) {
        add_token(&c->reply, c->answer);
        c->tokens_sent++;
        if (send_reply(c) && !c->is_blocked)
            enqueue(c);
        return;
    }
    add_stream_end(&c->reply, c->answer, c->wants_usage);
    c->is_streaming = false;
    if (send_reply(c))
        start_next_request(c);
}

static bool has_flag(const char *body, const char *name)
{
    char tight[64], loose[64];
    snprintf(tight, sizeof tight, "\"%s\":true", name);
    snprintf(loose, sizeof loose, "\"%s\": true", name);
    return strstr(body, tight) || strstr(body, loose);
}

static struct pace *find_pace(const char *body)
{
    for (int i = 0; i < PACES; i++)
        if (strstr(body, paces[i].model))
            return &paces[i];
    return &paces[0];
}

static void start_completion(struct connection *c, const char *body)
{
    static unsigned last_id;
    const char *limit = strstr(body, "\"max_tokens\":");
    int tokens = limit ? atoi(limit + strlen("\"max_tokens\":")) : 0;
    c->pace = find_pace(body);
    c->answer = (struct answer){++last_id, c->pace->model, tokens > 0 ? tokens : DEFAULT_TOKENS};
    c->tokens_sent = 0;
    c->wants_usage = has_flag(body, "include_usage");
    c->is_streaming = has_flag(body, "stream");
    if (c->is_streaming)
        enqueue(c);
    else
        add_completion(&c->reply, c->answer);
}

/* Starts the request in the buffer once it is complete. Chunked bodies are refused: no client here sends any. */
static void start_next_request(struct connection *c)
{
    c->request[c->request_bytes] = '\0';
    char *head_end = strstr(c->request, "\r\n\r\n");
    if (c->is_streaming || !head_end)
        return;
    char *body = head_end + 4;
    char *length = strcasestr(c->request, "\r\ncontent-length:");
    int used = body - c->request + (length && length < head_end ? atoi(length + 17) : 0);
    if (used > c->request_bytes)
        return;
    char saved = c->request[used];
    c->request[used] = '\0';
    if (!strncmp(c->request, "POST /v1/chat/completions ", 26))
        start_completion(c, body);
    else if (!strncmp(c->request, "GET /v1/models ", 15))
        answer_models(c);
    else if (!strncmp(c->request, "GET /health ", 12))
        add_json(&c->reply, "200 OK", "{}");
    else
        add_json(&c->reply, "404 Not Found", "{\"error\":{\"message\":\"Not Found\",\"type\":\"NotFoundError\","
                                             "\"param\":null,\"code\":404}}");
    c->request[used] = saved;
    c->request_bytes -= used;
    memmove(c->request, c->request + used, c->request_bytes);
    if (c->reply.bytes)
        send_reply(c);
}

static void receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->request + c->request_bytes, REQUEST_BYTES - c->request_bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        drop(c);
        return;
    }
    c->request_bytes += got;
    start_next_request(c);
}

static void accept_all(int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, false);
    }
}

static void handle(struct connection *c, uint32_t events)
{
    if (events & EPOLLOUT) {
        if (!send_reply(c))
            return;
        if (!c->is_blocked && c->is_streaming && !c->is_queued)
            enqueue(c);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(c);
}

/* At most one token for each stream, then back to the sockets. */
static void serve_due(struct pace *pace)
{
    uint64_t now = now_us();
    for (int left = pace->length; left > 0 && pace->first->due_us <= now; left--) {
        if (token_us && free_at_us > now)
            return;
        struct connection *c = dequeue(pace);
        if (c->fd < 0) {
            drop(c);
            continue;
        }
        continue_stream(c);
        if (token_us)
            free_at_us = (free_at_us + CATCH_UP_US > now ? free_at_us : now - CATCH_UP_US) + token_us;
    }
}

static struct timespec time_until_due(void)
{
    uint64_t now = now_us(), due = now + 1000000;
    for (int i = 0; i < PACES; i++)
        if (paces[i].length && paces[i].first->due_us < due)
            due = paces[i].first->due_us;
    if (token_us && free_at_us > due)
        due = free_at_us;
    uint64_t wait = due > now ? due - now : 0;
    return (struct timespec){wait / 1000000, wait % 1000000 * 1000};
}

int main(int count, char **arguments)
{
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons(count > 1 ? atoi(arguments[1]) : 0);
    token_us = count > 2 && atoi(arguments[2]) > 0 ? 1000000 / atoi(arguments[2]) : 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("mock_engine");
        return 1;
    }
    poller = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct timespec wait = time_until_due();
        int ready = epoll_pwait2(poller, events, EVENTS, &wait, NULL);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                handle(events[i].data.ptr, events[i].events);
            else
                accept_all(listener);
        }
        for (int i = 0; i < PACES; i++)
            serve_due(&paces[i]);
    }
}
