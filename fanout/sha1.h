/* SHA-1 and HMAC-SHA-1, only for hashed names in known_hosts (OpenSSH's "|1|salt|hash"). Sources: RFC 3174, RFC 2104. */
#ifndef STOOK_FANOUT_SHA1_H
#define STOOK_FANOUT_SHA1_H

#include <stddef.h>
#include <stdint.h>

void sha1(const void *p, size_t n, uint8_t digest[20]);
/* nkey <= 64, n <= 1024. */
void hmac_sha1(const void *key, size_t nkey, const void *p, size_t n, uint8_t digest[20]);

#endif
