/* What the option table says to people: --help, the man page, completion. */
#include "lib/cli/opt.h"

#define HELP_COLUMN 30

static int put_option_head(struct buf *b, const struct opt *o)
{
	int rc = o->letter ? buf_printf(b, "  -%c, --%s", o->letter, o->name) : buf_printf(b, "      --%s", o->name);

	if (rc || !o->arg)
		return rc;
	return buf_printf(b, o->kind == OPT_OPTSTR ? "[=%s]" : " %s", o->arg);
}

static int put_option(struct buf *b, const struct opt *o)
{
	size_t start = b->n;

	if (put_option_head(b, o))
		return -1;
	if (b->n - start >= HELP_COLUMN - 1) {
		if (buf_printf(b, "\n%*s", HELP_COLUMN, ""))
			return -1;
	} else if (buf_printf(b, "%*s", (int)(HELP_COLUMN - (b->n - start)), "")) {
		return -1;
	}
	return buf_printf(b, "%s\n", o->help);
}

static int put_group(struct buf *b, const struct opt *group)
{
	const char *title = group == opts_read ? "Reading" : group == opts_write ? "Writing" : group == opts_common ? "Common" : "Options";

	if (!group->name)
		return 0;
	if (buf_printf(b, "\n%s:\n", title))
		return -1;
	for (; group->name; group++)
		if (put_option(b, group))
			return -1;
	return 0;
}

static const char *command_prefix(const struct tool *t)
{
	return strcmp(t->name, "fanout") == 0 ? "" : "stook ";
}

int opt_help(const struct tool *t, struct buf *b)
{
	if (buf_printf(b, "Usage: %s%s [OPTIONS] %s\n%s\n", command_prefix(t), t->name, t->operands, t->summary))
		return -1;
	for (int g = 0; t->groups[g]; g++)
		if (put_group(b, t->groups[g]))
			return -1;
	if (t->list && t->list(b))
		return -1;
	if (!t->examples || !t->examples->command)
		return 0;
	if (buf_puts(b, "\nExamples:\n"))
		return -1;
	for (const struct example *x = t->examples; x->command; x++)
		if (buf_printf(b, "  %s\n      %s\n", x->command, x->text))
			return -1;
	return 0;
}

/* Text for mdoc: a line must not begin with a control character, backslashes are written \e, hyphens in literals stay. */
static int put_mdoc(struct buf *b, const char *text)
{
	bool start = true;

	for (const char *c = text; *c; c++) {
		int rc = 0;

		if (start && (*c == '.' || *c == '\''))
			rc = buf_puts(b, "\\&");
		if (!rc)
			rc = *c == '\\' ? buf_puts(b, "\\e") : buf_byte(b, (uint8_t)*c);
		if (rc)
			return -1;
		start = *c == '\n';
	}
	return 0;
}

/* Prose that may hold mdoc lines of its own: a sentence begins a line, as mdoc wants it. */
static int put_sentences(struct buf *b, const char *text)
{
	bool macro = text[0] == '.';

	for (const char *c = text; *c; c++) {
		if (!macro && c > text && *c == ' ' && strchr(".?!", c[-1]) && c[1] >= 'A' && c[1] <= 'Z') {
			if (buf_byte(b, '\n'))
				return -1;
			continue;
		}
		if (buf_byte(b, (uint8_t)*c))
			return -1;
		if (*c == '\n')
			macro = c[1] == '.';
	}
	return 0;
}

static int put_mdoc_option(struct buf *b, const struct opt *o)
{
	if (buf_puts(b, ".It "))
		return -1;
	if (o->letter && buf_printf(b, "Fl %c , ", o->letter))
		return -1;
	if (buf_printf(b, "Fl -%s", o->name))
		return -1;
	if (o->arg && (buf_puts(b, " Ar ") || put_mdoc(b, o->arg)))
		return -1;
	return buf_byte(b, '\n') || put_mdoc(b, o->help) || buf_puts(b, ".\n") ? -1 : 0;
}

static int put_mdoc_options(struct buf *b, const struct tool *t)
{
	if (buf_puts(b, ".Sh OPTIONS\n.Bl -tag -width Ds\n"))
		return -1;
	for (int g = 0; t->groups[g]; g++)
		for (const struct opt *o = t->groups[g]; o->name; o++)
			if (put_mdoc_option(b, o))
				return -1;
	return buf_puts(b, ".El\n");
}

static int put_mdoc_examples(struct buf *b, const struct tool *t)
{
	if (!t->examples || !t->examples->command)
		return 0;
	if (buf_puts(b, ".Sh EXAMPLES\n"))
		return -1;
	for (const struct example *x = t->examples; x->command; x++)
		if ((x != t->examples && buf_puts(b, ".Pp\n")) || put_sentences(b, x->text) || buf_puts(b, "\n.Bd -literal -offset indent\n") ||
		    put_mdoc(b, x->command) || buf_puts(b, "\n.Ed\n"))
			return -1;
	return 0;
}

static const char mdoc_run[] =
	".Sh PROGRESS\n"
	"After a second, a line on the terminal says how far the run is: bytes read, of how many when all inputs are files, records,\n"
	"rate and time left.\n"
	"It is shown when standard error is a terminal and the output is a file, or goes to the terminal and has not begun.\n"
	"A stage that writes to a pipe is silent, so a pipeline has one line, that of its last stage.\n"
	".Fl -progress\n"
	"shows it there too, and as one line a second where standard error is no terminal;\n"
	".Fl q\n"
	"hides it.\n"
	".Pp\n"
	".Fl -stats\n"
	"writes one JSON object when the run has ended, well or not: tool, status (the exit status), rows_in and rows_out, bad_records (passed over), bytes_in\n"
	"(of input files and pipes as they are, compressed or not), bytes_out (as written), spills and spilled_bytes (temporary files),\n"
	"seconds, peak_bytes (memory).\n"
	"Its file is created before the run begins and appears when it has ended; wrong usage leaves none.\n";

static const char mdoc_status[] =
	".Sh EXIT STATUS\n"
	".Bl -tag -width Ds -compact\n"
	".It 0\ndone, also when the reader of the output closed early\n"
	".It 1\nthe answer is no\n"
	".It 64\nwrong usage: option, field, format or program\n"
	".It 65\nbad data\n"
	".It 66\nno input\n"
	".It 69\nno host or helper reachable\n"
	".It 70\na bug\n"
	".It 71\nout of memory or descriptors\n"
	".It 73\nan output cannot be created\n"
	".It 74\nreading or writing failed\n"
	".It 75\nthe result is partial; a retry makes sense\n"
	".It 76\nthe input ended early or is not a valid stream\n"
	".It 77\npermission or host key\n"
	".El\n";

static int put_mdoc_run(struct buf *b, const struct tool *t)
{
	return *command_prefix(t) ? buf_puts(b, mdoc_run) : 0;
}

int opt_man(const struct tool *t, struct buf *b)
{
	const char *prefix = *command_prefix(t) ? "stook-" : "";

	if (buf_printf(b, ".Dd November 21, 2026\n.Dt %s%s 1\n.Os stook\n.Sh NAME\n.Nm %s%s\n.Nd ", prefix, t->name, prefix, t->name))
		return -1;
	if (put_mdoc(b, t->summary) || buf_printf(b, "\n.Sh SYNOPSIS\n.Nm %s%s\n.Op Ar OPTIONS\n.Ar ", command_prefix(t), t->name) ||
	    put_mdoc(b, t->operands) || buf_puts(b, "\n.Sh DESCRIPTION\n"))
		return -1;
	if ((t->description && put_sentences(b, t->description)) || (t->describe && t->describe(b)))
		return -1;
	return put_mdoc_options(b, t) || put_mdoc_run(b, t) || buf_puts(b, mdoc_status) || put_mdoc_examples(b, t) ? -1 : 0;
}

static int put_words(struct buf *b, const struct tool *t)
{
	for (int g = 0; t->groups[g]; g++)
		for (const struct opt *o = t->groups[g]; o->name; o++)
			if (buf_printf(b, " --%s", o->name) || (o->letter && buf_printf(b, " -%c", o->letter)))
				return -1;
	return 0;
}

int opt_complete(const struct tool *const *tools, struct buf *b)
{
	if (buf_puts(b, "# bash completion for stook; generated from the option tables\n"
			"_stook() {\n"
			"\tlocal tool=\"${COMP_WORDS[1]}\" words= cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
			"\tcase \"${COMP_WORDS[0]##*/}\" in stook-*) tool=\"${COMP_WORDS[0]##*/stook-}\" ;; fanout) tool=fanout ;; esac\n"
			"\tif [ \"$COMP_CWORD\" -eq 1 ] && [ \"${COMP_WORDS[0]##*/}\" = stook ]; then\n\t\twords=\""))
		return -1;
	for (int i = 0; tools[i]; i++)
		if (buf_printf(b, "%s ", tools[i]->name))
			return -1;
	if (buf_puts(b, "\"\n\telif [ \"${cur#-}\" != \"$cur\" ]; then\n\t\tcase \"$tool\" in\n"))
		return -1;
	for (int i = 0; tools[i]; i++)
		if (buf_printf(b, "\t\t%s) words=\"", tools[i]->name) || put_words(b, tools[i]) || buf_puts(b, "\" ;;\n"))
			return -1;
	if (buf_puts(b, "\t\tesac\n\telse\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\t\treturn\n\tfi\n"
			"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o filenames -F _stook stook fanout"))
		return -1;
	for (int i = 0; tools[i]; i++)
		if (strcmp(tools[i]->name, "fanout") != 0 && buf_printf(b, " stook-%s", tools[i]->name))
			return -1;
	return buf_byte(b, '\n');
}
