/* What pictures in SVG share: text and numbers in XML. */
#ifndef STOOK_OP_SVG_H
#define STOOK_OP_SVG_H

#include "lib/base/buf.h"

#include <stddef.h>

#define SVG_CHAR_EM 0.58 /* mean width of a character of a sans-serif font */

/* Characters of s. */
size_t svg_chars(struct str s);

/* Appends text for XML: what a terminal may not see is escaped first, then the characters XML reserves. At most `max` characters,
 * the last of them an ellipsis when there are more. 0 or -1. */
int svg_text(struct buf *b, struct str s, size_t max);

#endif
