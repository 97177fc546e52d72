/* JSON text (RFC 8259): scanning without building, decoding strings, writing values.
 *
 * Scanners validate completely: grammar, UTF-8, escapes with whole surrogate pairs, depth. They take a pointer into text that
 * ends with a newline, the sentinel that no token contains, and that has JSON_PAD readable bytes after it. Each returns the
 * byte after what it scanned, or NULL with *f filled. Stateless, thread safe. */
#ifndef STOOK_FORMAT_JSON_H
#define STOOK_FORMAT_JSON_H

#include "lib/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_PAD 32
#define JSON_DEPTH 512 /* arrays and objects within each other */

struct json_fault {
	const char *at;  /* the offending byte */
	const char *msg; /* lives for ever */
};

const char *json_fail(struct json_fault *f, const char *at, const char *msg); /* returns NULL */

/* Blanks and, before `limit`, line ends too. limit NULL: the text is one line. */
const char *json_blanks(const char *p, const char *limit);
const char *json_value(const char *p, const char *limit, struct json_fault *f);
const char *json_value_at(const char *p, const char *limit, int depth, struct json_fault *f); /* inside so many others */
const char *json_number(const char *p, struct json_fault *f);
const char *json_skip_string(const char *p, struct json_fault *f); /* p at the opening quote */

/* Copies the string at p (its opening quote), decoded, to *to, which has room for its raw length and 16 bytes more; *to then
 * points behind it. */
const char *json_decode(const char *p, char **to, struct json_fault *f);
/* The part of it after plain ASCII: decodes the escape or up to JSON_RUN UTF-8 sequences at p. For the record parser's fast
 * path. */
#define JSON_RUN 8
const char *json_decode_special(const char *p, char **to, struct json_fault *f);

/* Is s one JSON number, and nothing else? Needs no sentinel. */
bool json_is_number(struct str s);

/* Appends s as a JSON string; bytes that are not UTF-8 become U+FFFD. json_quote() of format.h is the same. */
int json_put_string(struct buf *b, struct str s);
/* Appends a number kept as text: as it is when JSON allows the spelling, else respelled with the same value and digits ("+1",
 * "007", ".5", "1."), else (nan, no number) as a string. */
int json_put_number(struct buf *b, struct str s);
/* Appends JSON text on one line (line ends between tokens become blanks); what is not JSON as a string. */
int json_put_json(struct buf *b, struct str s);

#endif
