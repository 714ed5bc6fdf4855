#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool ends_literal(char c) {
  return is_space(c) || c == ',' || c == ':' || c == ']' || c == '}';
}

static void skip_space(struct json *rest) {
  while (rest->start < rest->end && is_space(*rest->start)) rest->start++;
}

static bool take(struct json *rest, char wanted) {
  skip_space(rest);
  if (rest->start == rest->end || *rest->start != wanted) return false;
  rest->start++;
  return true;
}

/* Where the string ends that begins at `at`; NULL when it does not. */
static const char *after_string(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++) {
    if (*at == '\\' && ++at == end) return NULL;
  }
  return at < end ? at + 1 : NULL;
}

/* Counts brackets instead of calling itself: no nesting is too deep for it. */
static bool take_value(struct json *rest, struct json *value) {
  skip_space(rest);
  const char *at = rest->start;
  size_t depth = 0;
  do {
    if (at == rest->end) return false;
    if (*at == '"') {
      at = after_string(at, rest->end);
      if (at == NULL) return false;
    } else if (*at == '{' || *at == '[') {
      depth++;
      at++;
    } else if (*at == '}' || *at == ']') {
      if (depth == 0) return false;
      depth--;
      at++;
    } else if (depth > 0) {
      at++;
    } else {
      while (at < rest->end && !ends_literal(*at)) at++;
    }
  } while (depth > 0);
  if (at == rest->start) return false;
  *value = (struct json){rest->start, at};
  rest->start = at;
  return true;
}

static bool is_string(struct json text, const char *wanted) {
  size_t bytes = strlen(wanted);
  return (size_t)(text.end - text.start) == bytes + 2 && *text.start == '"' &&
         memcmp(text.start + 1, wanted, bytes) == 0;
}

bool json_member(struct json object, const char *key, struct json *value) {
  if (!take(&object, '{')) return false;
  struct json name;
  do {
    if (!take_value(&object, &name) || !take(&object, ':') || !take_value(&object, value)) {
      return false;
    }
    if (is_string(name, key)) return true;
  } while (take(&object, ','));
  return false;
}

bool json_array(struct json value, struct json *rest) {
  *rest = value;
  return take(rest, '[');
}

bool json_next(struct json *rest, struct json *element) {
  if (!take_value(rest, element)) return false;
  take(rest, ',');
  return true;
}

bool json_number(struct json value, double *number) {
  /* strtod wants a string that ends, and takes more than JSON does: " 1", "0x1p3", "inf". */
  char digits[128] = "";
  size_t bytes = (size_t)(value.end - value.start);
  if (bytes == 0 || bytes >= sizeof digits) return false;
  memcpy(digits, value.start, bytes);
  if (strspn(digits, "+-.0123456789Ee") != bytes || strchr("-0123456789", *digits) == NULL) {
    return false;
  }
  char *end;
  *number = strtod(digits, &end);
  return end == digits + bytes && isfinite(*number);
}
