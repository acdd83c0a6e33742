/* http_answer: reads an HTTP/1.1 answer piece by piece and finds the tokens in it. Used by load_generator. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEAD_BYTES = 4096, STAMP_DIGITS = 16 };
enum part { HEAD, PLAIN_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, LAST_LINE, COMPLETE };

struct answer {
    enum part part;
    int status, tokens;
    bool keeps_alive;
    long left;    /* bytes of the body, or of the current chunk, still to come */
    int digits;   /* of the mark being read; -1 outside one */
    uint64_t sent_us;
    int head_bytes;
    char head[HEAD_BYTES + 1];
};

typedef void token_taker(void *context, uint64_t sent_us);

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void reset_answer(struct answer *answer)
{
    answer->part = HEAD;
    answer->status = answer->tokens = answer->head_bytes = 0;
    answer->digits = -1;
}

/* Marks may be cut anywhere by chunk borders. */
static void find_tokens(struct answer *answer, const char *data, long length, token_taker take, void *context)
{
    for (const char *at = data, *end = data + length; at < end; at++) {
        if (answer->digits < 0) {
            at = memchr(at, '@', end - at);
            if (!at)
                return;
            answer->digits = 0;
            answer->sent_us = 0;
        } else if (!isdigit((unsigned char)*at)) {
            answer->digits = -1;
        } else {
            answer->sent_us = answer->sent_us * 10 + (*at - '0');
            if (++answer->digits == STAMP_DIGITS) {
                answer->digits = -1;
                answer->tokens++;
                take(context, answer->sent_us);
            }
        }
    }
}

/* Takes what belongs to the head; answers how many bytes that was. A head that is too long reads as status 0. */
static long feed_head(struct answer *answer, const char *data, long length)
{
    int before = answer->head_bytes;
    long room = HEAD_BYTES - before, taken = length < room ? length : room;
    memcpy(answer->head + before, data, taken);
    answer->head_bytes += taken;
    answer->head[answer->head_bytes] = '\0';
    char *end = strstr(answer->head, "\r\n\r\n");
    if (!end) {
        answer->part = taken == room ? COMPLETE : HEAD;
        return taken;
    }
    end[2] = '\0';
    char *size = strcasestr(answer->head, "\r\ncontent-length:");
    answer->status = atoi(answer->head + strlen("HTTP/1.1 "));
    answer->keeps_alive = !strcasestr(answer->head, "\r\nconnection: close");
    answer->left = size ? atol(size + strlen("\r\ncontent-length:")) : 0;
    answer->part = size ? PLAIN_BODY : CHUNK_SIZE;
    if (size && !answer->left)
        answer->part = COMPLETE;
    return end + 4 - answer->head - before;
}

static long feed_body(struct answer *answer, const char *data, long length, token_taker take, void *context)
{
    long taken = length < answer->left ? length : answer->left;
    find_tokens(answer, data, taken, take, context);
    answer->left -= taken;
    if (!answer->left)
        answer->part = answer->part == PLAIN_BODY ? COMPLETE : CHUNK_END;
    return taken;
}

/* Chunk framing, a byte at a time: "SIZE\r\n", data, "\r\n", ..., "0\r\n", "\r\n". */
static void feed_framing(struct answer *answer, char byte)
{
    if (answer->part == CHUNK_SIZE && isxdigit((unsigned char)byte)) {
        int digit = isdigit((unsigned char)byte) ? byte - '0' : (byte | 32) - 'a' + 10;
        answer->left = answer->left * 16 + digit;
    } else if (byte != '\n') {
        return;
    } else if (answer->part == CHUNK_SIZE) {
        answer->part = answer->left ? CHUNK_DATA : LAST_LINE;
    } else {
        answer->part = answer->part == LAST_LINE ? COMPLETE : CHUNK_SIZE;
    }
}

/* True when the answer is complete. `take` is called for each token, with the moment it was sent. */
static bool feed_answer(struct answer *answer, const char *data, long length, token_taker take, void *context)
{
    while (length > 0 && answer->part != COMPLETE) {
        long taken = 1;
        if (answer->part == HEAD)
            taken = feed_head(answer, data, length);
        else if (answer->part == PLAIN_BODY || answer->part == CHUNK_DATA)
            taken = feed_body(answer, data, length, take, context);
        else
            feed_framing(answer, *data);
        data += taken;
        length -= taken;
    }
    return answer->part == COMPLETE;
}
