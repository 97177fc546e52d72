/* The wire between fanout and its shim on a host: one stream of frames each way, many tasks on it.
 *
 *     frame   u32 length of the body, u8 type, u8 stage, u16 0, u32 task, body     (little endian, 12 bytes of head)
 *
 * A body has at most WIRE_MAX bytes, and a reader allocates for bytes that came, never for a length that was claimed. The first
 * frame of a shim is HELLO. A task is told by TASK, fed by DATA and closed by END; its output comes as OUT, its stages' stderr as
 * ERR (stage = which), and EXIT is its last frame. DATA is sent within a credit that starts at WIRE_CREDIT bytes a task and grows
 * by what CREDIT frames say; everything else may always be sent. PACK frames carry a tar+zstd archive of files that stages name
 * (an empty one ends it, PACKED answers). BEAT comes every second from a live shim.
 *
 * Both sides treat what they read as hostile: every function that decodes checks all lengths and returns -1 on nonsense. */
#ifndef STOOK_FANOUT_WIRE_H
#define STOOK_FANOUT_WIRE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define WIRE_VERSION 1
#define WIRE_HEAD 12
#define WIRE_MAX (1u << 20)
#define WIRE_CHUNK 32768u            /* bytes of data a frame: what one SSH packet takes */
#define WIRE_CREDIT (1u << 20)
#define WIRE_STAGES 32
#define WIRE_ARGS 4096

enum wire_type {
	W_HELLO = 1,  /* shim: struct wire_hello */
	W_BEAT,       /* shim: u64 of bytes in, bytes out, running tasks */
	W_TASK,       /* driver: the stages' argument vectors */
	W_DATA,       /* driver: input of the task */
	W_END,        /* driver: the input is complete */
	W_CANCEL,     /* driver: kill the task; EXIT still comes */
	W_CREDIT,     /* shim: u32 more bytes of DATA may come */
	W_OUT,        /* shim: output of the task */
	W_ERR,        /* shim: stderr of one stage */
	W_EXIT,       /* shim: struct wire_exit */
	W_PACK,       /* driver: part of the archive, empty = its end */
	W_PACKED,     /* shim: unpacked; empty = well, else what went wrong */
	W_FAIL,       /* shim: cannot go on; text */
	W_TYPES
};

struct frame {
	enum wire_type type;
	unsigned stage;
	uint32_t task;
	struct str body;  /* borrowed from the reader until the next call */
};

/* Appends a frame to b. n <= WIRE_MAX. 0 or -1 (memory). */
int wire_put(struct buf *b, enum wire_type type, unsigned stage, uint32_t task, const void *body, size_t n) must_check;

/* Zeroed = empty. Feed bytes as they come, then take frames until there is none. */
struct wire_reader {
	struct buf in;
	size_t at;
};

int wire_feed(struct wire_reader *r, const void *p, size_t n) must_check; /* 0 or -1 (memory) */
int wire_next(struct wire_reader *r, struct frame *f);                    /* 1 a frame, 0 more bytes needed, -1 nonsense */
void wire_free(struct wire_reader *r);

struct wire_hello {
	uint32_t version, processors;
	uint64_t memory;
};

int wire_put_hello(struct buf *b, const struct wire_hello *h) must_check;
int wire_get_hello(struct str body, struct wire_hello *h);

struct wire_task {
	int n;
	struct wire_stage {
		int argc;
		char **argv;  /* NULL terminated; argv[0] is "stook-sort" and the like */
	} stages[WIRE_STAGES];
};

/* Encodes the body of a TASK. 0, 1 when it is too large, -1 when memory is short. */
int wire_put_task(struct buf *b, const struct wire_task *t) must_check;
int wire_get_task(struct str body, struct arena *a, struct wire_task *t);

struct wire_exit {
	uint64_t in_bytes, in_hash;    /* what the shim received as input: XXH3, seed 0 */
	uint64_t out_bytes, out_hash;  /* what it sent as output */
	int n;                         /* stages */
	struct wire_status {
		uint8_t signaled, code; /* exit status, or signal number */
	} status[WIRE_STAGES];
};

int wire_put_exit(struct buf *b, uint32_t task, const struct wire_exit *x) must_check;
int wire_get_exit(struct str body, struct wire_exit *x);

int wire_put_credit(struct buf *b, uint32_t task, uint32_t bytes) must_check;
int wire_get_credit(struct str body, uint32_t *bytes);
int wire_put_beat(struct buf *b, const uint64_t counters[3]) must_check;
int wire_get_beat(struct str body, uint64_t counters[3]);

#endif
