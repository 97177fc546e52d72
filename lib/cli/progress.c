/* The progress line: see progress.h.
 *
 * Where several processes of one pipeline were asked for --progress, the terminal itself says whose line it is: the first to
 * lock it (a record lock, gone with its process) draws, the others try again with every tick. A process in the background draws
 * nothing. */
#include "lib/cli/progress.h"

#include "lib/base/clock.h"
#include "lib/io/meter.h"
#include "lib/io/term.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_US 1000000
#define TICK_US 100000
#define LINE_US 1000000   /* where stderr is no terminal */
#define SMOOTH_US 3000000 /* the rate is that of about so long */
#define PARTS 6

struct progress {
	char tool[32];
	bool terminal, owned, output_here;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t woken;
	bool stop;
	int64_t at, done; /* of the last tick: when, and bytes or rows */
	bool reading;
	double rate;
};

/* The parts of the line, in their order, and how dear each is: the dearest leave last. */
struct part {
	int worth;
	struct buf text;
};

/* Behind the point, for three in all. */
static int digits(double v)
{
	return v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
}

static int put_count(struct buf *b, int64_t n)
{
	static const char units[] = " kMGTPE";
	double v = (double)n;
	int unit = 0;

	if (n < 10000)
		return buf_printf(b, "%lld", (long long)n);
	for (; v >= 999.5 && units[unit + 1]; unit++)
		v /= 1000;
	return buf_printf(b, "%.*f%c", digits(v), v, units[unit]);
}

static int put_bytes(struct buf *b, int64_t n)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)n;
	int unit = 0;

	for (; v >= 999.5 && unit < 6; unit++)
		v /= 1000;
	return buf_printf(b, "%.*f %s", unit ? digits(v) : 0, v, units[unit]);
}

static int put_time(struct buf *b, double seconds)
{
	long long s = (long long)seconds + 1;

	if (s >= 360000)
		return buf_printf(b, "%lld days left", s / 86400);
	if (s >= 3600)
		return buf_printf(b, "%lld:%02lld:%02lld left", s / 3600, s / 60 % 60, s % 60);
	return buf_printf(b, "%lld:%02lld left", s / 60, s % 60);
}

static int put_bytes_read(struct buf *b, const struct progress_view *v)
{
	if (put_bytes(b, v->bytes))
		return -1;
	return v->expected < 0 ? 0 : buf_puts(b, " of ") || put_bytes(b, v->expected);
}

static int put_rows(struct buf *b, const struct progress_view *v)
{
	bool both = v->rows_out != v->rows_in && (v->rows_out || !v->reading);

	if (put_count(b, v->rows_in) || buf_puts(b, both ? " rows in" : " rows"))
		return -1;
	return both && (buf_puts(b, ", ") || put_count(b, v->rows_out) || buf_puts(b, " out")) ? -1 : 0;
}

static int put_rate(struct buf *b, const struct progress_view *v)
{
	if (v->rate <= 0)
		return 0;
	if (v->reading)
		return put_bytes(b, (int64_t)v->rate) || buf_puts(b, "/s") ? -1 : 0;
	return put_count(b, (int64_t)v->rate) || buf_puts(b, " rows/s") ? -1 : 0;
}

static int fill_parts(struct part *p, const struct progress_view *v)
{
	bool sized = v->reading && v->expected > 0;
	const char *doing = v->reading ? "reading" : v->rows_out ? "writing" : v->spilled ? "merging" : "working";
	double share = sized && v->bytes < v->expected ? (double)v->bytes / (double)v->expected : 1;
	int rc = buf_puts(&p[0].text, doing);

	p[0].worth = 2;
	p[1].worth = 6;
	if (sized)
		rc |= buf_printf(&p[1].text, "%d%%", (int)(share * 100));
	p[2].worth = 3;
	rc |= v->reading ? put_bytes_read(&p[2].text, v) : 0;
	p[3].worth = 4;
	rc |= put_rows(&p[3].text, v);
	p[4].worth = 1;
	rc |= put_rate(&p[4].text, v);
	p[5].worth = 5;
	if (sized && v->rate > 0 && v->bytes < v->expected)
		rc |= put_time(&p[5].text, (double)(v->expected - v->bytes) / v->rate);
	return rc;
}

static size_t joined(const struct part *p, struct buf *b)
{
	size_t n = 0;

	for (int i = 0; i < PARTS; i++) {
		if (!p[i].text.n)
			continue;
		if (b && ((n && buf_puts(b, ", ")) || buf_str(b, buf_view(&p[i].text))))
			return SIZE_MAX;
		n += p[i].text.n + (n ? 2 : 0);
	}
	return n;
}

static void drop_cheapest(struct part *p)
{
	struct part *least = NULL;

	for (int i = 0; i < PARTS; i++)
		if (p[i].text.n && (!least || p[i].worth < least->worth))
			least = &p[i];
	if (least)
		least->text.n = 0;
}

int progress_line(const struct progress_view *v, int width, struct buf *b)
{
	struct part p[PARTS] = { 0 };
	size_t head = strlen(v->tool) + 2, room = width > 0 ? (size_t)width : 0;
	int rc = fill_parts(p, v);

	while (joined(p, NULL) > room)
		drop_cheapest(p);
	if (joined(p, NULL) + head <= room)
		rc |= buf_printf(b, "%s: ", v->tool);
	rc |= joined(p, b) == SIZE_MAX;
	for (int i = 0; i < PARTS; i++)
		buf_free(&p[i].text);
	return rc ? -1 : 0;
}

/* The rate over the last seconds: each tick weighs as much as its time. */
static void measure(struct progress *p, const struct progress_view *v)
{
	int64_t now = clock_mono(), done = v->reading ? v->bytes : v->rows_out, passed = now - p->at;
	double here = passed > 0 ? (double)(done - p->done) * 1e6 / (double)passed : 0;
	double weight = passed < SMOOTH_US ? (double)passed / SMOOTH_US : 1;

	if (p->at && v->reading == p->reading && passed > 0)
		p->rate = p->rate > 0 ? p->rate + (here - p->rate) * weight : here;
	else
		p->rate = 0;
	p->reading = v->reading;
	p->at = now;
	p->done = done;
}

static struct progress_view look(struct progress *p)
{
	struct progress_view v = {
		.tool = p->tool, .bytes = meter_get(&meter.bytes_in), .expected = meter_get(&meter.unknown) ? -1 : meter_get(&meter.expected),
		.rows_in = meter_get(&meter.rows_in), .rows_out = meter_get(&meter.rows_out),
		.reading = meter_get(&meter.ended) < meter_get(&meter.opened), .spilled = meter_get(&meter.spills) > 0,
	};

	measure(p, &v);
	v.rate = p->rate;
	return v;
}

/* Is the terminal ours to draw on? */
static bool own_terminal(struct progress *p)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (tcgetpgrp(2) != getpgrp())
		return false;
	if (!p->owned)
		p->owned = fcntl(2, F_SETLK, &lock) == 0 || (errno != EACCES && errno != EAGAIN);
	return p->owned;
}

static void draw(struct progress *p)
{
	cleanup_buf struct buf b = { 0 };
	struct progress_view v = look(p);

	if (progress_line(&v, p->terminal ? term_columns(2) - 1 : 200, &b))
		return;
	if (!p->terminal) {
		if (buf_byte(&b, '\n') == 0)
			term_err(buf_view(&b));
	} else if (own_terminal(p)) {
		term_status(buf_view(&b));
	}
}

/* Waits until then, or until the end is near: true. */
static bool wait_until(struct progress *p, int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	while (!p->stop && clock_mono() < us)
		pthread_cond_timedwait(&p->woken, &p->mutex, &t);
	return p->stop;
}

static void *show(void *arg)
{
	struct progress *p = arg;
	int64_t every = p->terminal ? TICK_US : LINE_US, next = clock_mono() + FIRST_US;

	pthread_mutex_lock(&p->mutex);
	(void)look(p);
	for (; !wait_until(p, next); next = clock_mono() + every)
		draw(p);
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

static bool to_file(const struct common *c)
{
	struct stat st;

	if (c->output)
		return true;
	return fstat(1, &st) == 0 && (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && !term_is(1)));
}

static bool wanted(const struct common *c, bool terminal)
{
	return !c->quiet && (c->progress || (terminal && (to_file(c) || term_is(1))));
}

static void start(struct progress *p)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->woken, &attr);
	pthread_condattr_destroy(&attr);
}

static void end(struct progress *p)
{
	pthread_cond_destroy(&p->woken);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

void progress_start(const struct common *c)
{
	bool terminal = term_can_erase(2);
	struct progress *p;

	if (c->state->progress || !wanted(c, terminal) || !(p = calloc(1, sizeof *p)))
		return;
	(void)snprintf(p->tool, sizeof p->tool, "stook-%s", c->state->tool);
	p->terminal = terminal;
	p->output_here = !to_file(c) && term_is(1);
	start(p);
	if (pthread_create(&p->thread, NULL, show, p))
		end(p);
	else
		c->state->progress = p;
}

void progress_output(const struct common *c)
{
	struct progress *p = c->state->progress;

	if (!p || !p->output_here)
		return;
	c->state->progress = NULL;
	progress_stop(p);
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_signal(&p->woken);
	pthread_mutex_unlock(&p->mutex);
	pthread_join(p->thread, NULL);
	if (p->terminal)
		term_status((struct str){ "", 0 });
	end(p);
}
