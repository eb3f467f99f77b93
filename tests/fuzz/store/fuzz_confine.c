/* Any bytes as a statement and as a listing: what is let through has no second statement, no
 * settings and none of the tables that show the statements of others. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "store/confine_int.h"

static bool has(struct slice text, const char *what)
{
    return text.len && memmem(text.data, text.len, what, strlen(what));
}

static bool is_harmless(struct slice line)
{
    static const char *const bad[] = {"TableIdentifier system.processes", "Set", "Function file",
                                      "ColumnsApplyTransformer", "Explain"};
    while (line.len && line.data[0] == ' ')
        line = slice_sub(line, 1);
    struct slice rest = line;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (slice_eq_str(line, bad[i]))
            return false;
    return !slice_eq_str(slice_cut(&rest, ' '), "Set");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    if (!confine_text(text)) {
        must(!has(text, "OUTFILE") && !has(text, "infile"));
        const char *semicolon = memchr(text.data, ';', text.len);
        for (const char *p = semicolon; p && p < text.data + text.len; p++)
            must(strchr("; \t\n\v\f\r", *p) && *p);
    }
    if (!confine_listing(SLICE_LIT("SHOW TABLES"), text))
        for (struct slice rest = text; rest.len;)
            must(is_harmless(slice_cut(&rest, '\n')));
    return 0;
}
