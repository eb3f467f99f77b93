/* weir import ls, rm. */
#include "app/import_sums.h"

#include <stdio.h>
#include <string.h>

#include "analytics/import/import.h"
#include "app/cli_admin.h"
#include "app/control_client.h"

enum { PATH_BYTES = 256, ANSWER_BYTES_MAX = 4 << 20 };

static enum rc ask(const struct cli *cli, const char *what, const char *project, const char *id,
                   const struct slice *body, struct buf *out, struct err *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s?project=%s%s%s", what, project, id ? "&id=" : "",
                     id ? id : "");
    ENSURE(n > 0 && n < PATH_BYTES, err_set(err, RC_INVALID, "an id is a UUID"));
    return control_call(cli->cfg.data, path, body, NULL, NULL, out, err);
}

/* {"data":[…]} as a table. */
static enum rc add_table(struct buf *out, struct slice answer, struct err *err)
{
    static const struct slice head = SLICE_CONST("{\"data\":");
    ENSURE(slice_has_prefix(answer, head) && answer.len > head.len,
           err_set(err, RC_STORE, "the server's answer has another shape than expected"));
    answer = slice_sub(answer, head.len);
    answer.len--;
    return cli_table(out, answer, "id imported_at first_day last_day rows visitors files", err);
}

enum rc import_sums_cli_list(const struct cli *cli, const struct tenant_project *project,
                             struct err *err)
{
    CLEANUP(buf_done) struct buf answer;
    CLEANUP(buf_done) struct buf out;
    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_init(&out, ANSWER_BYTES_MAX);
    TRY(ask(cli, "imports", project->id_text, NULL, NULL, &answer, err));
    if (!cli->is_json)
        TRY(add_table(&out, buf_slice(&answer), err));
    else
        buf_addf(&out, "%s\n", buf_cstr(&answer));
    cli_print(&out);
    return RC_OK;
}

/* Whether the project has sums of that import; the answer names each id once. */
static enum rc find(const struct cli *cli, const char *project, const char *id, struct err *err)
{
    CLEANUP(buf_done) struct buf answer;
    char member[UUID_TEXT_LEN + 16];
    buf_init(&answer, ANSWER_BYTES_MAX);
    TRY(ask(cli, "imports", project, NULL, NULL, &answer, err));
    snprintf(member, sizeof(member), "\"id\":\"%s\"", id);
    return strstr(buf_cstr(&answer), member)
               ? RC_OK
               : err_set(err, RC_NOTFOUND, "the project has no sums of the import %s", id);
}

enum rc import_sums_cli_remove(const struct cli *cli, struct tenant *t,
                               const struct tenant_project *project, const char *id,
                               struct err *err)
{
    struct uuid import;
    char text[UUID_TEXT_LEN + 1];
    struct slice empty = SLICE_EMPTY;
    if (!uuid_parse(slice_str(id), &import))
        return err_set(err, RC_INVALID, "'%.60s' is no id of an import (weir import ls)", id);
    uuid_format(&import, text);
    TRY(find(cli, project->id_text, text, err));
    TRY(import_sums_note(cli_ctx(), t, project, &import, err));
    return ask(cli, "import-remove", project->id_text, text, &empty, NULL, err);
}
