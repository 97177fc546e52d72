/* known_hosts files: which keys a host may show. Strict: what is not known is refused by the caller.
 *
 * Understands what OpenSSH writes (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): name lists, wildcards, negation, [host]:port, hashed names,
 * @revoked. @cert-authority lines are passed over. */
#ifndef STOOK_FANOUT_KNOWNHOSTS_H
#define STOOK_FANOUT_KNOWNHOSTS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct known_entry {
	struct str names, type, blob; /* blob: the key as sent on the wire */
	bool revoked;
	const char *file;
	int line;
};

struct known_hosts { /* zeroed = empty */
	struct arena arena;
	int n, cap;
	struct known_entry *v;
};

enum known { KNOWN_GOOD, KNOWN_NOT, KNOWN_CHANGED, KNOWN_REVOKED };

int known_parse(struct known_hosts *k, struct str text, const char *file, struct err *e) nodiscard; /* adds its lines */
int known_load(struct known_hosts *k, const char *file, struct err *e) nodiscard;                   /* a missing file is empty */
void known_free(struct known_hosts *k);

/* Judges a key that host:port showed. *where: the entry that says so (NULL when KNOWN_NOT). */
enum known known_check(const struct known_hosts *k, const char *host, int port, struct str type, struct str blob,
		       const struct known_entry **where);

/* The key types to offer, comma separated: those known for the host first, then the others that we can check. 0 or -1. */
int known_types(const struct known_hosts *k, const char *host, int port, struct buf *b) must_check;

/* Base 64. Decoding returns the bytes in `a`, n = 0 and p = NULL when text is not base 64. */
struct str base64_decode(struct str text, struct arena *a);
int base64_encode(struct str bytes, bool pad, struct buf *b) must_check;

#endif
