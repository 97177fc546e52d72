/* Errors as values.
 *
 * Every function that can fail returns 0 or a negative status and takes a `struct err *` last, which it fills exactly when it
 * fails. The caller owns the struct; nothing in it is allocated. Library code never prints and never exits: lib/cli turns an
 * err into one line (or one JSON object) and main() turns its status into the exit status.
 *
 *     if ((rc = thing(..., e)) < 0)
 *             return rc;
 *     return err_set(e, ST_DATA, "field \"%.*s\" ...", ...);
 */
#ifndef STOOK_BASE_ERR_H
#define STOOK_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

/* Exit statuses (sysexits where one fits; product.md section 4). */
enum status {
	ST_OK = 0,
	ST_NO = 1,          /* the answer is "no" */
	ST_USAGE = 64,      /* wrong option, field, format, program */
	ST_DATA = 65,       /* bad data */
	ST_NOINPUT = 66,    /* an input does not exist or cannot be opened */
	ST_UNAVAIL = 69,    /* no host or helper reachable */
	ST_BUG = 70,
	ST_OSERR = 71,      /* out of memory or descriptors */
	ST_CANTCREAT = 73,  /* an output cannot be created */
	ST_IO = 74,         /* reading or writing failed */
	ST_PARTIAL = 75,    /* partial result, a retry makes sense */
	ST_STREAM = 76,     /* the input ended early or is not a valid stream */
	ST_PERM = 77,       /* permission or host key */
	ST_CLOSED = 256,    /* internal: our reader closed early; main() exits 0 in silence */
};

#define nodiscard __attribute__((warn_unused_result))
#define printf_like(a, b) __attribute__((format(printf, a, b)))

/* One error. `input` is the name of the file or stream the error lies in ("" = none), `line` and `column` count from 1 (0 =
 * unknown; the column counts bytes), `row` counts data records from 1 (0 = unknown), `field` is the field's name ("" = none),
 * `hint` is what to do about it ("" = nothing to add). */
struct err {
	int status;
	int64_t line, column, row;
	char input[256], field[128];
	char msg[1024], hint[256];
};

/* Fills *e (all places cleared) and returns -status, so that it can be the operand of `return`. */
int err_set(struct err *e, enum status status, const char *fmt, ...) printf_like(3, 4);

/* The same with ": strerror(errnum)" appended. ENOMEM, EMFILE and ENFILE become ST_OSERR whatever `status` says, EPIPE becomes
 * ST_CLOSED. */
int err_sys(struct err *e, enum status status, int errnum, const char *fmt, ...) printf_like(4, 5);

/* Out of memory. */
int err_oom(struct err *e);

/* Adds places to an error that has been set; each returns -e->status. Text longer than the field is cut. */
int err_at(struct err *e, const char *input, int64_t line, int64_t column);
int err_field(struct err *e, const char *name, int len);
int err_hint(struct err *e, const char *fmt, ...) printf_like(2, 3);

#endif
