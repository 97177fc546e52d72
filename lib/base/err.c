/* Errors as values: see err.h. */
#include "lib/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void start(struct err *e, enum status status)
{
	e->status = (int)status;
	e->line = e->column = e->row = 0;
	e->input[0] = e->field[0] = e->msg[0] = e->hint[0] = '\0';
}

/* Copies at most size - 1 bytes; never splits the terminator off. */
static void copy(char *dst, size_t size, const char *src, size_t n)
{
	if (n > size - 1)
		n = size - 1;
	if (n)
		memcpy(dst, src, n); /* src may be NULL then */
	dst[n] = '\0';
}

int err_set(struct err *e, enum status status, const char *fmt, ...)
{
	char msg[sizeof e->msg]; /* the arguments may point into *e */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	start(e, status);
	copy(e->msg, sizeof e->msg, msg, strlen(msg));
	return -e->status;
}

static enum status status_of(enum status status, int errnum)
{
	switch (errnum) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return ST_OSERR;
	case EPIPE:
		return ST_CLOSED;
	default:
		return status;
	}
}

int err_sys(struct err *e, enum status status, int errnum, const char *fmt, ...)
{
	char msg[sizeof e->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	return err_set(e, status_of(status, errnum), "%s: %s", msg, strerror(errnum));
}

int err_oom(struct err *e)
{
	return err_set(e, ST_OSERR, "out of memory");
}

int err_at(struct err *e, const char *input, int64_t line, int64_t column)
{
	copy(e->input, sizeof e->input, input, strlen(input));
	e->line = line;
	e->column = column;
	return -e->status;
}

int err_field(struct err *e, const char *name, int len)
{
	copy(e->field, sizeof e->field, name, len < 0 ? strlen(name) : (size_t)len);
	return -e->status;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof e->hint, fmt, ap);
	va_end(ap);
	return -e->status;
}
