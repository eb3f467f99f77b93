/* Makes an MMDB file for a scenario: make_mmdb FILE NETWORK JSON [NETWORK JSON]... */
#include <stdio.h>

#include "base/must.h"
#include "base/os.h"
#include "mmdb_make.h"

int main(int argc, char **argv)
{
    static struct mmdb_make make;
    struct buf out;
    struct err err = ERR_INIT;
    must(argc >= 4);
    buf_init(&out, 16 << 20);
    mmdb_make_init(&make, 6, 28);
    for (int i = 2; i + 1 < argc; i += 2)
        mmdb_make_put(&make, argv[i], argv[i + 1]);
    mmdb_make_finish(&make, &out);
    if (os_write_file_durable(argv[1], buf_slice(&out), &err) != RC_OK)
        fprintf(stderr, "%s\n", err.text);
    buf_done(&out);
    return err.rc != RC_OK;
}
