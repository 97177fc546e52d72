/* The option table: one table gives parsing, --help, completion, the man page's OPTIONS, and what fanout needs to know.
 *
 * A tool's arguments are one struct that begins with `struct common`. Each option names a member by offset and a kind. Groups of
 * options shared by tools (common, input, output) are tables of their own. Options and operands may be mixed; `--` ends options;
 * long options may be abbreviated when unique; letters may be bundled. */
#ifndef STOOK_CLI_OPT_H
#define STOOK_CLI_OPT_H

#include "lib/format/format.h"

#include <stdatomic.h>

enum opt_kind {
	OPT_FLAG,     /* bool */
	OPT_STR,      /* const char *; the last one wins */
	OPT_LIST,     /* struct strv; may be repeated, in order */
	OPT_COUNT,    /* int64_t; 10k 1M */
	OPT_SIZE,     /* int64_t bytes; 512M 2G 25% (of memory or of the cgroup's limit) */
	OPT_DUR,      /* int64_t microseconds; 10s 5m */
	OPT_REAL,     /* double */
	OPT_CHOICE,   /* int: index into choices "a|b|c" */
	OPT_OPTSTR,   /* const char *: --name or --name=VALUE; "" when there is no value. With `choices` it is one of them, and may
			 also be the next argument, unless a file has that name (then ST_USAGE) */
};

/* What fanout may do with it. */
enum opt_role {
	ROLE_PLAIN,   /* travels with the stage */
	ROLE_READ,    /* how this stage's input is read: used here, where inputs are decoded */
	ROLE_WRITE,   /* how or where the stage's output is written: used here */
	ROLE_INFILE,  /* names a file that the stage reads besides its input: shipped */
	ROLE_OUTFILE, /* names a file that the stage writes besides its output: the stage runs here, or its parts are gathered */
	ROLE_LIMIT,   /* a limit on the whole: counted there, decided here */
	ROLE_LOCAL,   /* about this process: memory, threads, messages; set anew on hosts */
};

struct opt {
	char letter;           /* 0: none */
	const char *name;      /* long name */
	enum opt_kind kind;
	enum opt_role role;
	const char *arg;       /* how help names the argument; NULL for flags */
	size_t at;             /* offsetof(struct x_args, member) */
	const char *choices;   /* OPT_CHOICE, OPT_OPTSTR: "a|b|c" */
	const char *help;      /* one sentence, lower case, no full stop */
};

struct strv {
	int n;
	const char **v;
};

struct parsed_opt {
	const struct opt *opt;
	const char *value;     /* NULL for flags */
};

/* What is kept about a run besides its options; what it did is counted in lib/io/meter.h. */
struct run_state {
	const char *tool;
	int64_t started_us;    /* monotonic clock */
	struct out *stats;     /* --stats, open */
	struct progress *progress;
	atomic_int inputs, ended; /* inputs opened, and those of them that were read to their end, each on a thread of its own */
	atomic_bool draining;  /* cli_drain(), or the tool itself, judges at the end */
	bool pooled;           /* inputs are parsed by jobs of the tool's pool: reading ahead on another thread gains nothing */
	struct bad_log *bad;   /* NULL: bad records are errors */
};

/* The arguments every tool has. */
struct common {
	struct read_opts read;
	struct write_opts write;
	const char *on_bad;    /* --on-bad as given: skip|null|fail|side=FILE */
	const char *max_errors; /* --max-errors N or P% */
	const char *output;    /* -o */
	const char *compress;  /* --compress as given: gz|zst|...[:LEVEL] */
	int64_t memory;        /* -S, bytes */
	const char *tmpdir;    /* -T */
	int64_t threads;       /* -j; 0 = all */
	bool quiet, verbose, help, version;
	int errors;            /* --errors text|json */
	const char *stats;     /* --stats FILE */
	bool progress;         /* --progress */
	struct run_state *state; /* never NULL after opt_parse() */
	int noperands;
	char **operands;
	int nparsed;           /* every option in the order given, for fanout */
	struct parsed_opt *parsed;
	struct arena arena;    /* owns the lists above */
};

extern const struct opt opts_common[], opts_read[], opts_write[]; /* terminated by name = NULL */

/* How a stage of a pipeline may be spread over shards of its input (product.md section 8). */
enum share {
	SHARE_GATHER,   /* the whole input, in order, here */
	SHARE_RECORD,   /* each shard by itself; outputs one after another are the whole */
	SHARE_COMBINE,  /* each shard with `remote` added to its options; results merged here by `merge` */
};

struct share_plan {
	enum share how;
	const char *why;            /* SHARE_GATHER: the reason, for --explain */
	struct strv remote;         /* SHARE_COMBINE: options added on the shards, e.g. --partial */
	struct strv merge;          /* SHARE_COMBINE: options added here, e.g. --merge; operands are the shards' results in order */
	bool no_leading;            /* the operands that tool->leading counts are not there (map -f) */
	bool first_operand_only;    /* join: only the first file operand is the input that is cut; the others are shipped */
};

struct example {
	const char *command, *text;
};

struct tool {
	const char *name;           /* "sort": installed as stook-sort */
	const char *summary;        /* one line */
	const char *operands;       /* "[FILE]..." for the synopsis */
	const char *description;    /* mdoc text for the man page's DESCRIPTION, may span paragraphs */
	int (*describe)(struct buf *b); /* appends more mdoc to it (map: its functions), 0 or -1; NULL: nothing */
	int (*list)(struct buf *b); /* appends more to --help (reduce: its aggregates), 0 or -1; NULL: nothing */
	int leading;                /* operands before the files (map: 1, its program) */
	bool own_files;             /* standard output is not where it writes to */
	const struct opt *const *groups; /* NULL terminated; the tool's own first */
	size_t size;                /* of its argument struct */
	void (*defaults)(void *args);                         /* NULL: all zero */
	int (*check)(void *args, struct err *e);              /* validates options before the first byte; NULL: nothing */
	int (*run)(void *args, struct err *e);
	void (*release)(void *args);                          /* frees what check() made when run() is not called; NULL: nothing */
	void (*share)(const void *args, struct share_plan *ret); /* NULL: SHARE_GATHER */
	const struct example *examples; /* terminated by command = NULL */
};

/* Parses argv into args (zeroed, tool->size bytes, then defaults). ST_USAGE on anything unknown, with the nearest name or a list. */
int opt_parse(const struct tool *t, int argc, char **argv, void *args, struct err *e) nodiscard;
void opt_free(void *args);

int opt_help(const struct tool *t, struct buf *b);                  /* --help */
int opt_man(const struct tool *t, struct buf *b);                   /* the man page, mdoc */
int opt_complete(const struct tool *const *tools, struct buf *b);   /* bash completion for all */

/* SIZE, COUNT, DUR as on the command line. false: not one. */
bool parse_size(const char *s, int64_t *bytes);
bool parse_count(const char *s, int64_t *n);
bool parse_duration(const char *s, int64_t *us);

#endif
