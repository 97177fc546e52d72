/* Letters: Unicode's simple case mappings, one code point to one, the same in every locale, and which code points make up
 * words. */
#ifndef STOOK_BASE_LETTERS_H
#define STOOK_BASE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Simple_Lowercase_Mapping and Simple_Uppercase_Mapping; c itself where there is none. */
uint32_t letter_lower(uint32_t c);
uint32_t letter_upper(uint32_t c);

/* Unicode's simple case folding: equal for letters that differ in case only (no Turkish i). */
uint32_t letter_fold(uint32_t c);

/* A letter, mark, number (categories L, M, N) or _. */
bool letter_in_word(uint32_t c);

#endif
