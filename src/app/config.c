#include "app/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"

enum kind { KIND_STR, KIND_INT, KIND_BOOL, KIND_CHOICE };
enum { FILE_BYTES_MAX = 1 << 20, NAME_MAX_BYTES = 64 };

struct setting {
    const char *name;
    enum kind kind;
    const char *fallback;
    int64_t min, max;
    const char *unit;
    int flags;
    const char *doc;
    size_t at;
};

static const struct setting settings[] = {
#define S(field, name, kind, def, min, max, unit, flags, doc) \
    {name, KIND_##kind, def, min, max, unit, flags, doc, offsetof(struct config, field)},
#include "app/config.def"
#undef S
};

static char fold(char c)
{
    if (c == '.' || c == '-')
        return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool name_eq(struct slice a, const char *b)
{
    if (a.len != strlen(b))
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.data[i]) != fold(b[i]))
            return false;
    return true;
}

static const struct setting *find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (name_eq(name, settings[i].name))
            return &settings[i];
    return NULL;
}

/* Levenshtein distance, names are short. */
static size_t distance(struct slice a, const char *b)
{
    size_t n = strlen(b), row[NAME_MAX_BYTES + 1];
    if (a.len > NAME_MAX_BYTES || n > NAME_MAX_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (fold(a.data[i - 1]) != fold(b[j - 1]));
            size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best < change ? best : change;
        }
    }
    return row[n];
}

static const char *nearest(struct slice name)
{
    const char *best = settings[0].name;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        size_t d = distance(name, settings[i].name);
        if (d < best_distance) {
            best_distance = d;
            best = settings[i].name;
        }
    }
    return best;
}

static bool parse_int(struct slice text, int64_t *ret_value)
{
    int64_t value, unit = 1;
    if (text.len > 1) {
        char last = fold(text.data[text.len - 1]);
        unit = last == 'k' ? 1 << 10 : last == 'm' ? 1 << 20 : last == 'g' ? 1 << 30 : 1;
        if (unit > 1)
            text.len--;
    }
    return slice_to_i64(text, &value) && !__builtin_mul_overflow(value, unit, ret_value);
}

static bool is_choice(const struct setting *s, struct slice value)
{
    struct slice rest = slice_str(s->doc);
    rest.len = strcspn(s->doc, ": ");
    while (rest.len)
        if (slice_eq(slice_cut(&rest, '|'), value))
            return true;
    return false;
}

_Static_assert(COUNT_OF(settings) <= COUNT_OF(((struct config *)0)->owned_),
               "one slot per setting");

static const char *own(struct config *cfg, const struct setting *s, struct slice value)
{
    char **slot = &cfg->owned_[s - settings];
    char *copy = heap_strndup(HEAP_APP, value.data, value.len);
    heap_free(*slot);
    return *slot = copy;
}

static void *field(const struct config *cfg, const struct setting *s)
{
    return (char *)(uintptr_t)cfg + s->at;
}

static enum rc set(struct config *cfg, const struct setting *s, struct slice value,
                   const char *where, struct err *err)
{
    void *to = field(cfg, s);
    switch (s->kind) {
    case KIND_CHOICE:
        if (!is_choice(s, value))
            return err_set(err, RC_INVALID, "%s: %s is one of %.*s, not '%.*s'", where, s->name,
                           (int)strcspn(s->doc, ": "), s->doc, SLICE_ARG(value));
        *(const char **)to = own(cfg, s, value);
        return RC_OK;
    case KIND_STR:
        if (value.len && memchr(value.data, '\0', value.len))
            return err_set(err, RC_INVALID, "%s: %s holds a NUL byte", where, s->name);
        if (value.len > CONFIG_TEXT_BYTES_MAX)
            return err_set(err, RC_LIMIT, "%s is %zu bytes long; at most %d are possible", s->name,
                           value.len, CONFIG_TEXT_BYTES_MAX);
        *(const char **)to = own(cfg, s, value);
        return RC_OK;
    case KIND_INT: {
        int64_t number;
        if (!parse_int(value, &number) || number < s->min || number > s->max)
            return err_set(err, RC_INVALID,
                           "%s: %s is a number from %lld to %lld%s%s (K, M, G allowed), not '%.*s'",
                           where, s->name, (long long)s->min, (long long)s->max,
                           *s->unit ? " " : "", s->unit, SLICE_ARG(value));
        *(int64_t *)to = number;
        return RC_OK;
    }
    case KIND_BOOL:
        if (!slice_eq_str(value, "true") && !slice_eq_str(value, "false"))
            return err_set(err, RC_INVALID, "%s: %s is true or false, not '%.*s'", where, s->name,
                           SLICE_ARG(value));
        *(bool *)to = slice_eq_str(value, "true");
        return RC_OK;
    }
    must_not_reach("setting kind");
}

void config_defaults(struct config *cfg)
{
    *cfg = (struct config){.file = NULL};
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        must(set(cfg, &settings[i], slice_str(settings[i].fallback), "default", NULL) == RC_OK);
}

void config_done(struct config *cfg)
{
    for (size_t i = 0; i < COUNT_OF(cfg->owned_); i++)
        heap_free(take_ptr(&cfg->owned_[i]));
}

bool config_is_setting(struct slice name)
{
    return find(name) != NULL;
}

bool config_is_bool(struct slice name)
{
    const struct setting *s = find(name);
    return s && s->kind == KIND_BOOL;
}

enum rc config_set(struct config *cfg, struct slice name, struct slice value, const char *where,
                   struct err *err)
{
    const struct setting *s = find(name);
    if (!s)
        return err_set(err, RC_INVALID, "%s: unknown setting '%.*s'; did you mean '%s'?", where,
                       (int)(name.len > NAME_MAX_BYTES ? NAME_MAX_BYTES : name.len), name.data,
                       nearest(name));
    return set(cfg, s, value, where, err);
}

enum rc config_read_file(struct config *cfg, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    enum rc rc = os_read_file(path, &text, err);
    struct slice rest = buf_slice(&text);
    for (unsigned line = 1; rc == RC_OK && rest.len; line++) {
        struct slice value = slice_cut(&rest, '\n');
        if (value.len && value.data[value.len - 1] == '\r')
            value.len--;
        value = slice_trim(value);
        if (value.len == 0 || value.data[0] == '#')
            continue;
        char where[OS_PATH_MAX + 16];
        snprintf(where, sizeof(where), "%s:%u", path, line);
        if (!memchr(value.data, '=', value.len)) {
            rc = err_set(err, RC_INVALID, "%s: a line reads 'name = value'", where);
            break;
        }
        struct slice name = slice_trim(slice_cut(&value, '='));
        rc = config_set(cfg, name, slice_trim(value), where, err);
    }
    buf_done(&text);
    return rc;
}

enum rc config_read_env(struct config *cfg, char *const *env, struct err *err)
{
    for (; *env; env++) {
        struct slice value = slice_str(*env);
        struct slice name = slice_cut(&value, '=');
        if (!slice_has_prefix(name, SLICE_LIT("WEIR_")))
            continue;
        name = slice_sub(name, 5);
        /* WEIR_TEST_… and variables of other tools may exist: only known names are settings, but a
         * near miss would be a silent fallback. */
        if (!find(name)) {
            if (distance(name, nearest(name)) <= 2)
                return config_set(cfg, name, value, "environment", err);
            continue;
        }
        TRY(config_set(cfg, name, value, "environment", err));
    }
    return RC_OK;
}

static void add_value(struct buf *out, const struct config *cfg, const struct setting *s)
{
    const void *from = field(cfg, s);
    if (s->kind == KIND_INT)
        buf_add_i64(out, *(const int64_t *)from);
    else if (s->kind == KIND_BOOL)
        buf_add_str(out, *(const bool *)from ? "true" : "false");
    else if ((s->flags & CONFIG_SECRET) && **(const char *const *)from)
        buf_add_str(out, "***");
    else
        buf_add_str(out, *(const char *const *)from);
}

void config_dump(const struct config *cfg, struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        buf_addf(out, "%s = ", settings[i].name);
        add_value(out, cfg, &settings[i]);
        buf_add_char(out, '\n');
    }
}

void config_help(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        buf_addf(out, "  --%-30s %s", s->name, s->doc);
        if (*s->fallback)
            buf_addf(out, " [%s%s%s]", s->fallback, *s->unit ? " " : "", s->unit);
        buf_add_char(out, '\n');
    }
}

void config_markdown(struct buf *out)
{
    buf_add_str(out, "# Settings\n\nMade by `weir serve --help=markdown`; do not edit. As a flag "
                     "`--stream.ack fsync`, as a "
                     "variable `WEIR_STREAM_ACK=fsync`, in a file (`--config FILE`) `stream.ack = "
                     "fsync`. Later sources "
                     "win: default, file, environment, flag. ↻ = re-read on SIGHUP.\n\n"
                     "| setting | default | range | what |\n|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        buf_addf(out, "| `%s`%s | %s%s%s%s | ", s->name, s->flags & CONFIG_RELOAD ? " ↻" : "",
                 *s->fallback ? "`" : "", s->fallback, *s->fallback ? "` " : "", s->unit);
        if (s->kind == KIND_INT)
            buf_addf(out, "%lld … %lld", (long long)s->min, (long long)s->max);
        buf_add_str(out, " | ");
        for (const char *c = s->doc; *c; c++)
            buf_add_str(out, *c == '|' ? "\\|" : (char[2]){*c, '\0'});
        buf_add_str(out, " |\n");
    }
}

enum rc config_reload(struct config *cfg, const struct config *fresh, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        if (!(s->flags & CONFIG_RELOAD))
            continue;
        must(s->kind == KIND_STR || s->kind == KIND_CHOICE);
        const char *value = *(const char *const *)field(fresh, s);
        if (strcmp(value, *(const char *const *)field(cfg, s)) != 0)
            TRY(set(cfg, s, slice_str(value), "reload", err));
    }
    return RC_OK;
}
