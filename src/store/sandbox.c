/* WHAT        Limits the files of this process with Landlock (sandbox_int.h).
 * WHY         clickhouse-local, which chdb is, treats every file of the machine as a user's file,
 *             and its scalar function file() asks no grant. sql.c refuses the name; this is the
 *             wall behind it.
 * INVARIANTS  a path that does not exist is no error (distributions differ). */
#include "store/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/os.h"

/* <linux/landlock.h> of ABI 3, by hand: Debian 12's headers are older than its kernels. */
struct landlock_ruleset {
    uint64_t handled_access_fs;
};
struct __attribute__((packed)) landlock_path {
    uint64_t allowed_access;
    int32_t parent_fd;
};
enum {
    LANDLOCK_VERSION_FLAG = 1,
    LANDLOCK_PATH_BENEATH = 1,
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_ALL_ABI1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14,
    FS_READ = FS_READ_FILE | FS_READ_DIR,
};
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule 445
#define __NR_landlock_restrict_self 446
#endif

static void allow(int ruleset, const char *path, uint64_t access, uint64_t handled)
{
    int fd = -1;
    struct stat st;
    if (os_open(path, O_PATH, &fd, NULL) != RC_OK)
        return;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        access &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE;
    const struct landlock_path rule = {access & handled, fd};
    IGNORE(syscall(__NR_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) != 0,
           "less is allowed then, and the engine says what it misses");
    os_close(fd);
}

static void parent_of(const char *path, char ret[OS_PATH_MAX])
{
    os_path(ret, "%s", path);
    char *slash = strrchr(ret, '/');
    if (slash)
        *slash = '\0';
    else
        os_path(ret, ".");
}

static void allow_all(int ruleset, const struct store_child_cfg *cfg, const char *library,
                      uint64_t handled)
{
    static const char *const readable[] = {"/usr",
                                           "/lib",
                                           "/lib64",
                                           "/proc",
                                           "/sys",
                                           "/etc/localtime",
                                           "/etc/timezone",
                                           "/etc/ld.so.cache",
                                           "/etc/hosts",
                                           "/etc/resolv.conf",
                                           "/etc/nsswitch.conf"};
    char dir[OS_PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(readable); i++)
        allow(ruleset, readable[i], FS_READ | FS_EXECUTE, handled);
    allow(ruleset, "/dev/null", FS_READ_FILE | FS_WRITE_FILE, handled);
    allow(ruleset, "/dev/urandom", FS_READ_FILE, handled);
    allow(ruleset, "/dev/random", FS_READ_FILE, handled);
    allow(ruleset, "/proc/self", FS_READ | FS_WRITE_FILE, handled);
    allow(ruleset, library, FS_READ | FS_EXECUTE, handled);
    allow(ruleset, cfg->data_dir, handled & ~(uint64_t)FS_EXECUTE, handled);
    if (cfg->socket_path) {
        parent_of(cfg->socket_path, dir);
        /* make and remove the socket, nothing else */
        allow(ruleset, dir, (1 << 5) | (1 << 9), handled);
    }
}

enum rc sandbox_enter(const struct store_child_cfg *cfg, const char *library, struct err *err)
{
    long version = syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (version < 1)
        return err_set(err, RC_UNSUPPORTED, "this kernel has no Landlock");
    struct landlock_ruleset rules = {FS_ALL_ABI1};
    if (version >= 2)
        rules.handled_access_fs |= FS_REFER;
    if (version >= 3)
        rules.handled_access_fs |= FS_TRUNCATE;
    int fd = (int)syscall(__NR_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a Landlock ruleset");
    allow_all(fd, cfg, library, rules.handled_access_fs);
    bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              syscall(__NR_landlock_restrict_self, fd, 0) == 0;
    int code = errno;
    os_close(fd);
    return ok ? RC_OK : err_sys(err, code, "cannot enter the Landlock ruleset");
}
