/* One pass over the text. A word is collected in `word`; `in_word` tells an empty quoted word from none. */
#include "fanout/lex.h"

struct lexer {
	struct str text;
	size_t at;
	struct arena *a;
	struct words *stages;
	int nstages;
	struct buf word;
	bool in_word, line_ended;
	char *pending[LEX_WORDS];
	int npending;
	struct err *e;
};

static int refuse(struct lexer *l, const char *what, const char *hint)
{
	err_set(l->e, ST_USAGE, "pipeline, at character %zu: %s", l->at + 1, what);
	return err_hint(l->e, "%s", hint);
}

static int peek(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->text.n ? (unsigned char)l->text.p[l->at + ahead] : -1;
}

static int add_char(struct lexer *l, int c)
{
	l->in_word = true;
	return c == 0 ? refuse(l, "a zero byte", "a pipeline is text") : buf_byte(&l->word, (uint8_t)c) ? err_oom(l->e) : 0;
}

static int end_word(struct lexer *l)
{
	char *copy;

	if (!l->in_word)
		return 0;
	if (l->line_ended && l->npending)
		return refuse(l, "a line break ended the command before this word", "end the line with | or with \\");
	l->line_ended = false;
	if (l->npending == LEX_WORDS)
		return refuse(l, "too many words", "a stage has at most 4096");
	copy = arena_strdup(l->a, buf_view(&l->word));
	if (!copy)
		return err_oom(l->e);
	l->pending[l->npending++] = copy;
	l->word.n = 0;
	l->in_word = false;
	return 0;
}

static int end_stage(struct lexer *l)
{
	char **v;

	if (end_word(l) < 0)
		return -l->e->status;
	if (l->npending == 0)
		return refuse(l, "a stage is empty", "write stook TOOL ... | stook TOOL ...");
	if (l->nstages == LEX_STAGES)
		return refuse(l, "too many stages", "a pipeline has at most 32");
	v = arena_array(l->a, char *, (size_t)l->npending + 1);
	if (!v)
		return err_oom(l->e);
	memcpy(v, l->pending, (size_t)l->npending * sizeof *v);
	l->stages[l->nstages++] = (struct words){ l->npending, v };
	l->npending = 0;
	l->line_ended = false;
	return 0;
}

static bool expands(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c > 0 && strchr("_({*@#?$!-", c));
}

static int refuse_expansion(struct lexer *l)
{
	return refuse(l, peek(l, 0) == '`' ? "a command substitution" : "a shell variable or substitution",
		      "fanout does not expand; put single quotes around it, or write the value");
}

static int single_quoted(struct lexer *l)
{
	l->in_word = true;
	for (l->at++; peek(l, 0) != '\''; l->at++) {
		if (peek(l, 0) < 0)
			return refuse(l, "a single quote is not closed", "close it");
		if (add_char(l, peek(l, 0)) < 0)
			return -l->e->status;
	}
	l->at++;
	return 0;
}

static int double_quoted(struct lexer *l)
{
	l->in_word = true;
	for (l->at++; peek(l, 0) != '"'; l->at++) {
		int c = peek(l, 0);

		if (c < 0)
			return refuse(l, "a double quote is not closed", "close it");
		if (c == '`' || (c == '$' && expands(peek(l, 1))))
			return refuse_expansion(l);
		if (c == '\\' && peek(l, 1) == '\n') {
			l->at++;
			continue;
		}
		if (c == '\\' && peek(l, 1) > 0 && strchr("$`\"\\", peek(l, 1)))
			c = peek(l, 0 + 1), l->at++;
		if (add_char(l, c) < 0)
			return -l->e->status;
	}
	l->at++;
	return 0;
}

static int backslash(struct lexer *l)
{
	int c = peek(l, 1);

	if (c < 0)
		return refuse(l, "a backslash at the end", "remove it");
	l->at += 2;
	return c == '\n' ? 0 : add_char(l, c);
}

static int special(struct lexer *l, int c)
{
	if (c == '>' || c == '<')
		return refuse(l, "a redirection", "use -o FILE to write and file operands to read");
	if (c == '&' || c == ';' || c == '(' || c == ')')
		return refuse(l, "more than a plain pipeline", "fanout takes stages joined by |; quote this character if it is data");
	if (c == '*' || c == '?' || c == '[')
		return refuse(l, "a glob that sh would expand", "put quotes around it");
	if (c == '`' || (c == '$' && (expands(peek(l, 1)) || peek(l, 1) == '\'' || peek(l, 1) == '"')))
		return refuse_expansion(l);
	if (c == '~' && !l->in_word)
		return refuse(l, "a ~ that sh would expand", "write the folder's name, or quote it");
	l->at++;
	return add_char(l, c);
}

static void skip_comment(struct lexer *l)
{
	while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
		l->at++;
}

static int step(struct lexer *l)
{
	int c = peek(l, 0), rc;

	switch (c) {
	case ' ':
	case '\t':
	case '\r':
		rc = end_word(l);
		l->at++;
		return rc;
	case '\n':
		rc = end_word(l);
		l->line_ended = l->npending > 0;
		l->at++;
		return rc;
	case '|':
		if (peek(l, 1) == '|' || peek(l, 1) == '&')
			return refuse(l, "more than a plain pipeline", "fanout takes stages joined by |");
		rc = end_stage(l);
		l->at++;
		return rc;
	case '#':
		if (l->in_word)
			return special(l, c);
		skip_comment(l);
		return 0;
	case '\'':
		return single_quoted(l);
	case '"':
		return double_quoted(l);
	case '\\':
		return backslash(l);
	default:
		return special(l, c);
	}
}

int lex_pipeline(struct str text, struct arena *a, struct words stages[LEX_STAGES], struct err *e)
{
	struct lexer *l = arena_new(a, struct lexer);
	int rc = 0;

	if (!l)
		return err_oom(e);
	l->text = text;
	l->a = a;
	l->stages = stages;
	l->e = e;
	while (rc >= 0 && l->at < text.n)
		rc = step(l);
	if (rc >= 0)
		rc = end_stage(l);
	buf_free(&l->word);
	return rc < 0 ? rc : l->nstages;
}

static bool harmless(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.,:/=@%+", c));
}

int lex_quote(struct buf *b, struct str word)
{
	size_t i = 0;

	while (i < word.n && harmless(word.p[i]))
		i++;
	if (i == word.n && i)
		return buf_str(b, word);
	if (buf_byte(b, '\''))
		return -1;
	for (i = 0; i < word.n; i++)
		if (word.p[i] == '\'' ? buf_puts(b, "'\\''") : buf_byte(b, (uint8_t)word.p[i]))
			return -1;
	return buf_byte(b, '\'');
}
