/* Joins of two sources.
 *
 * Output order is defined: left order, for each left row its matches in right order; right rows without a match last, in right
 * order. A null in a key equals nothing. Columns: those of the left, then those of the right that are not keys (with `any`: all).
 *
 * The right source is read whole into a table in memory (the build side), the left one streams past it (the probe side). When
 * the right one outgrows `memory`, both are cut into partitions on disk by the hash of the key, each is joined by itself, and
 * the order comes back by merging on row numbers. When both inputs claim to be sorted by the keys, they are merged instead,
 * and the claim is verified. The result is the same. */
#ifndef STOOK_OP_JOINER_H
#define STOOK_OP_JOINER_H

#include "lib/table/key.h"
#include "lib/table/stream.h"

enum join_kind {
	JOIN_INNER, /* pairs that match */
	JOIN_LEFT,  /* and left rows without a match, the right columns null */
	JOIN_RIGHT, /* pairs, and right rows without a match */
	JOIN_FULL,  /* both */
	JOIN_SEMI,  /* left rows that have a match, once, left columns only */
	JOIN_ANTI,  /* left rows that have none */
	JOIN_CROSS, /* every pair; no keys */
};

/* How many matches a row may have; violated: ST_DATA naming the key and both places. */
enum join_expect {
	EXPECT_ANY,
	EXPECT_M1 = 1,  /* a left row has at most one match */
	EXPECT_1M = 2,  /* a right row has at most one match */
	EXPECT_11 = 3,
};

/* As-of join: for each left row the one right row of the same key whose time is nearest. */
struct join_asof {
	struct key_part left, right; /* the field of each side; KEY_AUTO: numbers in numeric columns, else times */
	enum asof_direction {
		ASOF_BACKWARD, /* the last right row that is not after the left one; of equal times the last */
		ASOF_FORWARD,  /* the first that is not before; of equal times the first */
		ASOF_NEAREST,  /* the closer of both; equally close: the one before */
	} direction;
	struct str tolerance;    /* as given; n = 0: any distance will do */
	int64_t tolerance_us;    /* the same as a duration, < 0: it is none */
};

struct join_opts {
	enum join_kind kind;
	const struct key_spec *left, *right; /* part by part; borrowed during join_open() */
	bool any;            /* right has one part, and a pair matches when any of the left's parts equals it */
	int (*normalize)(struct str text, struct buf *b); /* applied to key text before it is compared: appends, 0 or -1; NULL: none */
	const char *suffix;  /* for right columns whose name the left has too; NULL: _2, _3, ... whichever is free */
	enum on_bad on_bad;  /* keys that cannot be read */
	enum join_expect expect;
	const struct join_asof *asof; /* NULL: no; borrowed during join_open(). Kinds: inner, left, semi, anti; keys may be missing */
	int threads;         /* 0: one */
	bool (*ready)(struct source *left); /* would its next() give at once? NULL: never known, so it is read one batch at a time */
	int64_t memory;      /* bytes to work in; 0: no limit */
	const char *tmpdir;  /* for what does not fit; NULL: $TMPDIR */
};

/* PAIR lists of product.md section 4, "a=b,c,d:num": FIELD[=FIELD][:MOD]. Modifiers stand at the end of a pair and apply to both
 * sides; those that order (desc, nullsfirst) are ST_USAGE. Specs are allocated in `a`. */
int join_pairs(struct str text, struct arena *a, struct key_spec *left, struct key_spec *right, struct err *e) nodiscard;

/* "url,redirected_url=url[:MOD]": any of the left fields against the right one. */
int join_any(struct str text, struct arena *a, struct key_spec *left, struct key_spec *right, struct err *e) nodiscard;

/* "time[=FIELD][:backward|forward|nearest][:time|num][,tolerance=AMOUNT]". tolerance_us is left to the caller. */
int join_asof_parse(struct str text, struct arena *a, struct join_asof *ret, struct err *e) nodiscard;

/* Takes both sources, also when it fails. The right one is read at the first next() and closed. */
int join_open(struct source *left, struct source *right, const struct join_opts *o, struct source **ret, struct err *e) nodiscard;

#endif
