/* Any text as a consumer's checkpoint, with its checksum put right: it is refused, or what it says
 * makes sense and is written back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "stream/consumer_int.h"
#include "stream/format_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[OS_PATH_MAX];

static void remove_dir(void)
{
    IGNORE(os_remove_tree(dir, NULL), "leaving a scratch folder is no failure");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[16];
    char path[OS_PATH_MAX];
    struct checkpoint cp, again;
    struct buf text;
    if (!dir[0]) {
        char base[] = "/dev/shm/weir-fuzz-XXXXXX", other[] = "/tmp/weir-fuzz-XXXXXX";
        const char *made = mkdtemp(access("/dev/shm", W_OK) == 0 ? base : other);
        must(made);
        os_path(dir, "%s", made);
        atexit(remove_dir);
    }
    buf_init(&text, TEXTFILE_BYTES_MAX);
    buf_add(&text, data, size);
    enum rc rc = textfile_write(os_path(path, "%s/p0.checkpoint", dir), &text, NULL);
    buf_done(&text);
    if (rc != RC_OK || checkpoint_load(dir, 0, NULL, &cp, NULL) != RC_OK)
        return 0;
    must(!cp.has_intent || (cp.first <= cp.last && cp.next <= cp.first));
    must(cp.dead_n <= STREAM_PARTITIONS_MAX);
    must(checkpoint_save(dir, 0, id, &cp, NULL) == RC_OK);
    must(checkpoint_load(dir, 0, id, &again, NULL) == RC_OK);
    must(memcmp(&cp, &again, sizeof(cp)) == 0);
    return 0;
}
