#include "runner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { frames_in = 3, frames_out = 4, mark_file = 6 };
enum { start = 1, infer = 2, drain = 3, ready = 129, failed = 130, result = 131 };
enum { empty, value, error };
enum { frame_header = 5, infer_header = 8, result_header = 12, item_header = 5 };

/* Outcomes wait for each other this long, or until there are so many. */
enum { piece_ms = 5, piece_items = 128 };

static struct outcome piece[piece_items];
static unsigned char frame[frame_header + result_header +
                           piece_items * (item_header + sizeof piece->text)];

static uint32_t get32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(unsigned char *at, size_t number) {
  for (int i = 3; i >= 0; i--, number >>= 8) at[i] = (unsigned char)(number & 0xff);
}

/* False at the end of the input: edgeboot is gone. A frame may come in any number of pieces. */
static bool receive(unsigned char *into, size_t bytes) {
  while (bytes > 0) {
    ssize_t got = read(frames_in, into, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into += got;
    bytes -= (size_t)got;
  }
  return true;
}

/* Sends what is in `frame`, with a body of so many bytes. */
static bool send_frame(unsigned char type, size_t body_bytes) {
  put32(frame, body_bytes + 1);
  frame[4] = type;
  const unsigned char *from = frame;
  size_t bytes = frame_header + body_bytes;
  while (bytes > 0) {
    ssize_t sent = write(frames_out, from, bytes);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    from += sent;
    bytes -= (size_t)sent;
  }
  return true;
}

static bool send_text(unsigned char type, const char *format, const char *text) {
  char *body = (char *)frame + frame_header;
  int bytes = snprintf(body, sizeof frame - frame_header, format, text);
  return bytes >= 0 && send_frame(type, (size_t)bytes);
}

static bool send_piece(uint32_t batch, uint32_t first, size_t count) {
  unsigned char *body = frame + frame_header;
  put32(body, batch);
  put32(body + 4, first);
  put32(body + 8, count);
  unsigned char *head = body + result_header;
  unsigned char *text = head + count * item_header;
  for (size_t i = 0; i < count; i++, head += item_header) {
    head[0] = piece[i].status;
    put32(head + 1, piece[i].bytes);
    memcpy(text, piece[i].text, piece[i].bytes);
    text += piece[i].bytes;
  }
  return send_frame(result, (size_t)(text - body));
}

void outcome_value(struct outcome *outcome, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int bytes = vsnprintf(outcome->text, sizeof outcome->text, format, values);
  va_end(values);
  outcome->status = value;
  outcome->bytes = (size_t)bytes;
  if (bytes < 0 || (size_t)bytes >= sizeof outcome->text) {
    outcome_error(outcome, "ResultError", "the result is too long");
  }
}

void outcome_error(struct outcome *outcome, const char *type, const char *message) {
  outcome_value(outcome, "{\"type\":\"%s\",\"message\":\"%s\"}", type, message);
  outcome->status = error;
}

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Which event it is on, in a file that outlives it: after a crash edgeboot knows the one to blame.
 * Where there is no such file the words are written all the same, and nobody reads them.
 */
static volatile uint32_t *open_mark(void) {
  static volatile uint32_t nowhere[2];
  void *words = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, mark_file, 0);
  return words == MAP_FAILED ? nowhere : words;
}

static bool answer_batch(const struct model *model, volatile uint32_t *mark,
                         const unsigned char *body, size_t bytes) {
  if (bytes < infer_header) return false;
  uint32_t batch = get32(body), count = get32(body + 4);
  const unsigned char *sizes = body + infer_header;
  if ((bytes - infer_header) / 8 < count) return false;
  const char *at = (const char *)sizes + (size_t)count * 8;
  const char *end = (const char *)body + bytes;
  mark[1] = UINT32_MAX;
  mark[0] = batch;
  uint32_t sent = 0;
  long sent_at = milliseconds();
  for (uint32_t i = 0; i < count; i++, sizes += 8) {
    uint32_t context_bytes = get32(sizes), event_bytes = get32(sizes + 4);
    if ((size_t)(end - at) < context_bytes) return false;
    struct json context = {at, at + context_bytes};
    if ((size_t)(end - context.end) < event_bytes) return false;
    struct json event = {context.end, context.end + event_bytes};
    at = event.end;
    mark[1] = i;
    struct outcome *outcome = &piece[i - sent];
    outcome->status = empty;
    outcome->bytes = 0;
    model->answer(event, context, outcome);
    size_t waiting = i + 1 - sent;
    if (i + 1 < count && waiting < piece_items && milliseconds() - sent_at < piece_ms) continue;
    if (!send_piece(batch, sent, waiting)) return false;
    sent = i + 1;
    sent_at = milliseconds();
  }
  return true;
}

static bool load(const struct model *model, struct json message) {
  static const char nothing[1];
  struct json params = {nothing, nothing};
  json_member(message, "params", &params);
  const char *why_not = model->load(params);
  if (why_not == NULL) return send_text(ready, "{\"engine\":\"%s\"}", model->engine);
  send_text(failed, "{\"kind\":\"import\",\"message\":\"%s\"}", why_not);
  return false;
}

int serve(const struct model *model) {
  volatile uint32_t *mark = open_mark();
  size_t room = 4096;
  unsigned char header[frame_header], *body = malloc(room);
  bool goes_on = body != NULL, is_told_to_end = false;
  while (goes_on && !is_told_to_end) {
    if (!receive(header, sizeof header)) break;
    size_t bytes = get32(header);
    if (bytes-- == 0) return EXIT_FAILURE;
    if (bytes > room) {
      free(body);
      body = malloc(bytes);
      if (body == NULL) return EXIT_FAILURE;
      room = bytes;
    }
    if (!receive(body, bytes)) break;
    const char *text = (const char *)body;
    if (header[4] == start) goes_on = load(model, (struct json){text, text + bytes});
    else if (header[4] == infer) goes_on = answer_batch(model, mark, body, bytes);
    else is_told_to_end = header[4] == drain;
  }
  free(body);
  return goes_on ? EXIT_SUCCESS : EXIT_FAILURE;
}
