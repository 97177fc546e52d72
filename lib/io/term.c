/* The terminal: see term.h. Text is shown as it is, character by character, except what a terminal would obey instead of
 * showing: that is written as an escape in plain ASCII. */
#include "lib/io/term.h"

#include "lib/base/utf8.h"
#include "lib/io/fd.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Controls, line and paragraph separators, marks and overrides of writing direction, the byte order mark, interlinear marks. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

static size_t plain_ascii(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

/* One character or bad byte at s: appended, its bytes counted in *len. Returns its cells, or -1. */
static int put_one(struct buf *b, struct str s, size_t *len)
{
	uint32_t c = utf8_decode(s.p, s.n, len);
	size_t before = b->n;
	int rc;

	if (c == UTF8_BAD || c < 0x80)
		rc = buf_printf(b, "\\x%02x", (unsigned)(unsigned char)*s.p);
	else if (is_unsafe(c))
		rc = buf_printf(b, "\\u{%04X}", (unsigned)c);
	else
		return buf_add(b, s.p, *len) ? -1 : term_cells(c);
	return rc ? -1 : (int)(b->n - before);
}

int term_safe_fit(struct buf *b, struct str s, int most, int *cells, size_t *used)
{
	size_t i = 0, len, start = b->n;
	int n = 0, c;

	while (i < s.n) {
		size_t run = plain_ascii(s.p + i, s.n - i);

		if (run > (size_t)(most - n))
			run = (size_t)(most - n);
		if (buf_add(b, s.p + i, run))
			return -1;
		i += run;
		n += (int)run;
		if (i == s.n || (n == most && plain_ascii(s.p + i, 1)))
			break;
		start = b->n;
		c = put_one(b, str_from(s, i), &len);
		if (c < 0)
			return -1;
		if (c > most - n) {
			b->n = start;
			break;
		}
		n += c;
		i += len;
	}
	*cells = n;
	*used = i;
	return 0;
}

int term_safe_width(struct buf *b, struct str s, int *cells)
{
	size_t used;

	return term_safe_fit(b, s, INT32_MAX, cells, &used);
}

int term_safe(struct buf *b, struct str s)
{
	int cells;

	return term_safe_width(b, s, &cells);
}

int term_columns(int fd)
{
	const char *env = getenv("COLUMNS");
	struct winsize w;
	long n = env ? strtol(env, NULL, 10) : 0;

	if (n > 0 && n <= 100000)
		return (int)n;
	return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

bool term_is(int fd)
{
	return isatty(fd) == 1;
}

bool term_utf8(int fd)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *v = NULL;

	for (int i = 0; i < 3 && !(v && *v); i++)
		v = getenv(names[i]);
	return !term_is(fd) || (v && (strcasestr(v, "utf-8") || strcasestr(v, "utf8")));
}

bool term_can_erase(int fd)
{
	const char *term = getenv("TERM");

	return term_is(fd) && term && *term && strcmp(term, "dumb") != 0;
}

bool term_colour(int fd)
{
	const char *no = getenv("NO_COLOR");

	return term_can_erase(fd) && !(no && *no);
}

#define ERASE "\r\x1b[K"

/* The terminal is one, whoever in this process writes to it. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static bool status_stands;

/* `before` and s in one call, so that no other process gets between. */
static void write_both(const char *before, struct str s)
{
	struct iovec v[] = { { (void *)(uintptr_t)before, strlen(before) }, { (void *)(uintptr_t)s.p, s.n } };

	if (fd_writev(2, v, 2))
		return; /* nowhere to report it */
}

void term_status(struct str line)
{
	pthread_mutex_lock(&writing);
	if (line.n || status_stands)
		write_both(ERASE, line);
	status_stands = line.n > 0;
	pthread_mutex_unlock(&writing);
}

void term_err(struct str s)
{
	pthread_mutex_lock(&writing);
	write_both(status_stands ? ERASE : "", s);
	status_stands = false;
	pthread_mutex_unlock(&writing);
}
