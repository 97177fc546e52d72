/* A line through libssh2, never blocking inside it.
 *
 * Everything libssh2 sends goes into our own queue, whole, and is flushed when the socket takes it: a partial send inside libssh2
 * followed by any other send fails the session. The time of the last received byte is noted in the receive callback: keepalives
 * do not notice a dead peer by themselves. Ciphers and MACs are pinned to aes-ctr and hmac-sha2, which the prefix-truncation attack
 * on SSH (CVE-2023-48795) does not touch. */
#include "fanout/line.h"

#include "fanout/knownhosts.h"
#include "fanout/spawn.h"
#include "fanout/target.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_LIMIT (256u << 10)
#define WRITE_MOST 32700

struct session {
	struct line line;
	int fd;
	LIBSSH2_SESSION *s;
	LIBSSH2_CHANNEL *channel;
	LIBSSH2_AGENT *agent;
	struct buf out;        /* what libssh2 has sent: out.p[out_at .. out.n) waits for the socket */
	size_t out_at;
	bool oom;
	const struct target *target;
	int timeout;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
	libssh2_init(0);
}

/* ---- callbacks ---- */

static ssize_t queue_send(libssh2_socket_t fd, const void *p, size_t n, int flags, void **abstract)
{
	struct session *s = *abstract;

	if (fd != s->fd) { /* to the agent: the library sends that through here too */
		ssize_t k = send(fd, p, n, flags | MSG_NOSIGNAL);

		return k < 0 ? -errno : k;
	}
	if (buf_add(&s->out, p, n)) {
		s->oom = true;
		return -ENOMEM;
	}
	return (ssize_t)n;
}

static ssize_t note_recv(libssh2_socket_t fd, void *p, size_t n, int flags, void **abstract)
{
	struct session *s = *abstract;
	ssize_t k = recv(fd, p, n, flags);

	if (k < 0)
		return -errno;
	if (fd == s->fd)
		s->line.last_heard = clock_ms();
	return k;
}

/* ---- waiting ---- */

static int flush_queue(struct session *s, struct err *e)
{
	while (s->out_at < s->out.n) {
		ssize_t k = send(s->fd, s->out.p + s->out_at, s->out.n - s->out_at, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			break;
		if (k < 0)
			return err_sys(e, ST_UNAVAIL, errno, "the connection was lost");
		s->out_at += (size_t)k;
	}
	if (s->out_at == s->out.n) {
		s->out_at = s->out.n = 0;
	} else if (s->out_at > QUEUE_LIMIT) {
		memmove(s->out.p, s->out.p + s->out_at, s->out.n - s->out_at);
		s->out.n -= s->out_at;
		s->out_at = 0;
	}
	return s->oom ? err_oom(e) : 0;
}

static int wait_line(struct line *l, bool want_write, int fd, short events, short *ready, int64_t until, struct err *e)
{
	struct session *s = (struct session *)l;
	struct pollfd p[2];
	int64_t left = until - clock_ms();
	int rc = flush_queue(s, e);

	if (rc < 0)
		return rc;
	if (left <= 0)
		return err_set(e, ST_UNAVAIL, "the host did not answer in time");
	/* What libssh2 waits for is always input: the queue takes all its output. */
	want_write = s->out.n > s->out_at;
	p[0] = (struct pollfd){ s->fd, (short)(POLLIN | (want_write ? POLLOUT : 0)), 0 };
	p[1] = (struct pollfd){ fd, events, 0 };
	poll(p, 2, left < 200 ? (int)left : 200);
	if (ready)
		*ready = p[1].revents;
	else if (line_stopped(l))
		return err_set(e, ST_CLOSED, "stopped");
	return flush_queue(s, e);
}

static int nap(struct session *s, int64_t until, struct err *e)
{
	return wait_line(&s->line, false, -1, 0, NULL, until, e);
}

static int ssh_error(struct session *s, enum status status, const char *what, struct err *e)
{
	char *text = NULL;
	int code = libssh2_session_last_error(s->s, &text, NULL, 0);

	return err_set(e, status, "%s: %.300s (%d)", what, text && text[0] ? text : "unknown error", code);
}

/* ---- connecting ---- */

static int connect_one(struct session *s, const struct addrinfo *ai, int64_t until, int *why)
{
	socklen_t size = sizeof *why;
	struct pollfd p;

	s->fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (s->fd < 0) {
		*why = errno;
		return -1;
	}
	*why = connect(s->fd, ai->ai_addr, ai->ai_addrlen) ? errno : 0;
	while (*why == EINPROGRESS) {
		int64_t left = until - clock_ms();

		p = (struct pollfd){ s->fd, POLLOUT, 0 };
		if (left <= 0 || line_stopped(&s->line))
			*why = ETIMEDOUT;
		else if (poll(&p, 1, left < 200 ? (int)left : 200) > 0 && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, why, &size))
			*why = errno;
	}
	if (*why == 0)
		return 0;
	close(s->fd);
	s->fd = -1;
	return -1;
}

static int connect_host(struct session *s, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int64_t until = clock_ms() + s->timeout;
	char port[16];
	int rc, why = EHOSTUNREACH, one = 1;

	snprintf(port, sizeof port, "%d", s->target->port);
	rc = getaddrinfo(s->target->host, port, &hints, &list);
	if (rc)
		return err_set(e, ST_UNAVAIL, "cannot find the host %s: %s", s->target->host, gai_strerror(rc));
	for (const struct addrinfo *ai = list; ai && s->fd < 0; ai = ai->ai_next)
		if (connect_one(s, ai, until, &why) == 0)
			break;
	freeaddrinfo(list);
	if (s->fd < 0)
		return err_sys(e, ST_UNAVAIL, why, "cannot connect to %s port %d", s->target->host, s->target->port);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return 0;
}

/* ---- the host's key ---- */

static int load_known(struct session *s, struct known_hosts *k, struct err *e)
{
	for (int i = 0; s->target->known_hosts[i]; i++)
		if (known_load(k, s->target->known_hosts[i], e) < 0)
			return -e->status;
	return 0;
}

static int set_methods(struct session *s, const struct known_hosts *k, struct err *e)
{
	cleanup_buf struct buf types = { 0 };
	static const struct {
		int what;
		const char *names;
	} pinned[] = {
		{ LIBSSH2_METHOD_CRYPT_CS, "aes256-ctr,aes192-ctr,aes128-ctr" },
		{ LIBSSH2_METHOD_CRYPT_SC, "aes256-ctr,aes192-ctr,aes128-ctr" },
		{ LIBSSH2_METHOD_MAC_CS, "hmac-sha2-256,hmac-sha2-512" },
		{ LIBSSH2_METHOD_MAC_SC, "hmac-sha2-256,hmac-sha2-512" },
	};

	if (known_types(k, s->target->alias, s->target->port, &types) || buf_byte(&types, 0))
		return err_oom(e);
	if (libssh2_session_method_pref(s->s, LIBSSH2_METHOD_HOSTKEY, (const char *)types.p))
		return ssh_error(s, ST_UNAVAIL, "cannot choose host key types", e);
	for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++)
		if (libssh2_session_method_pref(s->s, pinned[i].what, pinned[i].names))
			return ssh_error(s, ST_UNAVAIL, "cannot choose ciphers", e);
	return 0;
}

static int handshake(struct session *s, struct err *e)
{
	int64_t until = clock_ms() + s->timeout;
	int rc;

	while ((rc = libssh2_session_handshake(s->s, s->fd)) == LIBSSH2_ERROR_EAGAIN)
		if (nap(s, until, e) < 0)
			return -e->status;
	if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE) {
		ssh_error(s, ST_UNAVAIL, "no common key exchange, cipher or host key type", e);
		return err_hint(e, "an RSA-only or very strict server: use --ssh ssh");
	}
	return rc ? ssh_error(s, ST_UNAVAIL, "the key exchange failed", e) : 0;
}

static struct str key_type(struct str blob)
{
	const uint8_t *p = (const uint8_t *)blob.p;
	size_t n = blob.n < 4 ? 0 : (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

	return n <= 64 && blob.n >= 4 + n ? (struct str){ blob.p + 4, n } : STR("?");
}

/* "ssh-ed25519 SHA256:..." */
static int fingerprint(struct session *s, struct str type, struct buf *b)
{
	const char *hash = libssh2_hostkey_hash(s->s, LIBSSH2_HOSTKEY_HASH_SHA256);

	if (buf_str(b, type) || buf_puts(b, " SHA256:"))
		return -1;
	return (hash && base64_encode((struct str){ hash, 32 }, false, b)) || buf_byte(b, 0) ? -1 : 0;
}

static int judge_key(struct session *s, const struct known_hosts *k, struct str blob, struct err *e)
{
	const struct target *t = s->target;
	const struct known_entry *where;
	cleanup_buf struct buf shown = { 0 };
	struct str type = key_type(blob);
	enum known verdict = known_check(k, t->alias, t->port, type, blob, &where);

	if (verdict == KNOWN_GOOD)
		return 0;
	if (fingerprint(s, type, &shown))
		return err_oom(e);
	if (verdict == KNOWN_CHANGED) {
		err_set(e, ST_PERM, "the host key has changed: it shows %s, but %s:%d has another", (char *)shown.p, where->file, where->line);
		return err_hint(e, "find out why; when it is right, remove that line and add the new key");
	}
	if (verdict == KNOWN_REVOKED)
		return err_set(e, ST_PERM, "the host key is revoked by %s:%d: it shows %s", where->file, where->line, (char *)shown.p);
	err_set(e, ST_PERM, "the host key is not known: it shows %s", (char *)shown.p);
	return err_hint(e, "compare it with the host's own; then add it: ssh-keyscan -p %d %s >> %s", t->port, t->host,
			t->known_hosts[0] ? t->known_hosts[0] : "~/.ssh/known_hosts");
}

static int check_key(struct session *s, const struct known_hosts *k, struct err *e)
{
	size_t n = 0;
	int kind;
	const char *blob = libssh2_session_hostkey(s->s, &n, &kind);

	return blob ? judge_key(s, k, (struct str){ blob, n }, e) : err_set(e, ST_UNAVAIL, "the host showed no host key");
}

static int meet(struct session *s, struct err *e)
{
	struct known_hosts k = { 0 };
	int rc = load_known(s, &k, e);

	if (rc == 0 && (rc = set_methods(s, &k, e)) == 0 && (rc = handshake(s, e)) == 0)
		rc = check_key(s, &k, e);
	known_free(&k);
	return rc;
}

/* ---- logging in ---- */

static int with_file(struct session *s, const char *file, int64_t until, struct err *e)
{
	int rc;

	while ((rc = libssh2_userauth_publickey_fromfile(s->s, s->target->user, NULL, file, NULL)) == LIBSSH2_ERROR_EAGAIN)
		if (nap(s, until, e) < 0)
			return -e->status;
	return rc == 0;
}

static int with_agent(struct session *s, int64_t until, struct err *e)
{
	struct libssh2_agent_publickey *key = NULL;
	int rc;

	s->agent = libssh2_agent_init(s->s);
	if (!s->agent || libssh2_agent_connect(s->agent) || libssh2_agent_list_identities(s->agent))
		return 0;
	while (libssh2_agent_get_identity(s->agent, &key, key) == 0) {
		while ((rc = libssh2_agent_userauth(s->agent, s->target->user, key)) == LIBSSH2_ERROR_EAGAIN)
			if (nap(s, until, e) < 0)
				return -e->status;
		if (rc == 0)
			return 1;
	}
	return 0;
}

/* Which methods the host takes; 1 when it wants none at all. */
static int ask_methods(struct session *s, int64_t until, const char **methods, struct err *e)
{
	while (!(*methods = libssh2_userauth_list(s->s, s->target->user, (unsigned)strlen(s->target->user)))) {
		if (libssh2_userauth_authenticated(s->s))
			return 1;
		if (libssh2_session_last_errno(s->s) != LIBSSH2_ERROR_EAGAIN)
			return ssh_error(s, ST_UNAVAIL, "the login failed", e);
		if (nap(s, until, e) < 0)
			return -e->status;
	}
	return 0;
}

static int refused(struct session *s, const char *methods, int files, struct err *e)
{
	err_set(e, ST_PERM, "the login as %s was refused (%d key file%s and the agent tried; the host takes: %.200s)", s->target->user, files,
		files == 1 ? "" : "s", methods);
	return err_hint(e, "ed25519 and ECDSA keys work; RSA keys and others: --ssh ssh");
}

static int log_in(struct session *s, struct err *e)
{
	int64_t until = clock_ms() + s->timeout;
	const char *methods;
	int rc = ask_methods(s, until, &methods, e), files = 0;

	if (rc)
		return rc < 0 ? rc : 0;
	for (int i = 0; s->target->identities[i]; i++) {
		if (access(s->target->identities[i], R_OK))
			continue;
		files++;
		if ((rc = with_file(s, s->target->identities[i], until, e)))
			return rc < 0 ? rc : 0;
	}
	rc = with_agent(s, until, e);
	if (rc)
		return rc < 0 ? rc : 0;
	return refused(s, methods, files, e);
}

/* ---- a command ---- */

static void free_channel(struct session *s, int64_t until)
{
	struct err ignored;

	if (!s->channel)
		return;
	while (libssh2_channel_free(s->channel) == LIBSSH2_ERROR_EAGAIN && wait_line(&s->line, false, -1, 0, &(short){ 0 }, until, &ignored) == 0)
		;
	s->channel = NULL;
}

static int start(struct line *l, const char *command, int64_t until, struct err *e)
{
	struct session *s = (struct session *)l;
	int rc;

	free_channel(s, until);
	while (!(s->channel = libssh2_channel_open_session(s->s))) {
		if (libssh2_session_last_errno(s->s) != LIBSSH2_ERROR_EAGAIN)
			return ssh_error(s, ST_UNAVAIL, "the host opens no channel", e);
		if (nap(s, until, e) < 0)
			return -e->status;
	}
	while ((rc = libssh2_channel_exec(s->channel, command)) == LIBSSH2_ERROR_EAGAIN)
		if (nap(s, until, e) < 0)
			return -e->status;
	return rc ? ssh_error(s, ST_UNAVAIL, "the host runs no command", e) : 0;
}

static void read_errors(struct session *s)
{
	char part[4096];
	ssize_t k;

	while ((k = libssh2_channel_read_stderr(s->channel, part, sizeof part)) > 0)
		line_note_error(&s->line, part, (size_t)k);
}

static ssize_t read_some(struct line *l, void *p, size_t n, struct err *e)
{
	struct session *s = (struct session *)l;
	ssize_t k;

	read_errors(s);
	k = libssh2_channel_read(s->channel, p, n);
	if (k > 0)
		return k;
	if (k == 0 || k == LIBSSH2_ERROR_EAGAIN)
		return libssh2_channel_eof(s->channel) ? 0 : LINE_LATER;
	return ssh_error(s, ST_UNAVAIL, "the connection was lost", e);
}

static ssize_t write_some(struct line *l, const void *p, size_t n, struct err *e)
{
	struct session *s = (struct session *)l;
	ssize_t k;

	if (s->out.n - s->out_at > QUEUE_LIMIT)
		return 0;
	if (libssh2_channel_eof(s->channel)) /* the command has ended: writing would wait for ever */
		return err_set(e, ST_UNAVAIL, "the program on the host ended");
	k = libssh2_channel_write(s->channel, p, n < WRITE_MOST ? n : WRITE_MOST);
	if (k == LIBSSH2_ERROR_EAGAIN)
		return 0;
	return k < 0 ? ssh_error(s, ST_UNAVAIL, "the connection was lost", e) : k;
}

static int end_input(struct line *l, struct err *e)
{
	struct session *s = (struct session *)l;
	int64_t until = clock_ms() + s->timeout;
	int rc;

	while ((rc = libssh2_channel_send_eof(s->channel)) == LIBSSH2_ERROR_EAGAIN)
		if (wait_line(l, false, -1, 0, &(short){ 0 }, until, e) < 0)
			return -e->status;
	return rc ? ssh_error(s, ST_UNAVAIL, "the connection was lost", e) : flush_queue(s, e);
}

static int finish(struct line *l, int64_t until, char *how, size_t size)
{
	struct session *s = (struct session *)l;
	char *name = NULL;
	struct err ignored;
	int rc, status;

	while ((rc = libssh2_channel_close(s->channel)) == LIBSSH2_ERROR_EAGAIN &&
	       wait_line(l, false, -1, 0, &(short){ 0 }, until, &ignored) == 0)
		;
	status = libssh2_channel_get_exit_status(s->channel);
	libssh2_channel_get_exit_signal(s->channel, &name, NULL, NULL, NULL, NULL, NULL);
	if (rc)
		snprintf(how, size, "the connection was lost");
	else if (name)
		snprintf(how, size, "the program on the host was killed by SIG%.20s", name);
	else
		snprintf(how, size, "the program on the host ended with status %d", status);
	if (name)
		libssh2_free(s->s, name);
	return rc || name ? -1 : status;
}

static void close_session(struct line *l)
{
	struct session *s = (struct session *)l;
	int64_t until = clock_ms() + 1000;
	struct err ignored;

	if (s->channel)
		free_channel(s, until);
	if (s->agent) {
		libssh2_agent_disconnect(s->agent);
		libssh2_agent_free(s->agent);
	}
	if (s->s) {
		while (libssh2_session_disconnect(s->s, "done") == LIBSSH2_ERROR_EAGAIN &&
		       wait_line(l, false, -1, 0, &(short){ 0 }, until, &ignored) == 0)
			;
		if (s->fd >= 0)
			(void)!flush_queue(s, &ignored);
		libssh2_session_free(s->s);
	}
	if (s->fd >= 0)
		close(s->fd);
	buf_free(&s->out);
	buf_free(&l->errors);
	free(s);
}

static const struct line_ops session_ops = { start, read_some, write_some, end_input, wait_line, finish, close_session };

static int set_up(struct session *s, struct err *e)
{
	s->s = libssh2_session_init_ex(NULL, NULL, NULL, s);
	if (!s->s)
		return err_oom(e);
	libssh2_session_set_blocking(s->s, 0);
	libssh2_session_callback_set(s->s, LIBSSH2_CALLBACK_SEND, (void *)queue_send);
	libssh2_session_callback_set(s->s, LIBSSH2_CALLBACK_RECV, (void *)note_recv);
	return 0;
}

int session_open(struct line **ret, const struct target *t, const struct reach_opts *o, int stop, struct err *e)
{
	struct session *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return err_oom(e);
	pthread_once(&once, init_library);
	s->line.ops = &session_ops;
	s->line.stop = stop;
	s->fd = -1;
	s->target = t;
	s->timeout = o->timeout;
	rc = connect_host(s, e);
	if (rc == 0 && (rc = set_up(s, e)) == 0 && (rc = meet(s, e)) == 0)
		rc = log_in(s, e);
	if (rc < 0) {
		close_session(&s->line);
		return rc;
	}
	*ret = &s->line;
	return 0;
}
