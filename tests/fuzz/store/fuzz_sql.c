/* Any bytes as a statement: what the scan says stays inside the text, and headers inside a piece.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "store/engine_int.h"
#include "store/sql_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"CSVWithNames", "TSVWithNamesAndTypes",
                                          "RowBinaryWithNamesAndTypes"};
    struct slice text = slice_of((const char *)data, size);
    struct sql_scan s = sql_scan(text);
    must(s.head_len <= size && s.data_at <= size && s.end <= size);
    must(s.kind != SQL_INSERT_DATA || s.head_len <= s.data_at || s.data_at == size);
    bool is_select = sql_is_select(text);
    must(!is_select || s.kind == SQL_OTHER);
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        must(format_head_len(format_find(slice_str(formats[i])), text) <= size);
    return 0;
}
