/* The table of formats, and how an input or an output finds its row. */
#include "lib/format/format.h"

#include "lib/io/name.h"
#include "lib/io/path.h"
#include "lib/io/term.h"

#include <stdlib.h>
#include <unistd.h>

const struct format *const formats[] = { &format_arrow, &format_arrow_file, &format_csv, &format_tsv, &format_jsonl, &format_text,
	&format_combined, &format_regex, &format_table, &format_markdown, &format_json, NULL };

const struct format *format_by_name(struct str name)
{
	for (int i = 0; formats[i]; i++)
		if (str_is(name, formats[i]->name))
			return formats[i];
	if (str_starts(name, STR("regex:")))
		return &format_regex;
	if (str_is(name, "ndjson"))
		return &format_jsonl;
	return str_is(name, "arrows") ? &format_arrow : NULL;
}

/* One of the blank-separated suffixes in `list`. */
static bool has_suffix(struct str name, const char *list, size_t *stem)
{
	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (str_ends(name, (struct str){ list, n })) {
			*stem = name.n - n;
			return true;
		}
		list += n + (list[n] == ' ');
	}
	return false;
}

const struct format *format_by_suffix(struct str name, size_t *stem)
{
	size_t plain = name.n;

	codec_of_suffix(name, &plain);
	name.n = plain;
	for (int i = 0; formats[i]; i++)
		if (has_suffix(name, formats[i]->suffixes, stem))
			return formats[i];
	return NULL;
}

int format_names(struct buf *b, bool readable, bool writable)
{
	const char *comma = "";

	for (int i = 0; formats[i]; i++) {
		if ((readable && !formats[i]->read) || (writable && !formats[i]->write))
			continue;
		if (buf_printf(b, "%s%s", comma, formats[i]->name))
			return -1;
		comma = ", ";
	}
	return 0;
}

static int unknown_format(const char *option, struct str name, bool reading, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (format_names(&b, reading, !reading))
		return err_oom(e);
	return err_set(e, ST_USAGE, "%s: \"%.*s\" is no format %s; there are: %.*s", option, STR_ARG(name), reading ? "to read" : "to write",
		       (int)b.n, (char *)b.p);
}

static int by_magic(struct in *in, const struct format **ret, struct err *e)
{
	struct str head;
	int rc = in_peek(in, 16, &head, e);

	if (rc < 0)
		return rc;
	for (int i = 0; formats[i]; i++)
		if (formats[i]->magic && formats[i]->magic(head)) {
			*ret = formats[i];
			return 0;
		}
	return 0;
}

static int find_reader(struct in *in, const struct read_opts *o, const struct format **ret, struct err *e)
{
	struct str name = name_path(in_name(in)), head;
	size_t stem;
	int rc;

	*ret = NULL;
	if (o->from) {
		*ret = format_by_name(str_of(o->from));
		if (!*ret || !(*ret)->read)
			return unknown_format("--from", str_of(o->from), true, e);
		return 0;
	}
	if ((rc = by_magic(in, ret, e)) < 0 || *ret)
		return rc;
	*ret = format_by_suffix(name, &stem);
	if (*ret && (*ret)->read && !(*ret)->magic)
		return 0;
	if ((rc = in_peek(in, 1, &head, e)) < 0)
		return rc;
	if (*ret && (*ret)->magic) { /* the name promises a format that would have shown itself */
		err_set(e, ST_STREAM, head.n ? "this is not an Arrow stream or file, whatever its name" : "empty input: an Arrow stream was expected");
		return err_at(e, in_name(in), 0, 0);
	}
	if (head.n == 0) {
		err_set(e, ST_STREAM, "empty input: not even a schema came (the program before this one failed, or name the format: --from csv)");
		return err_at(e, in_name(in), 0, 0);
	}
	err_set(e, ST_USAGE, "cannot tell the format of this input");
	err_at(e, in_name(in), 0, 0);
	if (name_is_archive(name))
		return err_hint(e, "name members of this archive: '%.*s//*.csv'", STR_ARG(name));
	return err_hint(e, "name it: --from csv, tsv, jsonl, text or arrow");
}

/* A source of compressed text. */
struct packed {
	struct source source;
	struct source *from;
	struct in *in; /* from's */
};

/* What is wrong at a place in the text may be the doing of what is wrong with the file. */
static int next_packed(struct source *s, struct batch **ret, struct err *e)
{
	struct packed *p = (struct packed *)s;
	int rc = source_next(p->from, ret, e);

	return rc == -ST_DATA && e->line ? in_blame(p->in, e) : rc;
}

static void want_packed(struct source *s, const bool *cols, const struct line_form *lines)
{
	source_want_lines(((struct packed *)s)->from, cols, lines);
}

static void close_packed(struct source *s)
{
	source_close(((struct packed *)s)->from);
	free(s);
}

static int packed_open(struct source *from, struct in *in, struct source **ret, struct err *e)
{
	struct packed *p = malloc(sizeof *p);

	if (!p) {
		source_close(from);
		return err_oom(e);
	}
	*p = (struct packed){ { from->schema, next_packed, close_packed, want_packed }, from, in };
	*ret = &p->source;
	return 0;
}

int input_open(const char *name, const struct read_opts *o, struct source **ret, struct err *e)
{
	const struct format *f;
	struct in *in;
	int rc;

	if (o->side && path_same(name, o->side))
		return err_set(e, ST_USAGE, "--on-bad side= names an input, \"%s\": it would be written over", o->side);
	if ((rc = in_open(&in, name, e)) < 0)
		return rc;
	in_count(in, !o->like);
	if (o->threads > 1)
		in_set_ahead(in);
	if ((rc = find_reader(in, o, &f, e)) < 0) {
		in_close(in);
		return rc;
	}
	if ((rc = f->read(in, o, ret, e)) < 0)
		return rc;
	return in_is_compressed(in) ? packed_open(*ret, in, ret, e) : 0;
}

/* What the options and the name ask for; the codec is taken off the end of either. */
static int find_writer(const char *path, const struct write_opts *o, const struct format **f, enum codec *codec, struct err *e)
{
	size_t stem;

	*codec = CODEC_NONE;
	if (o->to) {
		struct str name = str_of(o->to);
		enum codec c;

		stem = name.n;
		c = codec_of_suffix(name, &stem);
		if (c != CODEC_NONE)
			*codec = c;
		else if (path)
			*codec = codec_of_suffix(str_of(path), &(size_t){ 0 });
		*f = format_by_name((struct str){ name.p, stem });
		return *f && (*f)->write ? 0 : unknown_format("--to", str_of(o->to), false, e);
	}
	if (!path) {
		*f = isatty(1) ? &format_table : &format_arrow;
		return 0;
	}
	*codec = codec_of_suffix(str_of(path), &(size_t){ 0 });
	*f = format_by_suffix(str_of(path), &stem);
	if (*f && (*f)->write)
		return 0;
	err_set(e, ST_USAGE, "cannot tell what format \"%s\" should have", path);
	return err_hint(e, "name it: --to csv, or use a suffix such as .csv .jsonl .arrow");
}

static bool is_arrow(const struct format *f)
{
	return f == &format_arrow || f == &format_arrow_file;
}

/* How to compress. A name that says one codec is not given the bytes of another. Arrow has zstd and lz4 inside, for its bodies;
 * the whole of it is compressed when the name or another codec asks for that. */
static int find_packing(const struct write_opts *o, enum codec named, struct write_opts *ret, struct err *e)
{
	if (!o->compress) {
		ret->packing.codec = named;
		return 0;
	}
	if (named != CODEC_NONE && named != o->packing.codec)
		return err_set(e, ST_USAGE, "--compress %s contradicts the suffix, which says %s",
			       codec_suffix(o->packing.codec), codec_suffix(named));
	return 0;
}

static void pack_bodies(const struct write_opts *o, struct write_opts *ret)
{
	enum codec c = o->packing.codec;

	if (c != CODEC_NONE && c != CODEC_ZSTD && c != CODEC_LZ4)
		return;
	ret->bodies = &o->packing;
	ret->packing.codec = CODEC_NONE;
}

/* `> x.csv` without --to would put an Arrow stream under a name that says CSV. */
static int check_redirect(const struct out *out, const struct format *f, struct err *e)
{
	char link[4096];
	const struct format *named;
	size_t stem;
	ssize_t n;

	if (!out_is_file(out))
		return 0;
	n = readlink("/proc/self/fd/1", link, sizeof link);
	if (n <= 0 || (size_t)n >= sizeof link)
		return 0;
	named = format_by_suffix((struct str){ link, (size_t)n }, &stem);
	if (!named || named == f)
		return 0;
	if (named == &format_arrow_file && f == &format_arrow)
		return 0;
	err_set(e, ST_USAGE, "stdout is the file \"%.*s\", but the output is %s", (int)n, link, f->name);
	return err_hint(e, "use -o FILE, which goes by the suffix and is complete or absent; or --to %s", named->name);
}

static int settle_options(const char *path, const struct write_opts *o, const struct format **f, struct write_opts *ret, struct err *e)
{
	enum codec named;
	int rc = find_writer(path, o, f, &named, e);

	*ret = *o;
	if (rc < 0 || (rc = find_packing(o, named, ret, e)) < 0)
		return rc;
	if (o->compress && named == CODEC_NONE && is_arrow(*f))
		pack_bodies(o, ret);
	ret->width = o->width ? o->width : term_columns(1);
	ret->file = *f == &format_arrow_file;
	return 0;
}

int output_format(const char *path, const struct write_opts *o, const struct format **ret, struct err *e)
{
	enum codec named;

	return find_writer(path, o, ret, &named, e);
}

int output_open(const char *path, const struct write_opts *o, const struct schema *s, struct sink **ret, struct err *e)
{
	struct write_opts mine;
	const struct format *f;
	struct out *out;
	int rc = settle_options(path, o, &f, &mine, e);

	mine.colour = !path && term_colour(1);
	if (rc < 0 || (rc = out_open_packed(&out, path, &mine.packing, e)) < 0)
		return rc;
	out_count(out);
	if (!path && !o->to && (rc = check_redirect(out, f, e)) < 0) {
		out_close(out);
		return rc;
	}
	return f->write(out, s, &mine, ret, e);
}

void output_abandon(const struct write_opts *o)
{
	struct write_opts mine;
	const struct format *f;
	struct out *out;
	struct err e;

	if (settle_options(NULL, o, &f, &mine, &e) == 0 && mine.packing.codec != CODEC_NONE &&
	    out_open_packed(&out, NULL, &mine.packing, &e) == 0)
		out_close(out);
}

bool output_lines(const char *path, const struct write_opts *o, const struct schema *s, struct line_form *ret)
{
	cleanup_buf struct buf text = { 0 };
	const struct format *f;
	struct sink *sink;
	struct out *out;
	struct err e;
	bool lines;

	if (output_format(path, o, &f, &e) < 0 || out_open_mem(&out, &text, &e) < 0 || f->write(out, s, o, &sink, &e) < 0)
		return false;
	if ((lines = sink->lines != NULL))
		*ret = *sink->lines;
	sink_close(sink);
	return lines;
}

int output_open_part(const char *path, int fd, const struct write_opts *o, const struct schema *s, bool digest, struct sink **ret,
		     struct out **out, struct err *e)
{
	struct write_opts mine;
	const struct format *f;
	int rc = settle_options(path, o, &f, &mine, e);

	if (rc < 0 && fd >= 0)
		close(fd);
	if (rc == 0)
		rc = path ? out_open_packed(out, path, &mine.packing, e) : out_open_fd_packed(out, fd, "--to-cmd", &mine.packing, e);
	if (rc < 0)
		return rc;
	out_count(*out);
	if (path) {
		out_hold(*out);
		out_defer(*out);
	}
	if (digest && (rc = out_set_digest(*out, e)) < 0)
		return rc;
	return f->write(out_ref(*out), s, &mine, ret, e);
}
