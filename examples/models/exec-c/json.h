/* Looks values up in JSON where it lies. Nothing is parsed as a whole, copied or allocated. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A stretch of JSON: its first byte, and the one after its last. */
struct json {
  const char *start, *end;
};

/*
 * All of these answer false when what they look for is not there, or is of another type. They expect
 * valid JSON, which edgeboot sends; whatever they get, they read no byte beyond its end.
 */

/*
 * The value of a key of an object itself, not of an object in it. Of a key that is there twice it is
 * the first. Keys are compared by their bytes: one that is written with an escape is not found.
 */
bool json_member(struct json object, const char *key, struct json *value);

/* Enters an array: `rest` is for json_next. */
bool json_array(struct json value, struct json *rest);

/* The next element of an array, while there is one. */
bool json_next(struct json *rest, struct json *element);

/* A number, of at most 127 characters, and within the range of a double. */
bool json_number(struct json value, double *number);

#endif
