/* A pool of threads: see pool.h. One queue of jobs that nobody has begun, first come, first served. */
#include "lib/base/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t given, done;
	struct job *first, **end; /* not begun */
	bool closing;
	int wanted, started; /* threads besides the one that waits */
	pthread_t threads[];
};

/* The next job, or NULL. With the lock. */
static struct job *take(struct pool *p)
{
	struct job *j = p->first;

	if (j) {
		p->first = j->next;
		if (!p->first)
			p->end = &p->first;
	}
	return j;
}

/* Runs j with the lock released meanwhile. */
static void run(struct pool *p, struct job *j)
{
	pthread_mutex_unlock(&p->lock);
	j->run(j);
	pthread_mutex_lock(&p->lock);
	j->done = true;
	pthread_cond_broadcast(&p->done);
}

static void *work(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->closing) {
		struct job *j = take(p);

		if (j)
			run(p, j);
		else
			pthread_cond_wait(&p->given, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pool_open(struct pool **ret, int threads, struct err *e)
{
	int others = threads > 1 ? threads - 1 : 0;
	struct pool *p = calloc(1, sizeof *p + (size_t)others * sizeof *p->threads);

	if (!p)
		return err_oom(e);
	p->wanted = others;
	p->end = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->given, NULL);
	pthread_cond_init(&p->done, NULL);
	*ret = p;
	return 0;
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->given);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->started; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->given);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* With the lock. */
static void start(struct pool *p)
{
	while (p->started < p->wanted && pthread_create(&p->threads[p->started], NULL, work, p) == 0)
		p->started++;
	p->wanted = p->started;
}

void pool_give(struct pool *p, struct job *j)
{
	if (!p) {
		j->run(j);
		j->done = true;
		return;
	}
	j->done = false;
	j->next = NULL;
	pthread_mutex_lock(&p->lock);
	start(p);
	*p->end = j;
	p->end = &j->next;
	pthread_cond_signal(&p->given);
	pthread_mutex_unlock(&p->lock);
}

void pool_give_first(struct pool *p, struct job *j)
{
	j->done = false;
	pthread_mutex_lock(&p->lock);
	start(p);
	j->next = p->first;
	if (!p->first)
		p->end = &j->next;
	p->first = j;
	pthread_cond_signal(&p->given);
	pthread_mutex_unlock(&p->lock);
}

static void unlock(void *lock)
{
	pthread_mutex_unlock(lock);
}

/* Until some job is done. A thread that is cancelled here (fanout/cut.c) leaves the lock open. */
static void wait_for_any(struct pool *p)
{
	pthread_cleanup_push(unlock, &p->lock);
	pthread_cond_wait(&p->done, &p->lock);
	pthread_cleanup_pop(0);
}

void pool_wait(struct pool *p, struct job *j)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	while (!j->done) {
		struct job *other = take(p);

		if (other)
			run(p, other);
		else
			wait_for_any(p);
	}
	pthread_mutex_unlock(&p->lock);
}
