/* The benchmark's data, seeded: the same bytes everywhere for the same name, rows and seed.
 *   generate g1|x|y|pairs|log|corpus ROWS [KEYS] >FILE
 * g1 is the h2o.ai group-by table; x and y are the join tables (y: KEYS unique ids, shuffled, nine in ten within x); pairs are truth and
 * prediction of 20 classes with realistic confusion; log is web-log records as JSON Lines; corpus is text of five words a row, as often
 * as G. K. Zipf found: each octave of ranks has the same share. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return (uint64_t)((unsigned __int128)draw() * n >> 64);
}

static void g1(uint64_t rows)
{
	uint64_t many = rows / 100 ? rows / 100 : 1;

	puts("id1,id2,id3,id4,id5,id6,v1,v2,v3");
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t v3 = below(100000000);

		printf("id%03" PRIu64 ",id%03" PRIu64 ",id%010" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 ".%06" PRIu64 "\n",
		       below(100) + 1, below(100) + 1, below(many) + 1, below(100) + 1, below(100) + 1, below(many) + 1, below(5) + 1,
		       below(15) + 1, v3 / 1000000, v3 % 1000000);
	}
}

static void x(uint64_t rows)
{
	puts("id,name,value");
	for (uint64_t i = 1; i <= rows; i++)
		printf("%" PRIu64 ",n%011" PRIu64 ",%" PRIu64 ".%04" PRIu64 "\n", i, below(100000000000), below(1000), below(10000));
}

/* A permutation of 0 .. keys - 1 by Fisher and Yates. */
static void y(uint64_t rows, uint64_t keys)
{
	uint64_t *id = malloc(keys * sizeof *id), inside = keys - keys / 10;

	if (!id)
		exit(71);
	for (uint64_t i = 0; i < keys; i++)
		id[i] = i < inside ? i * rows / keys + 1 : rows + i;
	for (uint64_t i = keys; i > 1; i--) {
		uint64_t j = below(i), t = id[i - 1];

		id[i - 1] = id[j];
		id[j] = t;
	}
	puts("id,label,weight");
	for (uint64_t i = 0; i < keys; i++)
		printf("%" PRIu64 ",l%06" PRIu64 ",%" PRIu64 "\n", id[i], below(1000000), below(100));
	free(id);
}

static void pairs(uint64_t rows)
{
	puts("truth,predicted");
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t t = below(20), p = below(100) < 85 ? t : below(3) ? (t + 1 + below(2)) % 20 : below(20);

		printf("class%02" PRIu64 ",class%02" PRIu64 "\n", t, p);
	}
}

static void log_lines(uint64_t rows)
{
	static const char *const countries[] = { "DE", "US", "FR", "BR", "IN", "JP", "PL", "SE" };
	static const int status[] = { 200, 200, 200, 200, 200, 200, 304, 404, 500, 503 };

	for (uint64_t i = 0; i < rows; i++) {
		uint64_t s = i / 40;

		printf("{\"ts\":\"2015-03-%02" PRIu64 "T%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "Z\",\"host\":\"web%02" PRIu64
		       "\",\"status\":%d,\"url\":\"/shop/item/%" PRIu64 "?ref=%" PRIu64 "\",\"bytes\":%" PRIu64
		       ",\"latency_ms\":%" PRIu64 ".%03" PRIu64 ",\"user\":{\"id\":%" PRIu64 ",\"country\":\"%s\"}}\n",
		       s / 86400 % 28 + 1, s / 3600 % 24, s / 60 % 60, s % 60, below(20), status[below(10)], below(50000), below(100),
		       below(100000), below(900), below(1000), below(1000000), countries[below(8)]);
	}
}

#define OCTAVES 17 /* 131,071 different words */

/* The word of a rank: frequent ones are short. */
static size_t word(uint64_t rank, char *to)
{
	static const char consonants[] = "tnsrhdlcmfgpwbvkz", vowels[] = "eaoiu";
	uint64_t mixed = (rank * 0x9e3779b97f4a7c15u) >> 8, left = rank;
	size_t n = 0;

	do {
		to[n++] = consonants[left % 17];
		to[n++] = vowels[left / 17 % 5];
		left /= 85;
	} while (left);
	for (uint64_t more = mixed % 4; more && rank > 30; more--)
		to[n++] = consonants[(mixed >>= 5) % 17];
	return n;
}

/* Sentences of 4 to 19 words, lines of about 70 bytes. */
static void corpus(uint64_t rows)
{
	uint64_t sentence = 0;
	size_t line = 0;

	for (uint64_t i = 0; i < rows * 5; i++) {
		uint64_t octave = below(OCTAVES), first = UINT64_C(1) << octave;
		char text[64];
		size_t n = word(first + below(first), text);

		if (sentence == 0) {
			text[0] = (char)(text[0] - 'a' + 'A');
			sentence = 4 + below(16);
		}
		if (--sentence == 0)
			text[n++] = '.';
		else if (below(12) == 0)
			text[n++] = ',';
		line += n + 1;
		text[n++] = line > 70 || i == rows * 5 - 1 ? '\n' : ' ';
		line = line > 70 ? 0 : line;
		fwrite(text, 1, n, stdout);
	}
}

int main(int argc, char **argv)
{
	uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, keys = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;

	if (!rows || !keys) {
		fputs("usage: generate g1|x|y|pairs|log|corpus ROWS [KEYS]\n", stderr);
		return 64;
	}
	state = 42;
	if (strcmp(argv[1], "g1") == 0)
		g1(rows);
	else if (strcmp(argv[1], "x") == 0)
		x(rows);
	else if (strcmp(argv[1], "y") == 0)
		y(rows, keys);
	else if (strcmp(argv[1], "pairs") == 0)
		pairs(rows);
	else if (strcmp(argv[1], "log") == 0)
		log_lines(rows);
	else if (strcmp(argv[1], "corpus") == 0)
		corpus(rows);
	else
		return 64;
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 74;
}
