/* One thread, one poll loop. Invariants: a task's input queue never holds more than its credit; nothing is read from stages while
 * OUT_LIMIT bytes wait to be sent, so a slow line slows the stages and not this host's memory; when stdin closes, everything that
 * runs is killed. */
#include "fanout/shim.h"

#include "fanout/shim_dir.h"
#include "fanout/shim_task.h"
#include "fanout/shim_unpack.h"
#include "lib/cli/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUT_LIMIT (512 << 10)
#define BEAT_MS 1000

struct shim {
	const char *base, *argv0;
	struct wire_reader in;
	struct buf out;       /* frames to be sent: out.p[out_at .. out.n) */
	size_t out_at;
	struct shim_task *tasks;
	struct shim_dir dir;
	struct unpack *unpack;
	int signals;
	int64_t next_beat;
	uint64_t counters[3]; /* bytes in, bytes out, tasks */
	bool over;            /* nobody listens any more, or memory is short: end */
	struct pollfd *polls;
	struct spot {
		struct shim_task *task;
		enum { SPOT_IN, SPOT_OUT, SPOT_ERR } what;
		int stage;
	} *spots;             /* what polls[i + 3] is */
	int npolls, cap;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void send_frame(struct shim *s, enum wire_type type, unsigned stage, uint32_t task, struct str body)
{
	if (wire_put(&s->out, type, stage, task, body.p, body.n))
		s->over = true;
}

static void send_fail(struct shim *s, enum wire_type type, const char *text)
{
	send_frame(s, type, 0, 0, str_of(text));
}

static struct shim_task *find_task(struct shim *s, uint32_t id)
{
	struct shim_task *t = s->tasks;

	while (t && t->id != id)
		t = t->next;
	return t;
}

static void start_task(struct shim *s, const struct frame *f)
{
	struct arena a = { 0 };
	struct wire_task spec = { 0 };
	struct shim_task *t;
	struct err e = { 0 };

	if (find_task(s, f->task) || wire_get_task(f->body, &a, &spec)) {
		send_fail(s, W_FAIL, "a task could not be understood");
	} else if (shim_task_start(&t, f->task, &spec, s->dir.path[0] ? s->dir.path : s->base, s->argv0, &e) < 0) {
		send_fail(s, W_FAIL, e.msg);
	} else {
		t->next = s->tasks;
		s->tasks = t;
		s->counters[2]++;
	}
	arena_free(&a);
}

static void push_input(struct shim *s, struct shim_task *t)
{
	uint32_t k = shim_task_push(t);

	while (k) {
		uint32_t part = k < WIRE_CREDIT ? k : WIRE_CREDIT;

		if (wire_put_credit(&s->out, t->id, part))
			s->over = true;
		k -= part;
	}
}

static void take_data(struct shim *s, const struct frame *f)
{
	struct shim_task *t = find_task(s, f->task);

	if (!t) /* ended before its input was all sent */
		return;
	if (t->in.n - t->in_at + f->body.n > 2 * WIRE_CREDIT || shim_task_input(t, f->body)) {
		s->over = true;
		return;
	}
	s->counters[0] += f->body.n;
	push_input(s, t);
}

static int begin_pack(struct shim *s, struct err *e)
{
	if (s->unpack)
		return 0;
	if (s->dir.path[0])
		return err_set(e, ST_BUG, "files were shipped twice");
	if (shim_dir_make(&s->dir, s->base, e) < 0)
		return -e->status;
	return unpack_new(&s->unpack, s->dir.fd, e);
}

static void take_pack(struct shim *s, const struct frame *f)
{
	struct err e = { 0 };
	int rc = begin_pack(s, &e);

	if (rc == 0)
		rc = f->body.n ? unpack_feed(s->unpack, f->body.p, f->body.n, &e) : unpack_end(s->unpack, &e);
	if (rc == 0 && f->body.n)
		return;
	send_fail(s, W_PACKED, rc < 0 ? e.msg : "");
	unpack_free(s->unpack);
	s->unpack = NULL;
}

static void take_frame(struct shim *s, const struct frame *f)
{
	struct shim_task *t;

	switch ((int)f->type) {
	case W_TASK:
		start_task(s, f);
		break;
	case W_DATA:
		take_data(s, f);
		break;
	case W_END:
		if ((t = find_task(s, f->task))) {
			t->in_end = true;
			push_input(s, t);
		}
		break;
	case W_CANCEL:
		if ((t = find_task(s, f->task)))
			shim_task_kill(t);
		break;
	case W_PACK:
		take_pack(s, f);
		break;
	default:
		s->over = true;
	}
}

static void read_frames(struct shim *s)
{
	char p[64 << 10];
	ssize_t k = read(0, p, sizeof p);
	struct frame f;
	int rc = 0;

	if (k < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (k <= 0 || wire_feed(&s->in, p, (size_t)k)) {
		s->over = true;
		return;
	}
	while (!s->over && (rc = wire_next(&s->in, &f)) == 1)
		take_frame(s, &f);
	if (rc < 0)
		s->over = true;
}

static void write_frames(struct shim *s)
{
	ssize_t k = write(1, s->out.p + s->out_at, s->out.n - s->out_at);

	if (k < 0 && errno != EINTR && errno != EAGAIN)
		s->over = true;
	if (k > 0)
		s->out_at += (size_t)k;
	if (s->out_at == s->out.n)
		s->out_at = s->out.n = 0;
}

/* Output or stderr of a stage into a frame; at its end the descriptor is closed. */
static void relay(struct shim *s, struct shim_task *t, int *fd, enum wire_type type, int stage)
{
	char p[WIRE_CHUNK];
	ssize_t k = read(*fd, p, sizeof p);

	if (k < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (k <= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	if (type == W_OUT) {
		hasher_add(&t->out_hash, p, (size_t)k);
		t->exit.out_bytes += (uint64_t)k;
		s->counters[1] += (uint64_t)k;
	}
	send_frame(s, type, (unsigned)stage, t->id, (struct str){ p, (size_t)k });
}

static void reap(struct shim *s)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct shim_task *t = s->tasks; t && !shim_task_reaped(t, pid, status);)
			t = t->next;
}

static void take_signal(struct shim *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info)
		if (info.ssi_signo != SIGCHLD)
			s->over = true;
	reap(s);
}

static void finish_tasks(struct shim *s)
{
	for (struct shim_task **at = &s->tasks; *at;) {
		struct shim_task *t = *at;

		if (!shim_task_done(t)) {
			at = &t->next;
			continue;
		}
		t->exit.in_hash = hasher_end(&t->in_hash);
		t->exit.out_hash = hasher_end(&t->out_hash);
		if (wire_put_exit(&s->out, t->id, &t->exit))
			s->over = true;
		*at = t->next;
		shim_task_free(t);
	}
}

static void add_poll(struct shim *s, int fd, short events, struct spot spot)
{
	if (s->npolls == s->cap) {
		int cap = s->cap ? 2 * s->cap : 64;
		struct pollfd *p = realloc(s->polls, (size_t)cap * sizeof *p);
		struct spot *q = p ? realloc(s->spots, (size_t)cap * sizeof *q) : NULL;

		s->polls = p ? p : s->polls;
		s->spots = q ? q : s->spots;
		if (!q) {
			s->over = true;
			return;
		}
		s->cap = cap;
	}
	s->polls[s->npolls] = (struct pollfd){ fd, events, 0 };
	s->spots[s->npolls++] = spot;
}

static void build_polls(struct shim *s)
{
	size_t waiting = s->out.n - s->out_at;
	bool room = waiting < OUT_LIMIT;

	s->npolls = 0;
	add_poll(s, 0, POLLIN, (struct spot){ 0 });
	add_poll(s, 1, waiting ? POLLOUT : 0, (struct spot){ 0 });
	add_poll(s, s->signals, POLLIN, (struct spot){ 0 });
	for (struct shim_task *t = s->tasks; t; t = t->next) {
		if (t->in_fd >= 0 && t->in.n > t->in_at)
			add_poll(s, t->in_fd, POLLOUT, (struct spot){ t, SPOT_IN, 0 });
		if (t->out_fd >= 0 && room)
			add_poll(s, t->out_fd, POLLIN, (struct spot){ t, SPOT_OUT, 0 });
		for (int i = 0; i < t->n && room; i++)
			if (t->err_fd[i] >= 0)
				add_poll(s, t->err_fd[i], POLLIN, (struct spot){ t, SPOT_ERR, i });
	}
}

static void serve_spot(struct shim *s, const struct spot *spot)
{
	struct shim_task *t = spot->task;

	if (spot->what == SPOT_IN)
		push_input(s, t);
	else if (spot->what == SPOT_OUT)
		relay(s, t, &t->out_fd, W_OUT, 0);
	else
		relay(s, t, &t->err_fd[spot->stage], W_ERR, spot->stage);
}

static void beat(struct shim *s)
{
	int64_t now = now_ms();

	if (now < s->next_beat)
		return;
	s->next_beat = now + BEAT_MS;
	if (s->out.n - s->out_at < OUT_LIMIT && wire_put_beat(&s->out, s->counters))
		s->over = true;
}

static void turn(struct shim *s)
{
	int64_t wait;

	build_polls(s);
	wait = s->next_beat - now_ms();
	if (s->over || (poll(s->polls, (nfds_t)s->npolls, wait > 0 ? (int)wait : 0) < 0 && errno != EINTR))
		return;
	if (s->polls[1].revents & (POLLERR | POLLNVAL))
		s->over = true;
	if (s->polls[1].revents & POLLOUT)
		write_frames(s);
	for (int i = 3; i < s->npolls; i++)
		if (s->polls[i].revents)
			serve_spot(s, &s->spots[i]);
	if (s->polls[2].revents)
		take_signal(s);
	finish_tasks(s);
	if (s->polls[0].revents) /* last: it may add tasks */
		read_frames(s);
	beat(s);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void say_hello(struct shim *s)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	struct wire_hello h = { WIRE_VERSION, n > 0 && n < 65536 ? (uint32_t)n : 1, (uint64_t)limits_memory() };

	if (wire_put_hello(&s->out, &h))
		s->over = true;
}

static void end(struct shim *s)
{
	while (s->tasks) {
		struct shim_task *t = s->tasks;

		s->tasks = t->next;
		shim_task_free(t);
	}
	unpack_free(s->unpack);
	shim_dir_remove(&s->dir);
	wire_free(&s->in);
	buf_free(&s->out);
	free(s->polls);
	free(s->spots);
	close(s->signals);
}

int shim_main(const char *base, const char *argv0)
{
	struct shim s = { .base = base, .argv0 = argv0, .dir.fd = -1, .next_beat = now_ms() + BEAT_MS };

	s.signals = open_signals();
	if (s.signals < 0)
		return ST_OSERR;
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what stages leave behind is ours to reap */
	fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
	fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
	shim_dir_sweep(base);
	say_hello(&s);
	while (!s.over)
		turn(&s);
	end(&s);
	return 0;
}

int shim_digest(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct hasher h;
	char p[64 << 10];
	ssize_t k = -1;

	hasher_init(&h, 0);
	while (fd >= 0 && (k = read(fd, p, sizeof p)) > 0)
		hasher_add(&h, p, (size_t)k);
	if (fd < 0 || k < 0)
		return ST_IO;
	close(fd);
	k = snprintf(p, sizeof p, "%016llx\n", (unsigned long long)hasher_end(&h));
	return write(1, p, (size_t)k) == k ? 0 : ST_IO;
}
