/* fanout's pure parts: words of a pipeline, plans, frames, known hosts, host names. */
#include "fanout/knownhosts.h"
#include "fanout/plan.h"
#include "fanout/sha1.h"
#include "fanout/target.h"
#include "fanout/wire.h"

#include "tests/unit/test.h"

/* ---- words ---- */

static int lex(const char *text, struct words *stages, struct arena *a, struct err *e)
{
	return lex_pipeline(str_of(text), a, stages, e);
}

TEST(words_follow_sh)
{
	struct arena a = { 0 };
	struct words s[LEX_STAGES];
	struct err e;

	CHECK_I64(lex("stook map 'x = \"a\"' \"b \\\" c\\d\" e\\ f ''|\n\n stook-sort -k a,b:num # note\n", s, &a, &e), 2);
	CHECK_I64(s[0].n, 6);
	CHECK(strcmp(s[0].v[2], "x = \"a\"") == 0);
	CHECK(strcmp(s[0].v[3], "b \" c\\d") == 0);
	CHECK(strcmp(s[0].v[4], "e f") == 0);
	CHECK(strcmp(s[0].v[5], "") == 0);
	CHECK_I64(s[1].n, 3);
	CHECK(strcmp(s[1].v[2], "a,b:num") == 0);
	CHECK_I64(lex("stook map 'a' \\\n  file", s, &a, &e), 1);
	CHECK_I64(s[0].n, 4);
	CHECK_I64(lex("stook map \"x ~ 'y$'\" a=b#c", s, &a, &e), 1);
	CHECK(strcmp(s[0].v[2], "x ~ 'y$'") == 0 && strcmp(s[0].v[3], "a=b#c") == 0);
	arena_free(&a);
}

TEST(what_sh_would_do_is_refused)
{
	static const char *const bad[] = { "stook cat > x", "stook cat < x", "stook cat & ", "stook cat; ls", "stook cat $HOME", "stook cat \"$x\"",
					   "stook cat `ls`", "stook cat \"`ls`\"", "stook cat *.csv", "stook cat a?", "stook cat [ab]", "(stook cat)",
					   "stook cat || true", "stook cat |& x", "stook cat ~/x", "stook cat 'x", "stook cat \"x", "stook cat \\",
					   "", " ", "| stook cat", "stook cat |", "stook cat | | stook sort", "stook cat\nstook sort", "stook cat $'x'" };
	struct words s[LEX_STAGES];
	struct err e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct arena a = { 0 };

		CHECK_I64(lex(bad[i], s, &a, &e), -ST_USAGE);
		CHECK_I64(e.status, ST_USAGE);
		arena_free(&a);
	}
}

TEST(quoting_survives_every_byte)
{
	struct arena a = { 0 };
	struct words s[LEX_STAGES];
	struct buf b = { 0 };
	char word[256];
	struct err e;

	for (int i = 1; i < 256; i++)
		word[i - 1] = (char)i;
	word[255] = '\0';
	CHECK(buf_puts(&b, "stook ") == 0 && lex_quote(&b, str_of(word)) == 0);
	CHECK_I64(lex_pipeline(buf_view(&b), &a, s, &e), 1);
	CHECK(strcmp(s[0].v[1], word) == 0);
	buf_free(&b);
	arena_free(&a);
}

/* ---- plans ---- */

static char *joined(struct arena *a, int n, char *const *v)
{
	struct buf b = { 0 };
	char *text;

	for (int i = 0; i < n; i++)
		CHECK(buf_printf(&b, "%s%s", i ? " " : "", v[i]) == 0);
	text = arena_strdup(a, buf_view(&b));
	buf_free(&b);
	return text;
}

static void check_plan(const char *text, int nremote, bool combine, const char *last_remote, const char *first_here)
{
	struct plan p;
	struct err e;

	CHECK_I64(plan_make(str_of(text), 0, NULL, &p, &e), 0);
	CHECK_I64(p.nremote, nremote);
	CHECK(p.combine == combine);
	if (last_remote) {
		const struct wire_stage *st = &p.task.stages[nremote - 1];

		CHECK_STR(str_of(joined(&p.arena, st->argc, st->argv)), last_remote);
	}
	if (first_here)
		CHECK_STR(str_of(joined(&p.arena, p.here[0].n, p.here[0].v)), first_here);
	plan_free(&p);
}

TEST(plans_cut_where_they_must)
{
	check_plan("stook cat a.csv", 1, false, "stook-cat --threads=1 --errors=json --", NULL);
	check_plan("stook split --by id --parts 3 --out 'x-{}.csv' a.csv", 0, false, NULL, NULL);
}

TEST(longest_prefix_runs_there)
{
	check_plan("stook cat a.csv | stook cat | stook sort -k a -n 3 | stook cat -o x.csv", 3, true,
		   "stook-sort --threads=1 --errors=json --key=a --limit=3 --", "stook-sort --key=a --limit=3 --merge --");
	check_plan("stook reduce -N -t , -g a -a n=count --to csv a.csv", 1, true,
		   "stook-reduce --threads=1 --errors=json --group=a --aggregate=n=count --partial --",
		   "stook-reduce --group=a --aggregate=n=count --to=csv --merge --");
	check_plan("stook take --skip 3 a.csv | stook cat", 0, false, NULL, "stook-take --skip 3 a.csv");
	check_plan("stook cat a.csv | stook take -n 3 | stook cat", 2, false, "stook-take --threads=1 --errors=json --limit=3 --",
		   "stook-take --limit=3 --");
	check_plan("stook cat a.csv --to csv | stook cat --from csv", 0, false, NULL, NULL);
	check_plan("stook cat a.csv | stook cat --type a=num", 1, false, NULL, "stook-cat --type a=num");
	check_plan("stook cat a.csv | stook cat - b.csv", 1, false, NULL, "stook-cat - b.csv");
	check_plan("stook cat a.csv --on-bad side=bad.txt", 0, false, NULL, NULL);
	check_plan("stook cat a.csv --on-bad skip --max-errors 1%", 0, false, NULL, NULL);
	check_plan("stook cat --typed a.csv", 0, false, NULL, NULL);
}

TEST(right_side_of_a_join_is_shipped)
{
	struct plan p;
	struct err e;

	CHECK_I64(plan_make(STR("stook join -k id a.csv dir/b.csv | stook sort -k id"), 0, NULL, &p, &e), 0);
	CHECK_I64(p.nremote, 2);
	CHECK_I64(p.ninputs, 1);
	CHECK(strcmp(p.inputs[0], "a.csv") == 0);
	CHECK_I64(p.nships, 1);
	CHECK(strcmp(p.ships[0].path, "dir/b.csv") == 0 && strcmp(p.ships[0].name, "0-b.csv.arrows") == 0 && p.ships[0].table);
	CHECK_STR(str_of(joined(&p.arena, p.task.stages[0].argc, p.task.stages[0].argv)),
		  "stook-join --threads=1 --errors=json --key=id -- - 0-b.csv.arrows");
	plan_free(&p);
}

TEST(inputs_come_from_one_place)
{
	char *inputs[] = { (char[]){ "x.csv" }, (char[]){ "y.csv" } };
	struct plan p;
	struct err e;

	CHECK_I64(plan_make(STR("stook cat"), 2, inputs, &p, &e), 0);
	CHECK_I64(p.ninputs, 2);
	plan_free(&p);
	CHECK_I64(plan_make(STR("stook cat a.csv"), 1, inputs, &p, &e), -ST_USAGE);
	plan_free(&p);
	CHECK_I64(plan_make(STR("stook take --skip 1 -"), 1, inputs, &p, &e), 0);
	CHECK_STR(str_of(joined(&p.arena, p.here[0].n, p.here[0].v)), "stook-take --skip 1 x.csv");
	plan_free(&p);
}

TEST(bad_plans_are_usage_errors)
{
	static const char *const bad[] = { "awk 1", "stook nosuch", "stook sort --nosuch", "stook cat --help", "sort -k 1", "stook" };
	struct plan p;
	struct err e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_I64(plan_make(str_of(bad[i]), 0, NULL, &p, &e), -ST_USAGE);
		plan_free(&p);
	}
}

/* ---- frames ---- */

TEST(frames_come_back_whatever_the_pieces)
{
	struct buf out = { 0 };
	char *argv[] = { (char[]){ "stook-sort" }, (char[]){ "-k" }, (char[]){ "a b" }, (char[]){ "" }, NULL };
	struct wire_task t = { .n = 1, .stages = { { 4, argv } } }, back = { 0 };
	struct wire_exit x = { 1, 2, 3, 4, 2, { { 0, 0 }, { 1, 9 } } }, y;
	struct arena a = { 0 };
	struct buf body = { 0 };

	CHECK(wire_put_task(&body, &t) == 0 && wire_put(&out, W_TASK, 0, 7, body.p, body.n) == 0);
	CHECK(wire_put_exit(&out, 9, &x) == 0 && wire_put_credit(&out, 9, 5) == 0);
	for (size_t step = 1; step < 40; step++) {
		struct wire_reader r = { .at = 0 };
		struct frame f;
		int seen = 0, rc;

		for (size_t at = 0; at < out.n; at += step) {
			CHECK(wire_feed(&r, out.p + at, out.n - at < step ? out.n - at : step) == 0);
			while ((rc = wire_next(&r, &f)) == 1) {
				uint32_t credit = 0;

				if (seen == 0)
					CHECK(f.type == W_TASK && f.task == 7 && wire_get_task(f.body, &a, &back) == 0 && back.n == 1 &&
					      back.stages[0].argc == 4 && strcmp(back.stages[0].argv[2], "a b") == 0);
				else if (seen == 1)
					CHECK(wire_get_exit(f.body, &y) == 0 && y.n == 2 && y.out_hash == 4 && y.status[1].signaled && y.status[1].code == 9);
				else
					CHECK(wire_get_credit(f.body, &credit) == 0 && credit == 5);
				seen++;
			}
			CHECK(rc == 0);
		}
		CHECK_I64(seen, 3);
		wire_free(&r);
	}
	buf_free(&out);
	buf_free(&body);
	arena_free(&a);
}

TEST(lying_lengths_are_nonsense)
{
	static const uint8_t large[WIRE_HEAD] = { 0xFF, 0xFF, 0xFF, 0x7F, W_OUT }, type[WIRE_HEAD] = { 0, 0, 0, 0, 99 };
	struct wire_reader r = { .at = 0 };
	struct frame f;

	CHECK(wire_feed(&r, large, sizeof large) == 0 && wire_next(&r, &f) == -1);
	wire_free(&r);
	r = (struct wire_reader){ .at = 0 };
	CHECK(wire_feed(&r, type, sizeof type) == 0 && wire_next(&r, &f) == -1);
	wire_free(&r);
}

/* ---- known hosts ---- */

TEST(sha1_of_the_standards)
{
	uint8_t d[20];

	sha1("abc", 3, d); /* RFC 3174 */
	CHECK(memcmp(d, "\xA9\x99\x3E\x36\x47\x06\x81\x6A\xBA\x3E\x25\x71\x78\x50\xC2\x6C\x9C\xD0\xD8\x9D", 20) == 0);
	sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, d);
	CHECK(memcmp(d, "\x84\x98\x3E\x44\x1C\x3B\xD2\x6E\xBA\xAE\x4A\xA1\xF9\x51\x29\xE5\xE5\x46\x70\xF1", 20) == 0);
	hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, d); /* RFC 2202 */
	CHECK(memcmp(d, "\xEF\xFC\xDF\x6A\xE5\xEB\x2F\xA2\xD2\x74\x16\xD5\xF1\x84\xDF\x9C\x25\x9A\x7C\x79", 20) == 0);
}

#define KEY_A "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static enum known ask(const char *text, const char *host, int port, const char *key)
{
	struct known_hosts k = { 0 };
	const struct known_entry *where;
	struct arena a = { 0 };
	enum known v;
	struct err e;

	CHECK(known_parse(&k, str_of(text), "known_hosts", &e) == 0);
	v = known_check(&k, host, port, STR("ssh-ed25519"), base64_decode(str_of(key), &a), &where);
	CHECK((v == KNOWN_NOT) == (where == NULL));
	arena_free(&a);
	known_free(&k);
	return v;
}

TEST(known_hosts_are_judged_as_ssh_does)
{
	CHECK(ask("h ssh-ed25519 " KEY_A "\n", "h", 22, KEY_A) == KNOWN_GOOD);
	CHECK(ask("h ssh-ed25519 " KEY_A " a comment\n", "H", 22, KEY_A) == KNOWN_GOOD);
	CHECK(ask("h ssh-ed25519 " KEY_A "\n", "h", 22, KEY_B) == KNOWN_CHANGED);
	CHECK(ask("h ssh-ed25519 " KEY_A "\nh ssh-ed25519 " KEY_B, "h", 22, KEY_B) == KNOWN_GOOD);
	CHECK(ask("h ssh-ed25519 " KEY_A "\n", "g", 22, KEY_A) == KNOWN_NOT);
	CHECK(ask("# c\n\nnonsense\nh ssh-ed25519\nh ssh-ed25519 ###\nh,i ssh-ed25519 " KEY_A "\r\n", "i", 22, KEY_A) == KNOWN_GOOD);
	CHECK(ask("*.org,!bad.org ssh-ed25519 " KEY_A, "good.org", 22, KEY_A) == KNOWN_GOOD);
	CHECK(ask("*.org,!bad.org ssh-ed25519 " KEY_A, "bad.org", 22, KEY_A) == KNOWN_NOT);
	CHECK(ask("host? ssh-ed25519 " KEY_A, "host7", 22, KEY_A) == KNOWN_GOOD);
	CHECK(ask("[h]:2222 ssh-ed25519 " KEY_A, "h", 2222, KEY_A) == KNOWN_GOOD);
	CHECK(ask("[h]:2222 ssh-ed25519 " KEY_A, "h", 22, KEY_A) == KNOWN_NOT);
	CHECK(ask("h ssh-ed25519 " KEY_A, "h", 2222, KEY_A) == KNOWN_GOOD);
	CHECK(ask("h ssh-ed25519 " KEY_A, "h", 2222, KEY_B) == KNOWN_NOT);
	CHECK(ask("[h]:2222 ssh-ed25519 " KEY_B "\nh ssh-ed25519 " KEY_A, "h", 2222, KEY_A) == KNOWN_CHANGED);
	CHECK(ask("h ssh-ed25519 " KEY_A "\n@revoked * ssh-ed25519 " KEY_A, "h", 22, KEY_A) == KNOWN_REVOKED);
	CHECK(ask("@cert-authority h ssh-ed25519 " KEY_A, "h", 22, KEY_A) == KNOWN_NOT);
	CHECK(ask("|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ssh-ed25519 " KEY_A, "example", 22, KEY_A) == KNOWN_NOT);
}

TEST(hashed_names_match)
{
	struct buf line = { 0 };
	uint8_t d[20];

	hmac_sha1("saltsaltsaltsaltsalt", 20, "[h]:2222", 8, d);
	CHECK(buf_puts(&line, "|1|") == 0 && base64_encode(STR("saltsaltsaltsaltsalt"), true, &line) == 0 && buf_puts(&line, "|") == 0 &&
	      base64_encode((struct str){ (char *)d, 20 }, true, &line) == 0 && buf_puts(&line, " ssh-ed25519 " KEY_A) == 0 && buf_byte(&line, 0) == 0);
	CHECK(ask((char *)line.p, "h", 2222, KEY_A) == KNOWN_GOOD);
	CHECK(ask((char *)line.p, "g", 2222, KEY_A) == KNOWN_NOT);
	buf_free(&line);
}

TEST(known_types_come_first)
{
	struct known_hosts k = { 0 };
	struct buf b = { 0 };
	struct err e;

	CHECK(known_parse(&k, STR("h ecdsa-sha2-nistp384 " KEY_A "\n"), "f", &e) == 0);
	CHECK(known_types(&k, "h", 22, &b) == 0);
	CHECK_STR(buf_view(&b), "ecdsa-sha2-nistp384,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp521");
	buf_free(&b);
	known_free(&k);
}

TEST(hosts_of_the_command_line)
{
	struct arena a = { 0 };
	const char *user, *host;
	struct err e;
	int port;

	CHECK(target_split("h", &a, &user, &host, &port, &e) == 0 && !user && port == 0 && strcmp(host, "h") == 0);
	CHECK(target_split("me@h:2200", &a, &user, &host, &port, &e) == 0 && strcmp(user, "me") == 0 && port == 2200);
	CHECK(target_split("[::1]:22", &a, &user, &host, &port, &e) == 0 && strcmp(host, "::1") == 0 && port == 22);
	CHECK(target_split("fe80::1", &a, &user, &host, &port, &e) == 0 && strcmp(host, "fe80::1") == 0 && port == 0);
	CHECK_I64(target_split("-oProxyCommand=x", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("me@-x", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("-l@h", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("h:0", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("h:99999", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("h;ls", &a, &user, &host, &port, &e), -ST_USAGE);
	CHECK_I64(target_split("", &a, &user, &host, &port, &e), -ST_USAGE);
	arena_free(&a);
}

int main(void)
{
	return RUN_TABLE(T1(words_follow_sh), T1(what_sh_would_do_is_refused), T1(quoting_survives_every_byte), T1(plans_cut_where_they_must),
			 T1(longest_prefix_runs_there), T1(right_side_of_a_join_is_shipped), T1(inputs_come_from_one_place),
			 T1(bad_plans_are_usage_errors), T1(frames_come_back_whatever_the_pieces), T1(lying_lengths_are_nonsense),
			 T1(sha1_of_the_standards), T1(known_hosts_are_judged_as_ssh_does), T1(hashed_names_match), T1(known_types_come_first),
			 T1(hosts_of_the_command_line));
}
