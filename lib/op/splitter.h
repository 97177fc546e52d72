/* One stream into many files. Every record goes to exactly one part; records keep their order in it. All files appear together at
 * the end, or none. */
#ifndef STOOK_OP_SPLITTER_H
#define STOOK_OP_SPLITTER_H

#include "lib/format/format.h"
#include "lib/table/key.h"

enum split_mode {
	SPLIT_PARTS,   /* n parts: placement_hash(by) mod n; without `by` the record's number mod n */
	SPLIT_ROWS,    /* so many consecutive records a part */
	SPLIT_BYTES,   /* consecutive records of so many bytes of text a part */
	SPLIT_WEIGHTS, /* named parts: where hash / 2^64 falls among the weights; without `by` the hash is of the record's number */
	SPLIT_VALUE,   /* a part for each value of a column */
	SPLIT_SAMPLE,  /* two named parts: exactly n records, of each class of `by` if it is given, and the others */
	SPLIT_STRATA,  /* two named parts: a share of each class of `by`, exact but for one record, and the others */
};

struct split_weight {
	struct str name;
	double weight;
};

struct split_opts {
	enum split_mode mode;
	int64_t n;                          /* SPLIT_PARTS: parts; SPLIT_ROWS, SPLIT_SAMPLE: records; SPLIT_BYTES: bytes */
	double share;                       /* SPLIT_STRATA: 0 .. 1 */
	const struct key_spec *by;          /* n = 0: the record's number; SPLIT_VALUE: the column */
	const char *key_option;             /* the option that gave it: "--by" */
	const char *mode_text, *by_text;    /* for the manifest; by_text may be NULL */
	const struct split_weight *weights; /* nweights of them, finite, not negative, not all 0; names of all other named parts */
	int nweights;
	uint64_t seed;
	const char *pattern;                /* "data/{}.csv"; {} is replaced by the part's number or name */
	bool commands;                      /* the pattern is a shell command that is fed */
	const char *manifest;               /* written last; NULL: none */
	const struct write_opts *write;
	enum on_bad on_bad;
	int64_t memory;                     /* to work in; 0: no limit */
	const char *tmpdir;                 /* NULL: $TMPDIR */
	int threads;
	struct pool *pool;                  /* of so many threads; borrowed */
	int (*judge)(const void *arg, struct err *e); /* when every row has its part and before a file appears: may fail it. NULL: none */
	const void *judge_arg;
};

/* "train=0.8,test=0.2": names and weights in order, allocated in `a`. */
int split_weights(struct str text, struct arena *a, struct split_weight **ret, int *n, struct err *e) nodiscard;

/* Reads all of `from` (not closed) and writes the files. */
int split_all(struct source *from, const struct split_opts *o, struct err *e) nodiscard;

/* Appends `value` made safe as part of a file name: letters, digits, bytes from 80 hex and . _ - + , = @ stay (a leading dot does
 * not), others become %XX; "" is %empty; what is longer than 150 bytes is cut, and %~ and its hash follow. 0 or -1. */
int split_name(struct str value, struct buf *b);

#endif
