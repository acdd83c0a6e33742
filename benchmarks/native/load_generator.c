/* load_generator: closed-loop HTTP/1.1 load on 127.0.0.1, for plain and for streamed answers.
 *
 * Each connection sends its request, waits for the whole answer and sends it again. Tokens are counted and
 * timed by the marks that mock_engine writes ("@" and 16 digits), however the server under test frames them.
 * An answer is an error unless its status is 200 and it holds exactly the expected number of tokens.
 * One thread, one epoll set. Prints one JSON object.
 *
 * usage: load_generator -p PORT -u PATH -b BODIES [-t TOKEN_FILE] -c CONNECTIONS -d SECONDS
 *                       -g GRACE_SECONDS -e EXPECTED_TOKENS [-r RAMP_SECONDS]
 *   -b  bodies, one a line, dealt out to the connections in turn
 *   -t  bearer tokens, one a line, dealt out to the connections in turn
 *   -d  no new request after this long; -g: how long the last answers may then still take
 *   -r  open the connections evenly over this long
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_answer.h"

enum { EVENTS = 512, SAMPLES = 1 << 20, MAX_LINES = 1024, DIALS_PER_TURN = 64 };

struct connection {
    int fd;
    bool is_busy;
    uint64_t started_us, last_token_us;
    struct answer answer;
    char *request;
    int request_bytes;
};

struct samples {
    unsigned us[SAMPLES];
    int count;
};

static struct options {
    int port, connections, expected_tokens;
    double seconds, grace_seconds, ramp_seconds;
    const char *path, *body_file, *token_file;
} options;

static struct samples first_token, whole_answer, token_transit, token_gap;
static long answers, errors, unfinished, tokens;
static char first_error[160];
static bool is_stopping;
static int poller;

static void note(struct samples *samples, uint64_t from_us, uint64_t to_us)
{
    if (samples->count < SAMPLES)
        samples->us[samples->count++] = to_us > from_us ? to_us - from_us : 0;
}

static int compare(const void *left, const void *right)
{
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

static double percentile_ms(struct samples *samples, double share)
{
    return samples->count ? samples->us[(int)(share * (samples->count - 1))] / 1000.0 : 0;
}

static void print_samples(const char *name, struct samples *samples)
{
    qsort(samples->us, samples->count, sizeof *samples->us, compare);
    printf(",\"%s_p50_ms\":%.3f,\"%s_p99_ms\":%.3f", name, percentile_ms(samples, 0.5), name,
           percentile_ms(samples, 0.99));
}

static void hang_up(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static bool dial(struct connection *c)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
        hang_up(c);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    return true;
}

static void count_error(struct connection *c, const char *what)
{
    errors++;
    c->is_busy = false;
    hang_up(c);
    if (!*first_error)
        snprintf(first_error, sizeof first_error, "%s (status %d, %d tokens)", what, c->answer.status,
                 c->answer.tokens);
}

static void start_request(struct connection *c)
{
    if (is_stopping)
        return;
    reset_answer(&c->answer);
    c->started_us = now_us();
    c->is_busy = true;
    if (c->fd < 0 && !dial(c))
        count_error(c, strerror(errno));
    else if (send(c->fd, c->request, c->request_bytes, MSG_NOSIGNAL) != c->request_bytes)
        count_error(c, "the request could not be sent");
}

static void finish_request(struct connection *c)
{
    c->is_busy = false;
    if (c->answer.status != 200)
        count_error(c, "status");
    else if (c->answer.tokens != options.expected_tokens)
        count_error(c, "number of tokens");
    else {
        answers++;
        note(&whole_answer, c->started_us, now_us());
        if (!c->answer.keeps_alive)
            hang_up(c);
    }
    start_request(c);
}

static void take_token(void *context, uint64_t sent_us)
{
    struct connection *c = context;
    uint64_t now = now_us();
    if (c->answer.tokens == 1)
        note(&first_token, c->started_us, now);
    else
        note(&token_gap, c->last_token_us, now);
    c->last_token_us = now;
    note(&token_transit, sent_us, now);
    tokens++;
}

static void receive(struct connection *c)
{
    static char data[1 << 17];
    ssize_t got = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 && !c->is_busy)
        hang_up(c); /* an idle connection may be closed at any time */
    else if (got <= 0) {
        count_error(c, "the connection was closed early");
        start_request(c);
    } else if (feed_answer(&c->answer, data, got, take_token, c))
        finish_request(c);
}

static char *read_file(const char *name)
{
    static char text[1 << 20];
    FILE *file = fopen(name, "r");
    if (!file) {
        perror(name);
        exit(2);
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strdup(text);
}

static int read_lines(const char *name, char **lines)
{
    int count = 0;
    for (char *line = strtok(read_file(name), "\n"); line && count < MAX_LINES; line = strtok(NULL, "\n"))
        lines[count++] = line;
    return count;
}

static struct connection *prepare_connections(void)
{
    char *bodies[MAX_LINES], *bearers[MAX_LINES];
    int bodies_known = read_lines(options.body_file, bodies);
    int known = options.token_file ? read_lines(options.token_file, bearers) : 0;
    struct connection *all = calloc(options.connections, sizeof *all);
    for (int i = 0; i < options.connections; i++) {
        const char *body = bodies[i % bodies_known];
        all[i].fd = -1;
        all[i].request_bytes =
            asprintf(&all[i].request,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%sContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     options.path, options.port, known ? "Authorization: Bearer " : "",
                     known ? bearers[i % known] : "", known ? "\r\n" : "", strlen(body), body);
    }
    return all;
}

/* Starts the connections that are due by now; answers how many have been started in all. */
static int start_due(struct connection *all, int started, double elapsed_s)
{
    int due = options.connections;
    if (elapsed_s < options.ramp_seconds)
        due = options.connections * (elapsed_s / options.ramp_seconds);
    for (int turn = 0; started < due && turn < DIALS_PER_TURN; turn++)
        start_request(&all[started++]);
    return started;
}

static long count_busy(const struct connection *all)
{
    long busy = 0;
    for (int i = 0; i < options.connections; i++)
        busy += all[i].is_busy;
    return busy;
}

static double run(struct connection *all)
{
    struct epoll_event events[EVENTS];
    uint64_t began_us = now_us();
    double elapsed_s = 0;
    int started = 0;
    while (elapsed_s < options.seconds + options.grace_seconds) {
        is_stopping = elapsed_s >= options.seconds;
        if (!is_stopping)
            started = start_due(all, started, elapsed_s);
        else if (!count_busy(all))
            break;
        int ready = epoll_wait(poller, events, EVENTS, started < options.connections ? 1 : 20);
        for (int i = 0; i < ready; i++)
            if (((struct connection *)events[i].data.ptr)->fd >= 0)
                receive(events[i].data.ptr);
        elapsed_s = (now_us() - began_us) / 1e6;
    }
    unfinished = count_busy(all);
    return elapsed_s;
}

static void parse_options(int count, char **arguments)
{
    int option;
    while ((option = getopt(count, arguments, "p:u:b:t:c:d:g:e:r:")) > 0)
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'b': options.body_file = optarg; break;
        case 't': options.token_file = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'g': options.grace_seconds = atof(optarg); break;
        case 'e': options.expected_tokens = atoi(optarg); break;
        case 'r': options.ramp_seconds = atof(optarg); break;
        default: exit(2);
        }
}

int main(int count, char **arguments)
{
    parse_options(count, arguments);
    poller = epoll_create1(0);
    double elapsed_s = run(prepare_connections());
    printf("{\"elapsed_s\":%.3f,\"answers\":%ld,\"errors\":%ld,\"unfinished\":%ld,\"tokens\":%ld", elapsed_s,
           answers, errors, unfinished, tokens);
    print_samples("first_token", &first_token);
    print_samples("answer", &whole_answer);
    print_samples("token_transit", &token_transit);
    print_samples("token_gap", &token_gap);
    printf(",\"first_error\":\"%s\"}\n", first_error);
    return 0;
}
