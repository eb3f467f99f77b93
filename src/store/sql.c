/* WHAT    One pass over the tokens of a statement (sql_int.h).
 * WHY     libchdb has no input stream for "INSERT … FORMAT X" inside chdb_query: binary data behind
 *         FORMAT was cut at a ';'. So the head and the data are separated here, and the data goes
 *         through chdb_stream_insert. And three things work on the client side of the engine, where
 *         its grants do not look: INTO OUTFILE, FROM INFILE, and the scalar function file().
 * INVARIANTS  a refusal may be too wide (a table function named like a scalar one), never too
 *         narrow: names are compared without case and also when they are quoted. */
#include "store/sql_int.h"

enum token_kind {
    T_END,
    T_WORD,   /* bare word */
    T_QUOTED, /* "x" or `x`; text is inside the quotes */
    T_STRING,
    T_NUMBER,
    T_OPEN,
    T_CLOSE,
    T_SEMICOLON,
    T_EQUALS,
    T_OTHER,
};
struct token {
    enum token_kind kind;
    struct slice text;
    size_t at;
    size_t end;
};
struct lexer {
    struct slice text;
    size_t at;
};

static bool is_word_first(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(unsigned char c)
{
    return is_word_first(c) || is_digit(c) || c == '$';
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static unsigned char byte_at(const struct lexer *l, size_t at)
{
    return at < l->text.len ? (unsigned char)l->text.data[at] : 0;
}

static size_t find(struct slice text, size_t from, struct slice what)
{
    if (from >= text.len || what.len == 0)
        return text.len;
    const void *hit = memmem(text.data + from, text.len - from, what.data, what.len);
    return hit ? (size_t)((const char *)hit - text.data) : text.len;
}

/* End of the comment that begins at `at`, or `at` if none does. */
static size_t skip_comment(const struct lexer *l, size_t at)
{
    unsigned char c = byte_at(l, at), next = byte_at(l, at + 1);
    if (c == '/' && next == '*') {
        size_t end = find(l->text, at + 2, SLICE_LIT("*/"));
        return end < l->text.len ? end + 2 : l->text.len;
    }
    if ((c == '-' && next == '-') || (c == '#' && (next == ' ' || next == '!')))
        return find(l->text, at, SLICE_LIT("\n"));
    return at;
}

static void skip_blank(struct lexer *l)
{
    for (;;) {
        while (l->at < l->text.len && is_space(byte_at(l, l->at)))
            l->at++;
        /* no-break space and byte order mark count as white space in ClickHouse */
        if (byte_at(l, l->at) == 0xC2 && byte_at(l, l->at + 1) == 0xA0) {
            l->at += 2;
            continue;
        }
        if (byte_at(l, l->at) == 0xEF && byte_at(l, l->at + 1) == 0xBB &&
            byte_at(l, l->at + 2) == 0xBF) {
            l->at += 3;
            continue;
        }
        size_t end = skip_comment(l, l->at);
        if (end == l->at)
            return;
        l->at = end;
    }
}

static struct token quoted(struct lexer *l, enum token_kind kind, char quote)
{
    size_t from = l->at++;
    size_t in = l->at;
    while (l->at < l->text.len) {
        char c = l->text.data[l->at];
        if (c == '\\') {
            l->at += 2;
        } else if (c == quote) {
            if (byte_at(l, l->at + 1) != (unsigned char)quote)
                break;
            l->at += 2;
        } else {
            l->at++;
        }
    }
    if (l->at > l->text.len)
        l->at = l->text.len;
    struct slice inside = slice_of(l->text.data + in, l->at - in);
    if (l->at < l->text.len)
        l->at++;
    return (struct token){kind, inside, from, l->at};
}

/* $tag$ … $tag$; a lone '$' is just a symbol. */
static bool heredoc(struct lexer *l, struct token *ret)
{
    size_t at = l->at + 1;
    while (is_word(byte_at(l, at)) && byte_at(l, at) != '$')
        at++;
    if (byte_at(l, at) != '$')
        return false;
    struct slice tag = slice_of(l->text.data + l->at, at + 1 - l->at);
    size_t end = find(l->text, at + 1, tag);
    if (end == l->text.len)
        return false;
    *ret = (struct token){T_STRING, slice_of(l->text.data + at + 1, end - at - 1), l->at,
                          end + tag.len};
    l->at = end + tag.len;
    return true;
}

/* Typographic quotes: U+2018 … U+2019 is a string, U+201C … U+201D a quoted name. */
static bool curly(struct lexer *l, struct token *ret)
{
    if (byte_at(l, l->at) != 0xE2 || byte_at(l, l->at + 1) != 0x80)
        return false;
    unsigned char third = byte_at(l, l->at + 2);
    if (third != 0x98 && third != 0x9C)
        return false;
    struct slice close = third == 0x98 ? SLICE_LIT("\xE2\x80\x99") : SLICE_LIT("\xE2\x80\x9D");
    size_t end = find(l->text, l->at + 3, close);
    size_t after = end < l->text.len ? end + 3 : end;
    *ret = (struct token){third == 0x98 ? T_STRING : T_QUOTED,
                          slice_of(l->text.data + l->at + 3, end - l->at - 3), l->at, after};
    l->at = after;
    return true;
}

static enum token_kind symbol_kind(char c)
{
    switch (c) {
    case '(':
        return T_OPEN;
    case ')':
        return T_CLOSE;
    case ';':
        return T_SEMICOLON;
    case '=':
        return T_EQUALS;
    default:
        return T_OTHER;
    }
}

static struct token next_token(struct lexer *l)
{
    skip_blank(l);
    if (l->at >= l->text.len)
        return (struct token){.kind = T_END, .at = l->text.len, .end = l->text.len};
    size_t from = l->at;
    char c = l->text.data[from];
    struct token special;
    if (c == '\'')
        return quoted(l, T_STRING, c);
    if (c == '"' || c == '`')
        return quoted(l, T_QUOTED, c);
    if ((c == '$' && heredoc(l, &special)) || curly(l, &special))
        return special;
    if (is_word((unsigned char)c) && c != '$') {
        while (is_word(byte_at(l, l->at)))
            l->at++;
        return (struct token){is_digit((unsigned char)c) ? T_NUMBER : T_WORD,
                              slice_of(l->text.data + from, l->at - from), from, l->at};
    }
    l->at++;
    return (struct token){symbol_kind(c), slice_of(l->text.data + from, 1), from, l->at};
}

static bool is_keyword(struct token t, const char *keyword)
{
    return t.kind == T_WORD && slice_eq_nocase(t.text, slice_str(keyword));
}

static bool is_name(struct token t)
{
    return t.kind == T_WORD || t.kind == T_QUOTED;
}

static bool is_in(struct slice name, const char *const *list)
{
    for (; *list; list++)
        if (slice_eq_nocase(name, slice_str(*list)))
            return true;
    return false;
}

/* Reach outside the tables although the engine's grants would let them pass (file), or should the
 * grants ever fail (the rest). */
static const char *const refused_functions[] = {"file",
                                                "filecluster",
                                                "filesystem",
                                                "executable",
                                                "catboostevaluate",
                                                "python",
                                                "arrowstream",
                                                "sqlite",
                                                "jdbc",
                                                "odbc",
                                                "hive",
                                                "url",
                                                "urlcluster",
                                                "s3",
                                                "s3cluster",
                                                "gcs",
                                                "hdfs",
                                                "hdfscluster",
                                                "azureblobstorage",
                                                "azureblobstoragecluster",
                                                "mysql",
                                                "postgresql",
                                                "mongodb",
                                                "redis",
                                                "deltalake",
                                                "deltalakelocal",
                                                "iceberg",
                                                "iceberglocal",
                                                "hudi",
                                                "paimon",
                                                "paimonlocal",
                                                "remote",
                                                "remotesecure",
                                                "ytsaurus",
                                                "arrowflight",
                                                NULL};

static const char *const allowed_engines[] = {"MergeTree",
                                              "ReplacingMergeTree",
                                              "SummingMergeTree",
                                              "AggregatingMergeTree",
                                              "CollapsingMergeTree",
                                              "VersionedCollapsingMergeTree",
                                              "CoalescingMergeTree",
                                              "GraphiteMergeTree",
                                              "Memory",
                                              "Null",
                                              "Log",
                                              "TinyLog",
                                              "StripeLog",
                                              "View",
                                              "MaterializedView",
                                              "Merge",
                                              "Buffer",
                                              "Set",
                                              "Join",
                                              "GenerateRandom",
                                              "Atomic",
                                              "Replacing",
                                              NULL};

bool sql_function_reaches_out(struct slice name)
{
    return is_in(name, refused_functions);
}

static const char *check(struct token t, struct token next)
{
    if (is_name(t) && next.kind == T_OPEN && sql_function_reaches_out(t.text))
        return "functions that read or write outside the tables are not available";
    /* A backslash could spell a refused name in a way that only the engine understands. */
    if (t.kind == T_QUOTED && next.kind == T_OPEN && memchr(t.text.data, '\\', t.text.len))
        return "escapes in the name of a function are not available";
    if (is_keyword(t, "OUTFILE") || is_keyword(t, "INFILE"))
        return "INTO OUTFILE and FROM INFILE are not available";
    return NULL;
}

struct scan_state {
    struct sql_scan *out;
    struct lexer lexer;
    uint32_t depth;
    bool is_insert;
    bool is_create;
    bool is_after_engine; /* ENGINE or ENGINE = was just seen */
};

static const char *check_engine(struct scan_state *s, struct token t)
{
    if (s->is_create && s->depth == 0 && is_keyword(t, "ENGINE")) {
        s->is_after_engine = true;
        return NULL;
    }
    if (!s->is_after_engine || t.kind == T_EQUALS)
        return NULL;
    s->is_after_engine = false;
    if (!is_name(t) || !is_in(t.text, allowed_engines))
        return "this table or database engine is not available";
    return NULL;
}

/* Data of INSERT … FORMAT x: blanks up to and with one line end belong to the statement. */
static size_t data_start(struct slice text, size_t at)
{
    while (at < text.len &&
           (text.data[at] == ' ' || text.data[at] == '\t' || text.data[at] == '\f'))
        at++;
    if (at < text.len && text.data[at] == '\r')
        at++;
    if (at < text.len && text.data[at] == '\n')
        at++;
    return at;
}

/* The token that ends the head of an INSERT; true if the scan is done. */
static bool scan_insert(struct scan_state *s, struct token t, struct token next)
{
    struct sql_scan *out = s->out;
    if (s->depth > 0)
        return false;
    if (is_keyword(t, "FORMAT") && next.kind == T_WORD) {
        out->kind = SQL_INSERT_DATA;
        out->head_len = t.at;
        out->format = next.text;
        out->data_at = data_start(s->lexer.text, next.end);
        return true;
    }
    if (is_keyword(t, "VALUES")) {
        out->kind = SQL_INSERT_DATA;
        out->is_values = true;
        out->head_len = t.at;
        out->format = SLICE_LIT("Values");
        out->data_at = t.end;
    } else if (is_keyword(t, "SELECT") || is_keyword(t, "WITH")) {
        out->kind = SQL_INSERT_SELECT;
    }
    return false;
}

static void scan_token(struct scan_state *s, struct token t, struct token next)
{
    struct sql_scan *out = s->out;
    if (!out->refused)
        out->refused = check(t, next);
    if (!out->refused)
        out->refused = check_engine(s, t);
    if (t.kind == T_OPEN)
        s->depth++;
    if (t.kind == T_CLOSE && s->depth > 0)
        s->depth--;
    if (t.kind == T_SEMICOLON && s->depth == 0 && !out->is_values) {
        if (next.kind == T_END)
            out->end = t.at;
        else if (next.kind != T_SEMICOLON)
            out->is_multi = true;
    }
    if (!s->is_insert && s->depth == 0 && is_keyword(t, "FORMAT") && is_name(next))
        out->format = next.text;
}

static void scan_first(struct scan_state *s, struct token t)
{
    s->is_insert = is_keyword(t, "INSERT");
    s->is_create = is_keyword(t, "CREATE") || is_keyword(t, "ATTACH") || is_keyword(t, "REPLACE") ||
                   is_keyword(t, "EXPLAIN");
    s->out->is_explain = is_keyword(t, "EXPLAIN");
}

struct sql_scan sql_scan(struct slice text)
{
    struct sql_scan out = {
        .kind = SQL_OTHER, .end = text.len, .head_len = text.len, .data_at = text.len};
    struct scan_state s = {.out = &out, .lexer = {text, 0}};
    struct token t = next_token(&s.lexer);
    if (t.kind == T_END) {
        out.kind = SQL_EMPTY;
        return out;
    }
    scan_first(&s, t);
    while (t.kind != T_END) {
        struct token next = next_token(&s.lexer);
        scan_token(&s, t, next);
        bool is_open = s.is_insert && out.kind == SQL_OTHER;
        if (is_open && scan_insert(&s, t, next))
            return out;
        t = next;
    }
    if (s.is_insert && out.kind == SQL_OTHER) { /* "INSERT INTO t": the data is in the body */
        out.kind = SQL_INSERT_DATA;
        out.head_len = out.end;
        out.format = SLICE_LIT("Values");
        out.data_at = text.len;
    }
    return out;
}

bool sql_is_select(struct slice text)
{
    struct lexer l = {text, 0};
    struct token t = next_token(&l);
    while (t.kind == T_OPEN)
        t = next_token(&l);
    return is_keyword(t, "SELECT") || is_keyword(t, "WITH");
}
