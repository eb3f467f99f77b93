/* cli_admin.h, and the verbs init and version. */
#include "app/cli_admin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "app/node.h"
#include "app/version.h"
#include "base/must.h"
#include "base/os.h"
#include "codec/json.h"

enum {
    REASON_BYTES_MAX = 1024,
    OUT_BYTES_MAX = 256 << 20,
    OBJECT_BYTES_MAX = 1 << 20,
    PATCH_BYTES_MAX = 64 << 10
};

int verb_version(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    printf(is_json ? "{\"version\":\"%s\"}\n" : "weir %s\n", WEIR_VERSION);
    return 0;
}

enum rc admin_state_open(const struct config *cfg, bool is_made, struct state **ret_state,
                         struct tenant **ret_tenant, struct err *err)
{
    char path[OS_PATH_MAX];
    os_path(path, "%s/state.db", cfg->data);
    if (is_made)
        TRY(os_mkdirs(cfg->data, err));
    else if (!os_exists(path))
        return err_set(err, RC_NOTFOUND, "%s is no data folder of weir: run weir init --data %s",
                       cfg->data, cfg->data);
    TRY(state_open(path, ret_state, err));
    enum rc rc = tenant_open(*ret_state, ret_tenant, err);
    if (rc != RC_OK) {
        state_close(*ret_state);
        *ret_state = NULL;
    }
    return rc;
}

/* ---- options and words ---- */
struct option_text {
    const char *name, *value;
};
static const struct option_text option_texts[ADMIN_OPTION_COUNT] = {
#define X(id, name, value) [ADMIN_##id] = {name, value},
    ADMIN_OPTIONS(X)
#undef X
};
static const char password_stdin[] = "password-stdin";

/* The next of action->options. */
static bool option_next(struct slice *rest, struct slice *ret_name, bool *ret_is_needed)
{
    if (!rest->len)
        return false;
    struct slice word = slice_cut(rest, ' ');
    *ret_is_needed = word.data[0] != '[';
    *ret_name = *ret_is_needed ? word : slice_of(word.data + 1, word.len - 2);
    return true;
}

static bool option_takes(const struct admin_action *action, const char *name)
{
    struct slice rest = slice_str(action->options), word;
    bool is_needed;
    if (action->kind == ADMIN_CHANGES && strcmp(name, option_texts[ADMIN_REASON].name) == 0)
        return true;
    while (option_next(&rest, &word, &is_needed))
        if (slice_eq_str(word, name))
            return true;
    return false;
}

static const char *value_text(struct slice name)
{
    for (uint32_t i = 0; i < ADMIN_OPTION_COUNT; i++)
        if (slice_eq_str(name, option_texts[i].name))
            return option_texts[i].value;
    return NULL; /* a flag */
}

static void add_usage(struct buf *out, const char *verb, const struct admin_action *action)
{
    struct slice rest = slice_str(action->options), name;
    bool is_needed;
    buf_addf(out, "weir %s %s%s%s", verb, action->name, *action->args ? " " : "", action->args);
    while (option_next(&rest, &name, &is_needed)) {
        const char *value = value_text(name);
        buf_addf(out, " %s--%.*s%s%s%s", is_needed ? "" : "[", SLICE_ARG(name), value ? " " : "",
                 value ? value : "", is_needed ? "" : "]");
    }
}

static void add_help(struct buf *out, const char *verb_name, const struct admin_verb *verb)
{
    bool is_changing = false;
    buf_addf(out, "usage:\n");
    for (uint32_t i = 0; i < verb->count; i++) {
        buf_add_str(out, "  ");
        add_usage(out, verb_name, &verb->actions[i]);
        buf_addf(out, "\n      %s\n", verb->actions[i].what);
        is_changing = is_changing || verb->actions[i].kind == ADMIN_CHANGES;
    }
    buf_add_str(out, "\nEach takes --data DIR and --json (for scripts)");
    buf_add_str(out, is_changing ? "; what changes something takes --reason TEXT, which\n"
                                   "the audit log keeps with it. Server running or not: it sees "
                                   "changes within a second.\n"
                                 : ".\n");
    buf_add_str(out, verb->note ? verb->note : "");
}

static uint32_t words_of(const char *args, bool *ret_is_open)
{
    struct slice rest = slice_str(args), last = SLICE_EMPTY;
    uint32_t n = 0;
    for (; rest.len; n++)
        last = slice_cut(&rest, ' ');
    static const struct slice more = SLICE_CONST("…");
    *ret_is_open =
        last.len > more.len && memcmp(last.data + last.len - more.len, more.data, more.len) == 0;
    return n;
}

static enum rc find_action(struct admin *a, const struct admin_verb *verb)
{
    const char *name = a->cli.arg_count ? a->cli.args[0] : verb->actions[0].name;
    for (uint32_t i = 0; i < verb->count && !a->action; i++)
        if (strcmp(name, verb->actions[i].name) == 0)
            a->action = &verb->actions[i];
    if (!a->action)
        return err_set(&a->err, RC_INVALID, "there is no 'weir %s %.40s'", a->cli.verb, name);
    a->args = a->cli.args + (a->cli.arg_count ? 1 : 0);
    a->arg_count = (uint32_t)a->cli.arg_count - (a->cli.arg_count ? 1 : 0);
    return RC_OK;
}

/* Every word and option was meant for something: one too many is an error, as a missing one is. */
static enum rc check_words(struct admin *a)
{
    bool is_open, is_needed;
    uint32_t words = words_of(a->action->args, &is_open);
    struct slice rest = slice_str(a->action->options), name;
    if (a->arg_count > words && !is_open)
        return err_set(&a->err, RC_INVALID, "'%.100s' is one word too many", a->args[words]);
    if (a->arg_count < words)
        return err_set(&a->err, RC_INVALID, "needed is %s", a->action->args);
    for (uint32_t i = 0; i < ADMIN_OPTION_COUNT; i++)
        if (a->options[i] && !option_takes(a->action, option_texts[i].name))
            return err_set(&a->err, RC_INVALID, "--%s means nothing for 'weir %s %s'",
                           option_texts[i].name, a->cli.verb, a->action->name);
    if (a->is_password_on_stdin && !option_takes(a->action, password_stdin))
        return err_set(&a->err, RC_INVALID, "--%s means nothing for 'weir %s %s'", password_stdin,
                       a->cli.verb, a->action->name);
    while (option_next(&rest, &name, &is_needed))
        for (uint32_t i = 0; i < ADMIN_OPTION_COUNT; i++)
            if (is_needed && !a->options[i] && slice_eq_str(name, option_texts[i].name))
                return err_set(&a->err, RC_INVALID, "--%s %s is needed", option_texts[i].name,
                               option_texts[i].value);
    if (a->options[ADMIN_REASON] && strlen(a->options[ADMIN_REASON]) > REASON_BYTES_MAX)
        return err_set(&a->err, RC_INVALID, "--reason has at most %d bytes", REASON_BYTES_MAX);
    return RC_OK;
}

static int parse(struct admin *a, const struct admin_verb *verb, int argc, char **argv)
{
    struct cli_option options[ADMIN_OPTION_COUNT + 1];
    CLEANUP(buf_done) struct buf help;
    buf_init(&help, 64 << 10);
    add_help(&help, argv[0], verb);
    for (uint32_t i = 0; i < ADMIN_OPTION_COUNT; i++)
        options[i] = (struct cli_option){option_texts[i].name, NULL, &a->options[i]};
    options[ADMIN_OPTION_COUNT] =
        (struct cli_option){password_stdin, &a->is_password_on_stdin, NULL};
    int code =
        cli_parse(&a->cli, argc, argv, options, COUNT_OF(options), CLI_ARGS_MAX, buf_cstr(&help));
    if (code == 0 && (find_action(a, verb) != RC_OK || check_words(a) != RC_OK))
        code = cli_usage(&a->cli, &a->err);
    return code;
}

static enum rc act(struct admin *a)
{
    if (a->action->kind != ADMIN_OFFLINE)
        TRY(admin_state_open(&a->cli.cfg, false, &a->state, &a->tenant, &a->err));
    if (a->options[ADMIN_REASON])
        cli_ctx()->reason = slice_str(a->options[ADMIN_REASON]);
    return a->action->run(a);
}

static int leave(struct admin *a, enum rc rc)
{
    int code = rc == RC_OK ? 0 : cli_fail(&a->cli, &a->err);
    if (rc == RC_OK)
        cli_print(&a->out);
    tenant_close(a->tenant);
    state_close(a->state);
    admin_wipe(&a->out); /* it may have held a key */
    buf_done(&a->out);
    config_done(&a->cli.cfg);
    return code;
}

int admin_run(const struct admin_verb *verb, int argc, char **argv)
{
    struct admin a = {.err = ERR_INIT};
    int code = parse(&a, verb, argc, argv);
    if (code != 0)
        return code;
    buf_init(&a.out, OUT_BYTES_MAX);
    return leave(&a, act(&a));
}

/* ---- what is meant ---- */
enum rc admin_id(struct admin *a, const char *text, const char *what, struct uuid *ret_id,
                 char ret_text[UUID_TEXT_LEN + 1])
{
    if (!uuid_parse(slice_str(text), ret_id))
        return err_set(&a->err, RC_INVALID, "'%.100s' is no id of %s (weir … ls shows them)", text,
                       what);
    uuid_format(ret_id, ret_text);
    return RC_OK;
}

enum rc admin_find(struct admin *a, enum tenant_entity entity, const char *what, const char *text,
                   struct admin_place *ret)
{
    TRY(admin_id(a, text, what, &ret->id, ret->text));
    return tenant_parent_of(a->state, entity, slice_str(ret->text), ret->parent, &a->err);
}

struct orgs {
    struct uuid only;
    uint32_t count;
};

static enum rc take_org(void *ctx, const struct state_row *row)
{
    struct orgs *orgs = ctx;
    orgs->count++;
    return uuid_parse(state_row_text(row, 0), &orgs->only) ? RC_OK : RC_CORRUPT;
}

enum rc admin_org(struct admin *a, struct uuid *ret_org, char ret_text[UUID_TEXT_LEN + 1])
{
    struct orgs orgs = {.count = 0};
    CLEANUP(buf_done) struct buf seen;
    buf_init(&seen, OBJECT_BYTES_MAX);
    if (a->options[ADMIN_ORG]) {
        TRY(admin_id(a, a->options[ADMIN_ORG], "an organisation", ret_org, ret_text));
        return tenant_show(a->state, TENANT_ORG, SLICE_EMPTY, slice_str(ret_text), &seen, &a->err);
    }
    TRY(state_run(a->state, "SELECT id FROM orgs LIMIT 2", NULL, 0, take_org, &orgs, &a->err));
    if (orgs.count == 0)
        return err_set(&a->err, RC_NOTFOUND, "there is no organisation yet: run weir init");
    if (orgs.count > 1)
        return err_set(&a->err, RC_INVALID,
                       "there are several organisations: say which with --org ID (weir org ls "
                       "shows them)");
    *ret_org = orgs.only;
    uuid_format(ret_org, ret_text);
    return RC_OK;
}

enum rc admin_duration(struct admin *a, const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    struct slice digits = slice_str(text);
    char unit = digits.len ? digits.data[--digits.len] : '\0';
    int64_t n;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (units[i].unit == unit && slice_to_i64(digits, &n) && n >= 0 &&
            !__builtin_mul_overflow(n, units[i].ms, ret_ms))
            return RC_OK;
    return err_set(&a->err, RC_INVALID, "'%.40s' is no duration: write it as 90m, 24h or 30d",
                   text);
}

enum rc admin_role(struct admin *a, const char *text, enum tenant_role *ret_role)
{
    if (tenant_role_parse(slice_str(text), ret_role))
        return RC_OK;
    return err_set(&a->err, RC_INVALID,
                   "'%.40s' is no role; there are owner, admin, analyst, viewer and auditor", text);
}

/* ---- secrets ---- */
void admin_wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
}

static struct {
    int tty;
    struct termios shown;
} asking; /* what on_signal() puts right */

/* Of whichever thread: all of it is async-signal-safe (POSIX 2.4.3). With SA_RESETHAND, so that the
 * signal then does what it would have done. */
static void on_signal(int signal_number)
{
    tcsetattr(asking.tty, TCSAFLUSH, &asking.shown);
    raise(signal_number);
}

static enum rc read_line(struct admin *a, int fd, struct buf *to)
{
    char c;
    ssize_t n;
    while ((n = read(fd, &c, 1)) == 1 && c != '\n')
        buf_add_char(to, c);
    if (n < 0)
        return err_sys(&a->err, errno, "nothing could be read");
    return buf_ok(to) ? RC_OK : err_set(&a->err, RC_LIMIT, "that is too long");
}

static enum rc ask(struct admin *a, int tty, const char *prompt, struct buf *to)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction old[COUNT_OF(signals)];
    struct sigaction restore = {.sa_handler = on_signal,
                                .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    asking.tty = tty;
    if (tcgetattr(tty, &asking.shown) != 0)
        return err_sys(&a->err, errno, "the terminal cannot be asked");
    struct termios hidden = asking.shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        sigaction(signals[i], &restore, &old[i]);
    tcsetattr(tty, TCSAFLUSH, &hidden); /* before the prompt: it drops what was typed too early */
    dprintf(tty, "%s: ", prompt);
    enum rc rc = read_line(a, tty, to);
    tcsetattr(tty, TCSAFLUSH, &asking.shown);
    dprintf(tty, "\n");
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        sigaction(signals[i], &old[i], NULL);
    return rc;
}

enum rc admin_secret(struct admin *a, const char *prompt, struct buf *to)
{
    if (isatty(STDIN_FILENO))
        return ask(a, STDIN_FILENO, prompt, to);
    return read_line(a, STDIN_FILENO, to);
}

/* ---- what is shown ---- */
/* Appends the page's items without their brackets, and notes where the next begins. */
static enum rc add_page(struct slice page, struct buf *items, char ret_next[UUID_TEXT_LEN + 1])
{
    struct json_members it;
    struct slice key;
    struct json_span span;
    enum rc rc;
    *ret_next = '\0';
    TRY(json_members_begin(&it, page));
    while ((rc = json_members_next(&it, &key, &span)) == RC_OK) {
        if (slice_eq_str(key, "next") && span.text.len == UUID_TEXT_LEN + 2) {
            memcpy(ret_next, span.text.data + 1, UUID_TEXT_LEN);
            ret_next[UUID_TEXT_LEN] = '\0';
        }
        if (slice_eq_str(key, "data") && span.text.len > 2) {
            buf_add_str(items, items->len > 1 ? "," : "");
            buf_add(items, span.text.data + 1, span.text.len - 2);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc list_all(struct admin *a, enum tenant_entity entity, const char *parent,
                        struct buf *items)
{
    char after[UUID_TEXT_LEN + 1] = "";
    CLEANUP(buf_done) struct buf page;
    buf_init(&page, 16 << 20);
    buf_add_char(items, '[');
    do {
        buf_clear(&page);
        TRY(tenant_list(a->state, entity, slice_str(parent), slice_str(after), &page, &a->err));
        TRY(add_page(buf_slice(&page), items, after));
    } while (*after);
    buf_add_char(items, ']');
    return buf_ok(items) ? RC_OK : err_set(&a->err, RC_LIMIT, "the list is too long");
}

enum rc admin_list(struct admin *a, enum tenant_entity entity, const char *parent,
                   const char *columns)
{
    CLEANUP(buf_done) struct buf items;
    buf_init(&items, OUT_BYTES_MAX);
    TRY(list_all(a, entity, parent, &items));
    if (!a->cli.is_json)
        return cli_table(&a->out, buf_slice(&items), columns, &a->err);
    buf_add_str(&a->out, buf_cstr(&items));
    buf_add_char(&a->out, '\n');
    return RC_OK;
}

enum rc admin_list_of_org(struct admin *a, enum tenant_entity entity, const char *columns)
{
    struct uuid org;
    char text[UUID_TEXT_LEN + 1];
    TRY(admin_org(a, &org, text));
    return admin_list(a, entity, text, columns);
}

enum rc admin_show(struct admin *a, enum tenant_entity entity, const char *parent, const char *id,
                   const char *extra_name, const char *extra)
{
    CLEANUP(buf_done) struct buf object;
    CLEANUP(buf_done) struct buf seen;
    buf_init(&object, OBJECT_BYTES_MAX);
    buf_init(&seen, OBJECT_BYTES_MAX);
    TRY(tenant_show(a->state, entity, slice_str(parent), slice_str(id), &seen, &a->err));
    buf_add_char(&object, '{');
    if (extra_name) {
        buf_add_json(&object, slice_str(extra_name));
        buf_add_char(&object, ':');
        buf_add_json(&object, slice_str(extra));
        buf_add_char(&object, ',');
    }
    buf_add_slice(&object, slice_sub(buf_slice(&seen), 1));
    enum rc rc = RC_OK;
    if (a->cli.is_json)
        buf_addf(&a->out, "%.*s\n", SLICE_ARG(buf_slice(&object)));
    else
        rc = cli_card(&a->out, buf_slice(&object), &a->err);
    admin_wipe(&object);
    return rc;
}

void admin_done(struct admin *a, const char *id, const char *what)
{
    buf_addf(&a->out, a->cli.is_json ? "{\"id\":\"%s\"}\n" : "%s is %s\n", id, what);
}

/* ---- what most of them do ---- */
static enum rc patch_of(struct admin *a, enum tenant_entity entity, const char *const *words,
                        uint32_t count, struct buf *patch)
{
    struct tenant_setting settings[CLI_ARGS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct slice rest = slice_str(words[i]);
        if (!memchr(rest.data, '=', rest.len))
            return err_set(&a->err, RC_INVALID, "'%.100s' is no setting: write it as NAME=VALUE",
                           words[i]);
        settings[i].name = slice_cut(&rest, '=');
        settings[i].value = rest;
    }
    return tenant_patch_of(entity, settings, count, patch, &a->err);
}

enum rc admin_set(struct admin *a, enum tenant_entity entity, const char *parent, const char *id)
{
    CLEANUP(buf_done) struct buf patch;
    buf_init(&patch, PATCH_BYTES_MAX);
    TRY(patch_of(a, entity, a->args + 1, a->arg_count - 1, &patch));
    TRY(tenant_update(cli_ctx(), a->tenant, entity, slice_str(parent), slice_str(id),
                      buf_slice(&patch), &a->err));
    return admin_show(a, entity, parent, id, NULL, NULL);
}

/* ---- init ---- */
static enum rc init(struct cli *cli, struct buf *out, struct err *err)
{
    struct state *state = NULL;
    struct node n = {.cfg = &cli->cfg};
    struct node_credentials c;
    bool is_new;
    TRY(admin_state_open(&cli->cfg, true, &state, &n.tenant, err));
    enum rc rc = node_init(&n, &c, &is_new, err);
    tenant_close(n.tenant);
    state_close(state);
    TRY(rc);
    if (cli->is_json)
        node_credentials_json(&c, out);
    else
        buf_addf(out,
                 "organisation  %s\nproject       %s\nwrite key     %s   (public: may only send "
                 "events)\n"
                 "secret key    %s   (reads: keep it)\nsign in as    %s   password %s\n"
                 "kept in       %s/credentials.json\n",
                 c.org, c.project, c.write_key, c.secret_key, c.admin_email,
                 *c.admin_password ? c.admin_password : "(yours)", cli->cfg.data);
    return RC_OK;
}

int verb_init(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    CLEANUP(buf_done) struct buf out;
    int code = cli_parse(
        &cli, argc, argv, NULL, 0, 0,
        "usage: weir init [--data DIR] [--json]\n\n"
        "Makes the data folder with a first organisation, project, keys and person "
        "(--admin.email).\n"
        "A second run changes nothing and prints the same (kept in DIR/credentials.json, mode\n"
        "0600).\n");
    buf_init(&out, OBJECT_BYTES_MAX);
    if (code != 0)
        return code;
    if (init(&cli, &out, &err) == RC_OK)
        cli_print(&out);
    else
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
