/* The table of codecs and how an input's first bytes choose one. */
#include "lib/io/codec.h"

#include "lib/base/dec.h"
#include "lib/io/codec_isal.h"

static const struct codec_row *const rows[] = { &codec_gzip, &codec_zstd, &codec_xz, &codec_bz2, &codec_lz4 };
#define NROWS (sizeof rows / sizeof *rows)

const struct codec_row *codec_row(enum codec c)
{
	for (size_t i = 0; i < NROWS; i++)
		if (rows[i]->codec == c)
			return rows[i];
	return NULL;
}

const struct decoder *codec_decoder(const struct codec_row *row)
{
	const struct decoder *isal = &codec_isal_decoder;

	return row->codec == CODEC_GZIP && isal ? isal : &row->decoder;
}

const char *codec_suffix(enum codec c)
{
	const struct codec_row *row = codec_row(c);

	return row ? row->suffix + 1 : "none";
}

enum codec codec_of_suffix(struct str name, size_t *stem)
{
	for (size_t i = 0; i < NROWS; i++) {
		if (str_ends(name, str_of(rows[i]->suffix))) {
			*stem = name.n - strlen(rows[i]->suffix);
			return rows[i]->codec;
		}
	}
	*stem = name.n;
	return CODEC_NONE;
}

int codec_detect(struct str head, bool all, const struct codec_row **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < NROWS; i++) {
		struct str magic = rows[i]->magic;
		size_t n = head.n < magic.n ? head.n : magic.n;

		if (memcmp(head.p, magic.p, n) != 0)
			continue;
		if (head.n < CODEC_HEAD && !all)
			return 0;
		if (head.n >= magic.n && (!rows[i]->check || rows[i]->check(head))) {
			*ret = rows[i];
			return 1;
		}
	}
	return 1;
}

static int not_a_codec(struct str text, const char *option, struct err *e)
{
	return err_set(e, ST_USAGE, "%s: \"%.*s\" is no compression; there are: gz, zst, xz, bz2, lz4, none", option, STR_ARG(text));
}

int packing_parse(struct str text, const char *option, struct packing *ret, struct err *e)
{
	const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
	struct str name = { text.p, colon ? (size_t)(colon - text.p) : text.n };
	const struct codec_row *row = NULL;
	int64_t level = 0;

	for (size_t i = 0; i < NROWS; i++)
		if (str_is(name, rows[i]->suffix + 1))
			row = rows[i];
	if (!row && (!str_is(name, "none") || colon))
		return not_a_codec(text, option, e);
	if (colon && (num_parse_i64(str_from(text, name.n + 1), &level) != DEC_OK || level < row->least || level > row->most))
		return err_set(e, ST_USAGE, "%s: the levels of %.*s are %d to %d", option, STR_ARG(name), row->least, row->most);
	ret->codec = row ? row->codec : CODEC_NONE;
	ret->level = (int)level;
	return 0;
}
