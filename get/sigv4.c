/* Canonical request, string to sign, signature: see sigv4.h. The arithmetic is OpenSSL's. */
#include "get/sigv4.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>

void sigv4_date(struct sigv4_request *r, time_t now)
{
	struct tm t;

	gmtime_r(&now, &t);
	strftime(r->date, sizeof r->date, "%Y%m%dT%H%M%SZ", &t);
}

struct digest {
	uint8_t v[SHA256_DIGEST_LENGTH];
};

static int hmac(const void *key, size_t nkey, struct str text, struct digest *ret)
{
	return HMAC(EVP_sha256(), key, (int)nkey, (const uint8_t *)text.p, text.n, ret->v, NULL) ? 0 : -1;
}

static int chain(struct digest *d, struct str text)
{
	struct digest key = *d;

	return hmac(key.v, sizeof key.v, text, d);
}

static int put_hex(struct buf *b, const struct digest *d)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof d->v && !rc; i++)
		rc = buf_printf(b, "%02x", d->v[i]);
	return rc;
}

static const char *signed_headers(const struct sigv4 *k)
{
	return k->token ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" : "host;x-amz-content-sha256;x-amz-date";
}

static int canonical(const struct sigv4 *k, const struct sigv4_request *r, struct digest *ret)
{
	cleanup_buf struct buf b = { 0 };

	if (buf_printf(&b, "GET\n%s\n%s\nhost:%s\n", r->path, r->query, r->host) ||
	    buf_printf(&b, "x-amz-content-sha256:" SIGV4_EMPTY "\nx-amz-date:%s\n", r->date) ||
	    (k->token && buf_printf(&b, "x-amz-security-token:%s\n", k->token)) ||
	    buf_printf(&b, "\n%s\n" SIGV4_EMPTY, signed_headers(k)))
		return -1;
	SHA256(b.p, b.n, ret->v);
	return 0;
}

static int signing_key(const struct sigv4 *k, const struct sigv4_request *r, struct digest *ret)
{
	cleanup_buf struct buf secret = { 0 };

	if (buf_printf(&secret, "AWS4%s", k->secret) || hmac(secret.p, secret.n, (struct str){ r->date, 8 }, ret))
		return -1;
	return chain(ret, str_of(k->region)) || chain(ret, str_of(k->service)) || chain(ret, STR("aws4_request"));
}

int sigv4_sign(const struct sigv4 *k, const struct sigv4_request *r, struct buf *b)
{
	cleanup_buf struct buf scope = { 0 }, text = { 0 };
	struct digest request, signature;

	if (buf_printf(&scope, "%.8s/%s/%s/aws4_request", r->date, k->region, k->service) || canonical(k, r, &request) ||
	    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.*s\n", r->date, (int)scope.n, (char *)scope.p) || put_hex(&text, &request) ||
	    signing_key(k, r, &signature) || chain(&signature, buf_view(&text)))
		return -1;
	return buf_printf(b, "AWS4-HMAC-SHA256 Credential=%s/%.*s,SignedHeaders=%s,Signature=", k->key_id, (int)scope.n, (char *)scope.p,
			  signed_headers(k)) ||
	       put_hex(b, &signature);
}
