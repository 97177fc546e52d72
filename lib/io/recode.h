/* Text in another encoding made UTF-8, a piece at a time (iconv). */
#ifndef STOOK_IO_RECODE_H
#define STOOK_IO_RECODE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct recode;

/* ST_USAGE when the system does not know the encoding. */
int recode_open(struct recode **ret, const char *encoding, struct err *e) nodiscard;
void recode_close(struct recode *r); /* NULL is fine */

/* Takes n bytes in; converts what is complete. At the end of the input call it with n = 0 and `end`. ST_DATA on bytes that are
 * not of the encoding; the message names their offset. */
int recode_put(struct recode *r, const void *p, size_t n, bool end, struct err *e) nodiscard;

/* Moves up to n converted bytes to p; 0 when there are none. */
size_t recode_get(struct recode *r, void *p, size_t n);

#endif
