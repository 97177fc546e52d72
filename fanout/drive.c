/* The loop: events from hosts, cutter, merger and signals go into the scheduler, its actions come out and are done. Invariants: a
 * shard's memory lives from the cutter until it is settled; a try's spool belongs to the merger from the moment it counts; no data
 * is sent before every host that answered within GATE_MS has shown the right key. */
#include "fanout/drive.h"

#include "fanout/host.h"
#include "fanout/merge.h"
#include "fanout/pack.h"
#include "fanout/report.h"
#include "fanout/sched.h"
#include "fanout/spawn.h"
#include "lib/io/fd.h"
#include "lib/io/in.h"
#include "lib/io/name.h"
#include "lib/io/term.h"
#include "lib/io/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define GATE_MS 3000
#define TURN_MS 200
#define SLOTS_MOST 64
#define RESULTS_AHEAD 512 /* results that wait for an earlier one, before the input is read on */

struct run {
	const struct plan *plan;
	const struct drive_opts *o;
	struct host *hosts;
	bool *told;               /* the scheduler knows that the host is up */
	struct sched *sched;
	struct cutter *cutter;
	struct merger *merger;
	struct shard **open;      /* shards that are not settled */
	int nopen, open_cap;
	struct notes notes;
	int wake, signals, pack; /* pack: the packed files, -1: none */
	int64_t now, began;
	int slots;                /* of all hosts */
	bool gate, input_end, merger_told;
	int64_t nshards;
	struct failure input_failure;
	struct failure fatal;     /* ends the run now */
	int signal;
	struct pollfd *polls;
};

static void fatal(struct run *r, const struct err *e)
{
	if (!r->fatal.e.status)
		failure_set(&r->fatal, "fanout", e);
}

static void fatal_oom(struct run *r)
{
	struct err e;

	err_oom(&e);
	fatal(r, &e);
}

/* ---- shards ---- */

static struct shard *find_shard(const struct run *r, int64_t index)
{
	for (int i = 0; i < r->nopen; i++)
		if (r->open[i]->index == index)
			return r->open[i];
	return NULL;
}

static int add_shard(struct run *r, struct shard *s)
{
	if (r->nopen == r->open_cap) {
		int cap = r->open_cap ? 2 * r->open_cap : 32;
		struct shard **more = realloc(r->open, (size_t)cap * sizeof(struct shard *));

		if (!more)
			return -1;
		r->open = more;
		r->open_cap = cap;
	}
	r->open[r->nopen++] = s;
	return 0;
}

static void drop_shard(struct run *r, int64_t index)
{
	for (int i = 0; i < r->nopen; i++)
		if (r->open[i]->index == index) {
			shard_free(r->open[i]);
			r->open[i] = r->open[--r->nopen];
			return;
		}
}

static bool room_for_shard(struct run *r)
{
	int64_t window = 2 * (int64_t)(r->slots > 0 ? r->slots : 1) + 2;

	return r->gate && !r->input_end && sched_open(r->sched) < window && merger_waiting(r->merger) < RESULTS_AHEAD;
}

static void take_shards(struct run *r)
{
	while (room_for_shard(r)) {
		struct shard *s;
		struct err e = { 0 };
		bool end;

		cutter_take(r->cutter, &s, &end, &e);
		if (end) {
			r->input_end = true;
			r->nshards = sched_shards(r->sched);
			if (e.status)
				failure_set(&r->input_failure, r->plan->stages[0].words.v[0], &e);
			if (sched_input_end(r->sched, r->now))
				fatal_oom(r);
			return;
		}
		if (!s)
			return;
		if (add_shard(r, s)) {
			shard_free(s);
			fatal_oom(r);
			return;
		}
		if (sched_shard(r->sched, r->now))
			fatal_oom(r);
	}
}

/* ---- what the scheduler wants ---- */

/* The stages of a task with the memory that each may use on that host. */
static int task_for(const struct run *r, const struct host *h, struct arena *a, struct wire_task *ret)
{
	int64_t share = r->o->executor->remote ? 1 : r->o->nhosts, slots = r->slots > 0 && r->o->executor->remote ? r->slots / r->o->nhosts : 1;
	int64_t total = r->o->memory ? r->o->memory : (int64_t)(h->hello.memory / 2);
	int64_t each = total / share / (slots > 0 ? slots : 1) / r->plan->task.n;
	char *memory = arena_printf(a, "--memory=%lld", (long long)(each > (16 << 20) ? each : 16 << 20));

	*ret = r->plan->task;
	for (int i = 0; i < ret->n && memory; i++) {
		const struct wire_stage *st = &r->plan->task.stages[i];
		char **v = arena_array(a, char *, (size_t)st->argc + 2);

		if (!v)
			return -1;
		v[0] = st->argv[0];
		v[1] = memory;
		memcpy(v + 2, st->argv + 1, (size_t)(st->argc - 1) * sizeof *v);
		ret->stages[i] = (struct wire_stage){ st->argc + 1, v };
	}
	return memory ? 0 : -1;
}

static void start_shard(struct run *r, int host, int64_t index)
{
	struct shard *s = find_shard(r, index);
	struct host *h = &r->hosts[host];
	cleanup_arena struct arena a = { 0 };
	struct wire_task task;
	struct err e = { 0 };

	if (notes_start(&r->notes, index, s->rows) || task_for(r, h, &a, &task))
		fatal_oom(r);
	else if (try_start(h, &task, s, r->o->tmpdir, r->now, &e) < 0)
		fatal(r, &e);
}

static void cancel_try(struct run *r, int host, int64_t index)
{
	struct host *h = &r->hosts[host];
	struct try *t = try_of(h, index);

	if (!t)
		return;
	t->cancelled = true;
	t->shard = NULL;
	if (wire_put(&h->out, W_CANCEL, 0, t->id, NULL, 0))
		fatal_oom(r);
}

static void settle(struct run *r, int host, int64_t index, const struct failure *why)
{
	struct host *h = &r->hosts[host];
	struct try *t = try_of(h, index);

	if (merger_put(r->merger, index, t->spool, why))
		fatal_oom(r);
	t->spool = -1;
	t->cancelled = true; /* its shard goes now; it is freed by who called */
	t->shard = NULL;
	if (!why) {
		notes_commit(&r->notes, index, host);
		h->done++;
	}
	drop_shard(r, index);
}

static void give_up(struct run *r);
static void lose_host(struct run *r, int host, const struct failure *why, bool tell_sched);

static void act(struct run *r, const struct action *a, const struct failure *why)
{
	struct failure aside;
	struct err e;

	switch (a->act) {
	case ACT_START:
		start_shard(r, a->host, a->shard);
		break;
	case ACT_CANCEL:
		cancel_try(r, a->host, a->shard);
		break;
	case ACT_COMMIT:
		settle(r, a->host, a->shard, NULL);
		break;
	case ACT_FAILED:
		settle(r, a->host, a->shard, why);
		break;
	case ACT_SET_ASIDE:
		err_set(&e, ST_PARTIAL, "it failed several shards; the last one: %.800s", why ? why->e.msg : "");
		failure_set(&aside, "fanout", &e);
		lose_host(r, a->host, &aside, false);
		break;
	case ACT_GIVE_UP:
		give_up(r);
		break;
	}
}

/* `why`: the failure that the event was about, if it was one. */
static void act_all(struct run *r, const struct failure *why)
{
	struct action a;

	while (!r->fatal.e.status && sched_next(r->sched, &a))
		act(r, &a, why);
}

/* ---- hosts that are lost ---- */

static void say(const struct run *r, const char *host, const struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (r->o->quiet || buf_puts(&b, "fanout: ") || term_safe(&b, str_of(host)) || buf_puts(&b, ": ") || term_safe(&b, str_of(e->msg)) ||
	    (e->hint[0] && (buf_puts(&b, " (") || term_safe(&b, str_of(e->hint)) || buf_byte(&b, ')'))) || buf_byte(&b, '\n'))
		return;
	term_err(buf_view(&b));
}

static bool is_over(const struct host *h)
{
	return h->state == HOST_LOST || h->state == HOST_UNUSABLE;
}

static void lose_host(struct run *r, int host, const struct failure *why, bool tell_sched)
{
	struct host *h = &r->hosts[host];

	if (is_over(h))
		return;
	h->state = h->state == HOST_READY ? HOST_LOST : HOST_UNUSABLE;
	h->why = *why;
	reach_hang_up(h->reach);
	while (h->tries)
		try_free(h, h->tries);
	say(r, h->name, &why->e);
	if (tell_sched && sched_host_lost(r->sched, host, r->now))
		fatal_oom(r);
}

static void host_ended(struct run *r, int host)
{
	struct host *h = &r->hosts[host];
	struct failure why;
	struct err e = { 0 };

	h->reach->x->why(h->reach, &e);
	failure_set(&why, "fanout", &e);
	lose_host(r, host, &why, true);
	if (e.status == ST_PERM && strstr(e.msg, "host key")) { /* nobody may answer in another's name: the whole run stops */
		char msg[sizeof e.msg];

		memcpy(msg, e.msg, sizeof msg);
		snprintf(e.msg, sizeof e.msg, "%.200s: %.800s", h->name, msg);
		fatal(r, &e);
	}
}

static void lose_because(struct run *r, int host, enum status status, const char *text)
{
	struct failure why;
	struct err e;

	err_set(&e, status, "%s", text);
	failure_set(&why, "fanout", &e);
	lose_host(r, host, &why, true);
}

/* No host is left. 69 when none was ever usable (77 when each refused the login), 75 when results are missing. */
static void give_up(struct run *r)
{
	bool used = false, refused = true;
	struct err e;

	for (int i = 0; i < r->o->nhosts; i++) {
		used |= r->hosts[i].state == HOST_LOST;
		refused &= r->hosts[i].why.e.status == ST_PERM;
	}
	if (used)
		err_set(&e, ST_PARTIAL, "all hosts were lost; %lld shard%s not done, and input may be unread", (long long)sched_open(r->sched),
			sched_open(r->sched) == 1 ? " was" : "s were");
	else if (refused)
		err_set(&e, ST_PERM, "no host let us in");
	else
		err_set(&e, ST_UNAVAIL, "no host could be used");
	fatal(r, &e);
}

/* ---- frames ---- */

static void host_is_ready(struct run *r, int host)
{
	r->hosts[host].state = HOST_READY;
}

static int send_pack(struct run *r, struct host *h)
{
	char part[WIRE_CHUNK];

	while (h->state == HOST_GREETED && h->pack_at >= 0 && h->out.n - h->out_at < 8 * WIRE_CHUNK) {
		ssize_t k = pread(r->pack, part, sizeof part, h->pack_at);

		if (k < 0 || wire_put(&h->out, W_PACK, 0, 0, part, (size_t)k))
			return -1;
		h->pack_at = k ? h->pack_at + k : -1;
	}
	return 0;
}

static void greeted(struct run *r, int host, const struct frame *f)
{
	struct host *h = &r->hosts[host];

	if (h->state != HOST_REACHING || wire_get_hello(f->body, &h->hello)) {
		lose_because(r, host, ST_PARTIAL, "it does not speak this version's protocol");
		return;
	}
	h->state = HOST_GREETED;
	if (r->pack < 0)
		host_is_ready(r, host);
}

static void packed(struct run *r, int host, const struct frame *f)
{
	char text[512];

	if (r->hosts[host].state == HOST_GREETED && f->body.n == 0) {
		host_is_ready(r, host);
		return;
	}
	snprintf(text, sizeof text, "it could not take the files: %.*s", (int)(f->body.n < 400 ? f->body.n : 400), f->body.p);
	lose_because(r, host, ST_PARTIAL, text);
}

static void pass_stderr(const struct run *r, const struct host *h, const struct try *t)
{
	for (int i = 0; i < r->plan->task.n; i++)
		if (t->err[i].n && !r->o->quiet)
			report_stderr(r->o->executor->remote ? h->name : NULL, buf_view(&t->err[i]));
}

static void try_ended(struct run *r, int host, struct try *t, const struct frame *f)
{
	struct host *h = &r->hosts[host];
	struct failure why = { .e = { 0 } };
	struct wire_exit x;
	enum verdict v;
	uint32_t id = t->id;
	int rc;

	if (wire_get_exit(f->body, &x)) {
		lose_because(r, host, ST_PARTIAL, "it sent nonsense");
		return;
	}
	if (t->cancelled) {
		try_free(h, t);
		return;
	}
	v = try_judge(t, r->plan, &x, &why);
	if (v == TRY_GOOD) {
		pass_stderr(r, h, t);
		rc = sched_done(r->sched, host, t->shard->index, r->now);
	} else {
		h->failed++;
		if (r->o->verbose)
			say(r, h->name, &why.e);
		rc = sched_failed(r->sched, host, t->shard->index, v == TRY_BAD_DATA ? BLAME_DATA : BLAME_TRY, r->now);
	}
	if (rc)
		fatal_oom(r);
	act_all(r, v == TRY_GOOD ? NULL : &why);
	if ((t = try_find(h, id))) /* gone already when the host was set aside */
		try_free(h, t);
}

static void take_frame(struct run *r, int host, const struct frame *f)
{
	struct host *h = &r->hosts[host];
	struct try *t = try_find(h, f->task);
	struct err e = { 0 };
	uint32_t credit;

	switch ((int)f->type) {
	case W_HELLO:
		greeted(r, host, f);
		return;
	case W_PACKED:
		packed(r, host, f);
		return;
	case W_BEAT:
		return;
	case W_FAIL:
		snprintf(e.msg, 200, "%.*s", (int)(f->body.n < 190 ? f->body.n : 190), f->body.p);
		lose_because(r, host, ST_PARTIAL, e.msg);
		return;
	}
	if (!t) {
		lose_because(r, host, ST_PARTIAL, "it answered for a task that it does not have");
		return;
	}
	switch ((int)f->type) {
	case W_CREDIT:
		if (wire_get_credit(f->body, &credit) == 0)
			t->credit += credit;
		return;
	case W_OUT:
		h->got_bytes += (int64_t)f->body.n;
		if (try_output(t, f->body, &e) < 0)
			fatal(r, &e);
		return;
	case W_ERR:
		try_stderr(t, f->stage, f->body);
		return;
	case W_EXIT:
		try_ended(r, host, t, f);
		return;
	default:
		lose_because(r, host, ST_PARTIAL, "it sent nonsense");
	}
}

static void hear(struct run *r, int host)
{
	struct host *h = &r->hosts[host];
	char p[128 << 10];
	struct frame f;
	ssize_t k = read(h->reach->fd, p, sizeof p);
	int rc = 0;

	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k <= 0) {
		host_ended(r, host);
		return;
	}
	h->last_heard = r->now;
	if (wire_feed(&h->in, p, (size_t)k)) {
		fatal_oom(r);
		return;
	}
	while (!r->fatal.e.status && !is_over(h) && (rc = wire_next(&h->in, &f)) == 1)
		take_frame(r, host, &f);
	if (rc < 0)
		lose_because(r, host, ST_PARTIAL, "it sent nonsense");
}

/* ---- the loop ---- */

/* Opens the gate when every host is known to be good or gone, or the slow ones have had their time. */
static void tell_ready(struct run *r)
{
	bool all = true;

	for (int i = 0; i < r->o->nhosts; i++)
		all &= r->hosts[i].state != HOST_REACHING;
	if (!r->gate && !all && r->o->executor->remote && r->now - r->began < GATE_MS)
		return;
	r->gate = true;
	for (int i = 0; i < r->o->nhosts; i++) {
		struct host *h = &r->hosts[i];
		int slots = r->o->slots;

		if (h->state != HOST_READY || r->told[i])
			continue;
		if (slots <= 0)
			slots = h->hello.processors < SLOTS_MOST ? (int)h->hello.processors + 1 : SLOTS_MOST;
		r->told[i] = true;
		r->slots += slots;
		if (sched_host_up(r->sched, i, slots, r->now))
			fatal_oom(r);
	}
}

static void check_silence(struct run *r)
{
	for (int i = 0; i < r->o->nhosts; i++) {
		struct host *h = &r->hosts[i];

		if ((h->state == HOST_READY || h->state == HOST_GREETED) && r->now - h->last_heard > r->o->reach.silence)
			lose_because(r, i, ST_PARTIAL, "it has said nothing for too long");
	}
}

static void talk(struct run *r)
{
	for (int i = 0; i < r->o->nhosts; i++) {
		struct host *h = &r->hosts[i];

		if (is_over(h) || h->reach->fd < 0)
			continue;
		if ((r->pack >= 0 && send_pack(r, h)) || host_feed(h))
			fatal_oom(r);
		if (host_flush(h))
			host_ended(r, i);
	}
}

static void wait_events(struct run *r)
{
	int n = r->o->nhosts;
	int64_t before;

	r->polls[0] = (struct pollfd){ r->wake, POLLIN, 0 };
	r->polls[1] = (struct pollfd){ r->signals, POLLIN, 0 };
	for (int i = 0; i < n; i++) {
		const struct host *h = &r->hosts[i];

		r->polls[i + 2] = (struct pollfd){ is_over(h) ? -1 : h->reach->fd, (short)(POLLIN | (h->out.n > h->out_at ? POLLOUT : 0)), 0 };
	}
	before = clock_ms();
	if (poll(r->polls, (nfds_t)n + 2, TURN_MS) < 0)
		for (int i = 0; i < n + 2; i++)
			r->polls[i].revents = 0;
	r->now = clock_ms();
	for (int i = 0; r->now - before > 5 * TURN_MS && i < n; i++)
		r->hosts[i].last_heard = r->now; /* it was us who slept (stopped, or the machine suspended) */
}

static void take_signal(struct run *r)
{
	struct signalfd_siginfo info;

	if (read(r->signals, &info, sizeof info) == (ssize_t)sizeof info)
		r->signal = (int)info.ssi_signo;
}

static void turn(struct run *r)
{
	uint64_t count;

	tell_ready(r);
	take_shards(r);
	act_all(r, NULL);
	if (sched_tick(r->sched, r->now))
		fatal_oom(r);
	act_all(r, NULL);
	talk(r);
	act_all(r, NULL);
	wait_events(r);
	if (r->polls[0].revents && read(r->wake, &count, sizeof count) < 0)
		return;
	if (r->polls[1].revents)
		take_signal(r);
	for (int i = 0; i < r->o->nhosts && !r->fatal.e.status; i++)
		if (r->polls[i + 2].revents & (POLLIN | POLLHUP | POLLERR) && !is_over(&r->hosts[i]))
			hear(r, i);
	check_silence(r);
}

/* Hosts are let go as soon as they have nothing left to do, whatever the merge still takes. */
static void release_hosts(struct run *r)
{
	for (int i = 0; i < r->o->nhosts; i++)
		if (!is_over(&r->hosts[i])) {
			reach_hang_up(r->hosts[i].reach);
		}
}

static bool only_merge_left(const struct run *r)
{
	return sched_finished(r->sched) && (r->input_end || sched_settled(r->sched) < sched_shards(r->sched));
}

static void loop(struct run *r)
{
	bool released = false;

	while (!r->fatal.e.status && !r->signal && !merger_done(r->merger)) {
		if (r->input_end && !r->merger_told) {
			merger_end(r->merger, r->nshards, r->input_failure.e.status ? &r->input_failure : NULL);
			r->merger_told = true;
		}
		if (!released && only_merge_left(r)) {
			released = true;
			release_hosts(r);
		}
		if (released) {
			wait_events(r);
			if (r->polls[0].revents && read(r->wake, &(uint64_t){ 0 }, 8) < 0)
				continue;
			if (r->polls[1].revents)
				take_signal(r);
			continue;
		}
		turn(r);
	}
}

/* ---- beginning and end ---- */

/* What a URL or an archive's member holds, in a file without a name. */
static int copy_far(const char *path, const char *tmpdir, int *fd, struct err *e)
{
	char part[16384];
	struct in *in;
	ssize_t n;
	int rc = in_open(&in, path, e);

	if (rc < 0)
		return rc;
	rc = temp_open(tmpdir, fd, e);
	while (rc == 0 && (n = in_read(in, part, sizeof part, IN_WAIT, e)) != 0)
		rc = n < 0 ? (int)n : fd_write(*fd, part, (size_t)n) ? err_sys(e, ST_IO, errno, "cannot write a temporary file") : 0;
	in_close(in);
	return rc;
}

static int pack_one(struct pack *p, const struct plan_ship *s, const char *tmpdir, struct err *e)
{
	int fd, rc;

	if (!s->table && name_is_far(s->path)) {
		if (copy_far(s->path, tmpdir, &fd, e) < 0)
			return -e->status;
	} else if (!s->table) {
		fd = open(s->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno == EACCES ? ST_PERM : ST_NOINPUT, errno, "cannot open %s", s->path);
	} else if (temp_open(tmpdir, &fd, e) < 0 || cut_table(s->path, s->read, fcntl(fd, F_DUPFD_CLOEXEC, 3), e) < 0) {
		return -e->status;
	}
	rc = pack_add(p, s->name, fd, false, e);
	close(fd);
	return rc;
}

static int pack_files(struct run *r, struct err *e)
{
	struct pack *p;
	int rc;

	r->pack = -1;
	if (r->plan->nships == 0)
		return 0;
	if (temp_open(r->o->tmpdir, &r->pack, e) < 0 || pack_open(&p, r->pack, e) < 0)
		return -e->status;
	rc = 0;
	for (int i = 0; i < r->plan->nships && rc == 0; i++)
		rc = pack_one(p, &r->plan->ships[i], r->o->tmpdir, e);
	if (rc == 0)
		rc = pack_finish(p, e);
	pack_free(p);
	return rc;
}

static int reach_all(struct run *r, struct err *e)
{
	for (int i = 0; i < r->o->nhosts; i++) {
		struct host *h = &r->hosts[i];
		int rc;

		h->name = r->o->hosts[i];
		h->last_heard = r->began;
		rc = r->o->executor->open(&r->o->reach, h->name, &h->reach, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int begin(struct run *r, struct err *e)
{
	r->began = r->now = clock_ms();
	r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->signals = open_signals();
	r->hosts = calloc((size_t)r->o->nhosts, sizeof *r->hosts);
	r->told = calloc((size_t)r->o->nhosts, sizeof *r->told);
	r->polls = calloc((size_t)r->o->nhosts + 2, sizeof *r->polls);
	r->sched = sched_new(r->o->nhosts);
	if (!r->hosts || !r->told || !r->polls || !r->sched)
		return err_oom(e);
	if (r->wake < 0 || r->signals < 0)
		return err_sys(e, ST_OSERR, errno, "cannot open a descriptor");
	if (pack_files(r, e) < 0 || reach_all(r, e) < 0)
		return -e->status;
	if (cutter_start(&r->cutter, r->plan, &r->o->cut, r->wake, e) < 0)
		return -e->status;
	return merger_start(&r->merger, r->plan, r->o->tmpdir, r->wake, e);
}

static void close_hosts(struct run *r)
{
	for (int i = 0; r->hosts && i < r->o->nhosts; i++)
		reach_hang_up(r->hosts[i].reach);
	for (int i = 0; r->hosts && i < r->o->nhosts; i++) {
		struct host *h = &r->hosts[i];

		while (h->tries)
			try_free(h, h->tries);
		if (h->reach)
			h->reach->x->close(h->reach);
		h->reach = NULL;
		wire_free(&h->in);
		buf_free(&h->out);
	}
}

static int finish(struct run *r)
{
	struct failure why = { .e = { 0 } };
	int status;

	if (r->fatal.e.status)
		merger_abort(r->merger, &r->fatal);
	status = merger_stop(r->merger, &why);
	r->merger = NULL;
	if (r->signal)
		return 128 + r->signal;
	if (r->fatal.e.status) { /* whatever the processes here said about their input that ended early */
		why = r->fatal;
		status = why.e.status;
	}
	failure_print(&why, r->o->json);
	return status;
}

static void tell(struct run *r, int status)
{
	cleanup_buf struct buf b = { 0 };
	struct failure f;
	struct err e;

	if (!r->o->quiet && !report_lost(r->hosts, r->o->nhosts, &r->notes, &b) && b.n)
		term_err(buf_view(&b));
	if (r->o->report && report_write(r->o->report, r->hosts, r->o->nhosts, &r->notes, status, &e) < 0) {
		failure_set(&f, "fanout", &e);
		failure_print(&f, r->o->json);
	}
}

static void release(struct run *r)
{
	struct failure ignored;

	close_hosts(r);
	cutter_stop(r->cutter);
	if (r->merger)
		merger_stop(r->merger, &ignored);
	sched_free(r->sched);
	for (int i = 0; i < r->nopen; i++)
		shard_free(r->open[i]);
	free(r->open);
	free(r->notes.v);
	free(r->hosts);
	free(r->told);
	free(r->polls);
	if (r->pack >= 0)
		close(r->pack);
	close(r->wake);
	close(r->signals);
}

int drive(const struct plan *p, const struct drive_opts *o, struct err *e)
{
	struct run r = { .plan = p, .o = o, .pack = -1, .wake = -1, .signals = -1 };
	int rc = begin(&r, e);

	if (rc == 0) {
		loop(&r);
		rc = finish(&r);
		tell(&r, rc);
	}
	release(&r);
	return rc;
}
