/* CSV and TSV: the rows of the format table, and the options that make a dialect. */
#include "lib/format/csv.h"

#define MAX_FIELD ((int64_t)1 << 30)

/* "c" or "\t"; -1: something else. */
static int one_byte(const char *s)
{
	if (strcmp(s, "\\t") == 0)
		return '\t';
	if (strlen(s) != 1 || (s[0] & 0x80) || s[0] == '\n' || s[0] == '\r')
		return -1;
	return s[0];
}

static int set_byte(const char *option, const char *value, int *at, struct err *e)
{
	if (!value)
		return 0;
	*at = one_byte(value);
	return *at >= 0 ? 0 : err_set(e, ST_USAGE, "%s: \"%s\" is not one ASCII character (a tab is \\t)", option, value);
}

static int check_distinct(const struct dialect *d, struct err *e)
{
	if (d->quote == d->delimiter || d->escape == d->delimiter || d->comment == d->delimiter)
		return err_set(e, ST_USAGE, "the delimiter \"%c\" has a second meaning as quote, escape or comment character",
			       d->delimiter);
	if (d->comment >= 0 && (d->comment == d->quote || d->comment == d->escape))
		return err_set(e, ST_USAGE, "the comment character \"%c\" is also the quote or escape character", d->comment);
	return 0;
}

int dialect_read(const struct read_opts *o, char delimiter, struct dialect *ret, struct err *e)
{
	struct dialect d = { .quote = '"', .escape = -1, .comment = -1, .null = STR(""), .max_field = o->max_field };
	int sep = delimiter, rc;

	if ((rc = set_byte("--delimiter", o->delimiter, &sep, e)) < 0 ||
	    (rc = set_byte("--escape", o->escape, &d.escape, e)) < 0 ||
	    (rc = set_byte("--comment", o->comment, &d.comment, e)) < 0)
		return rc;
	if (o->quote && strcmp(o->quote, "none") == 0)
		d.quote = -1;
	else if ((rc = set_byte("--quote", o->quote, &d.quote, e)) < 0)
		return rc;
	d.delimiter = (uint8_t)sep;
	if (o->null)
		d.null = str_of(o->null);
	if (d.max_field <= 0 || d.max_field > MAX_FIELD)
		d.max_field = MAX_FIELD;
	*ret = d;
	return check_distinct(&d, e);
}

static int read_csv(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	return csv_open_source(in, o, ',', ret, e);
}

static int read_tsv(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	return csv_open_source(in, o, '\t', ret, e);
}

static int write_csv(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return csv_open_sink(out, s, o, ',', ret, e);
}

static int write_tsv(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return csv_open_sink(out, s, o, '\t', ret, e);
}

const struct format format_csv = {
	"csv", ".csv", "comma-separated values (RFC 4180); unquoted empty fields are null", NULL, read_csv, write_csv,
};

const struct format format_tsv = {
	"tsv", ".tsv .tab", "the same with tabs", NULL, read_tsv, write_tsv,
};
