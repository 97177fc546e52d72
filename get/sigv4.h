/* AWS Signature Version 4 of a GET request without a body (AWS General Reference, "Signing AWS API requests"; Amazon S3 API Reference,
 * "Authenticating Requests: Using the Authorization Header"). */
#ifndef STOOK_GET_SIGV4_H
#define STOOK_GET_SIGV4_H

#include "lib/base/buf.h"

#include <time.h>

#define SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* SHA-256 of no bytes */

struct sigv4 {
	const char *key_id, *secret, *token; /* token: of a session, may be NULL */
	const char *region, *service;
};

struct sigv4_request {
	const char *host;  /* as in the Host header */
	const char *path;  /* escaped once */
	const char *query; /* escaped, parameters in byte order; "" none */
	char date[17];     /* 20130524T000000Z: the X-Amz-Date header */
};

void sigv4_date(struct sigv4_request *r, time_t now);

/* Appends the value of the Authorization header. The request must carry the headers Host, X-Amz-Content-Sha256 (SIGV4_EMPTY), X-Amz-Date
 * and, with a token, X-Amz-Security-Token. 0 or -1. */
int sigv4_sign(const struct sigv4 *k, const struct sigv4_request *r, struct buf *b);

#endif
