/* The frame protocol of edgeboot (docs/runner-protocol.md), for a model in C. */
#ifndef RUNNER_H
#define RUNNER_H

#include "json.h"

/* What an event came to. Without a value or an error nothing is published. */
struct outcome {
  unsigned char status;
  size_t bytes;
  char text[512];
};

/* The value that is published: JSON, written as printf does. What does not fit is an error. */
void outcome_value(struct outcome *outcome, const char *format, ...);

/* Type and message may hold nothing that JSON would escape: quotes, backslashes, line breaks. */
void outcome_error(struct outcome *outcome, const char *type, const char *message);

struct model {
  const char *engine;
  /* Takes the params of the model. NULL, or why it cannot be loaded, as plain as an error. */
  const char *(*load)(struct json params);
  void (*answer)(struct json event, struct json context, struct outcome *outcome);
};

/* Serves until it is told to end. Returns the exit code. */
int serve(const struct model *model);

#endif
