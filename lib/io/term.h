/* The terminal: what may be shown on it, and how wide it is. Control bytes from data, names or hosts never reach it raw. */
#ifndef STOOK_IO_TERM_H
#define STOOK_IO_TERM_H

#include "lib/base/buf.h"

/* Appends s with control bytes, DEL, C1 controls, invalid UTF-8, bidi overrides and line separators written as \xNN or
 * \u{NNNN}. 0 or -1. */
int term_safe(struct buf *b, struct str s);

/* The same, with the number of terminal cells the text takes (wide characters count 2, combining 0). */
int term_safe_width(struct buf *b, struct str s, int *cells);

/* As much of s as fits into `most` cells; *used counts the bytes of s that were taken. */
int term_safe_fit(struct buf *b, struct str s, int most, int *cells, size_t *used);

int term_cells(uint32_t c); /* of one character that is no control: 0 combining, 1, 2 wide */

int term_columns(int fd);   /* width in cells; $COLUMNS, else the window's, else 80 */
bool term_is(int fd);
bool term_utf8(int fd);     /* no terminal, or one whose locale is of UTF-8 */
bool term_can_erase(int fd); /* a terminal, TERM set and not dumb */
bool term_colour(int fd);   /* a terminal, NO_COLOR unset, TERM set and not dumb */

/* A line that stands on the terminal, stderr, until the next one takes its place; empty: none. Plain text that fits. */
void term_status(struct str line);

/* Writes the whole text to stderr, after taking the status line away, retrying; errors are ignored (there is nowhere to report them). */
void term_err(struct str s);

#endif
