#ifndef WEIR_APP_CONFIG_H
#define WEIR_APP_CONFIG_H
/* Settings. Later sources win: the table's default, the file (--config FILE: "name = value" lines,
 * # comments), the environment (WEIR_STREAM_ACK), flags (--stream.ack fsync, --stream-ack=fsync).
 * An unknown name is an error that gives the place and the nearest known name. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"

enum { CONFIG_SECRET = 1, CONFIG_RELOAD = 2 };

/* Of a text setting. Paths below the data folder need up to 580 bytes more (an object of the
 * archive), and OS_PATH_MAX holds both. */
enum { CONFIG_TEXT_BYTES_MAX = 440 };
struct config {
#define STR const char *
#define CHOICE const char *
#define INT int64_t
#define BOOL bool
#define S(field, name, kind, def, min, max, unit, flags, doc) kind field;
#include "app/config.def"
#undef S
#undef STR
#undef CHOICE
#undef INT
#undef BOOL
    const char *file; /* NULL if none was given */
    char *owned_[96]; /* the present text of each setting, to free */
};
void config_defaults(struct config *cfg);
void config_done(struct config *cfg);
/* Sets one by name ('.', '_' and '-' are the same). where: "--flag", "weir.conf:12", for the error.
 */
enum rc config_set(struct config *cfg, struct slice name, struct slice value, const char *where,
                   struct err *err) MUST_CHECK;
enum rc config_read_file(struct config *cfg, const char *path, struct err *err) MUST_CHECK;
enum rc config_read_env(struct config *cfg, char *const *env, struct err *err) MUST_CHECK;
bool config_is_setting(struct slice name);
bool config_is_bool(struct slice name);
void config_help(struct buf *out);
void config_dump(const struct config *cfg, struct buf *out); /* file syntax, secrets as *** */
void config_markdown(struct buf *out);                       /* docs/configuration.md */
/* Copies the CONFIG_RELOAD settings of fresh into cfg. */
enum rc config_reload(struct config *cfg, const struct config *fresh, struct err *err) MUST_CHECK;
#endif
