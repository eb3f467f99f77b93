#include "sim_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/os.h"
#include "base/random.h"

enum { SECTOR = 512, NODES_MAX = 4096, FDS_MAX = 1024, OPS_MAX = 4096 };

struct bytes {
    char *data;
    size_t len;
};

struct op { /* unsynced change of a file */
    bool is_truncate;
    uint64_t at;
    struct bytes bytes;
};

struct node {
    bool is_dir;
    struct bytes stable;
    struct op *ops;
    size_t ops_n;
};

struct entry { /* a name */
    char path[OS_PATH_MAX];
    int node;
};

struct name_op { /* unsynced change of a folder */
    char dir[OS_PATH_MAX];
    char from[OS_PATH_MAX], to[OS_PATH_MAX]; /* unlink: to empty; create: from empty */
    int node;
};

static struct {
    char root[OS_PATH_MAX];
    pthread_mutex_t mutex;
    struct prng prng;
    struct node nodes[NODES_MAX];
    int nodes_n;
    struct entry *now, *stable;
    size_t now_n, stable_n;
    struct name_op *names;
    size_t names_n;
    struct {
        int node; /* -1: not ours */
        char dir[OS_PATH_MAX];
    } fds[FDS_MAX];
    uint64_t calls, crash_at;
    _Atomic bool is_dead;
    bool is_full_next;
    uint32_t full_every;
} d = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    pthread_mutex_lock(&d.mutex);
}
static void unlock(void)
{
    pthread_mutex_unlock(&d.mutex);
}

static bool is_ours(const char *path)
{
    size_t n = strlen(d.root), len = strlen(path);
    return strncmp(path, d.root, n) == 0 && !(len >= 4 && strcmp(path + len - 4, "LOCK") == 0);
}

static int find(const struct entry *list, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].path, path) == 0)
            return (int)i;
    return -1;
}

static void set_entry(struct entry *list, size_t *n, const char *path, int node)
{
    int i = find(list, *n, path);
    if (i < 0) {
        must(*n < NODES_MAX);
        i = (int)(*n)++;
        snprintf(list[i].path, sizeof(list[i].path), "%s", path);
    }
    list[i].node = node;
}

static void drop_entry(struct entry *list, size_t *n, const char *path)
{
    int i = find(list, *n, path);
    if (i >= 0)
        list[i] = list[--*n];
}

static void apply_name(struct entry *list, size_t *n, const struct name_op *op)
{
    if (op->from[0])
        drop_entry(list, n, op->from);
    if (op->to[0])
        set_entry(list, n, op->to, op->node);
}

static void note_name(const char *from, const char *to, int node)
{
    must(d.names_n < OPS_MAX);
    struct name_op *op = &d.names[d.names_n++];
    memset(op, 0, sizeof(*op));
    snprintf(op->from, sizeof(op->from), "%s", from);
    snprintf(op->to, sizeof(op->to), "%s", to);
    const char *path = to[0] ? to : from;
    snprintf(op->dir, sizeof(op->dir), "%.*s", (int)(strrchr(path, '/') - path), path);
    op->node = node;
    apply_name(d.now, &d.now_n, op);
}

/* A changing call begins: true if it must fail because there is no power. The call at which the
 * power goes away may still have had its effect: *ret_last tells. */
static bool is_without_power(bool *ret_last)
{
    *ret_last = false;
    if (d.is_dead)
        return true;
    d.calls++;
    if (d.crash_at && d.calls >= d.crash_at) {
        d.is_dead = true;
        *ret_last = true;
    }
    return false;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static int sim_open(const char *path, int flags, mode_t mode)
{
    bool last = false;
    if (!is_ours(path))
        return open(path, flags, mode);
    lock();
    bool is_new = (flags & O_CREAT) && find(d.now, d.now_n, path) < 0;
    if (d.is_dead || (is_new && is_without_power(&last))) {
        unlock();
        return fail(EIO);
    }
    int fd = open(path, flags, mode);
    if (fd >= 0) {
        must(fd < FDS_MAX);
        if (is_new) {
            must(d.nodes_n < NODES_MAX);
            d.nodes[d.nodes_n] = (struct node){.is_dir = false};
            note_name("", path, d.nodes_n++);
        }
        int i = find(d.now, d.now_n, path);
        d.fds[fd].node = i >= 0 ? d.now[i].node : -1;
        snprintf(d.fds[fd].dir, sizeof(d.fds[fd].dir), "%s", flags & O_DIRECTORY ? path : "");
        if ((flags & O_TRUNC) && i >= 0 && !is_new) {
            struct node *n = &d.nodes[d.now[i].node];
            n->ops = realloc(n->ops, (n->ops_n + 1) * sizeof(*n->ops));
            n->ops[n->ops_n++] = (struct op){.is_truncate = true, .at = 0};
        }
    }
    unlock();
    return fd;
}

static int sim_close(int fd)
{
    lock();
    if (fd >= 0 && fd < FDS_MAX) {
        d.fds[fd].node = -1;
        d.fds[fd].dir[0] = '\0';
    }
    unlock();
    return close(fd);
}

static void note_write(int fd, const void *data, size_t n, uint64_t at)
{
    int node = d.fds[fd].node;
    if (node < 0 || n == 0)
        return;
    struct node *f = &d.nodes[node];
    f->ops = realloc(f->ops, (f->ops_n + 1) * sizeof(*f->ops));
    struct op *op = &f->ops[f->ops_n++];
    *op = (struct op){.at = at, .bytes = {malloc(n), n}};
    memcpy(op->bytes.data, data, n);
}

static ssize_t sim_write_at(int fd, const void *from, size_t n, off_t at)
{
    bool last;
    ssize_t r;
    lock();
    if (d.fds[fd].node < 0) {
        unlock();
        return pwrite(fd, from, n, at);
    }
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    if (d.is_full_next && !last) {
        d.is_full_next = false;
        unlock();
        return fail(ENOSPC);
    }
    if (prng_below(&d.prng, 40) == 0 && !last) {
        unlock();
        return fail(EINTR);
    }
    if (d.full_every && prng_below(&d.prng, d.full_every) == 0) {
        n = prng_below(&d.prng, n + 1);
        d.is_full_next = true;
        if (n == 0) {
            d.is_full_next = false;
            unlock();
            return fail(ENOSPC);
        }
    }
    r = pwrite(fd, from, n, at);
    if (r > 0)
        note_write(fd, from, (size_t)r, (uint64_t)at);
    unlock();
    return last ? fail(EIO) : r;
}

static ssize_t sim_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    /* One entry at a time: a short write, which the caller must be able to take. */
    for (int i = 0; i < n; i++)
        if (iov[i].iov_len)
            return sim_write_at(fd, iov[i].iov_base, iov[i].iov_len, at);
    return 0;
}

static ssize_t sim_write(int fd, const void *from, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t r = sim_write_at(fd, from, n, at);
    if (r > 0)
        lseek(fd, at + r, SEEK_SET);
    return r;
}

static ssize_t sim_pread(int fd, void *to, size_t n, off_t at)
{
    return d.is_dead ? fail(EIO) : pread(fd, to, n, at);
}

static ssize_t sim_read(int fd, void *to, size_t n)
{
    return d.is_dead ? fail(EIO) : read(fd, to, n);
}

static void free_ops(struct node *n)
{
    for (size_t i = 0; i < n->ops_n; i++)
        free(n->ops[i].bytes.data);
    free(n->ops);
    n->ops = NULL;
    n->ops_n = 0;
}

static void set_len(struct bytes *b, size_t len)
{
    if (len > b->len) {
        b->data = realloc(b->data, len);
        memset(b->data + b->len, 0, len - b->len);
    }
    b->len = len;
}

static void apply_write(struct bytes *b, const struct op *op)
{
    if (op->at + op->bytes.len > b->len)
        set_len(b, op->at + op->bytes.len);
    memcpy(b->data + op->at, op->bytes.data, op->bytes.len);
}

static void make_stable(struct node *n)
{
    for (size_t i = 0; i < n->ops_n; i++)
        if (n->ops[i].is_truncate)
            set_len(&n->stable, n->ops[i].at);
        else
            apply_write(&n->stable, &n->ops[i]);
    free_ops(n);
}

static void make_names_stable(const char *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < d.names_n; i++) {
        if (strcmp(d.names[i].dir, dir) == 0)
            apply_name(d.stable, &d.stable_n, &d.names[i]);
        else
            d.names[kept++] = d.names[i];
    }
    d.names_n = kept;
}

static int sim_fsync(int fd)
{
    bool last;
    lock();
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    /* The sync during which the power went may have done its work. */
    if (!last || prng_below(&d.prng, 2)) {
        if (d.fds[fd].dir[0])
            make_names_stable(d.fds[fd].dir);
        else if (d.fds[fd].node >= 0)
            make_stable(&d.nodes[d.fds[fd].node]);
    }
    unlock();
    return last ? fail(EIO) : 0;
}

static int sim_ftruncate(int fd, off_t size)
{
    bool last;
    lock();
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    int r = ftruncate(fd, size);
    if (r == 0 && d.fds[fd].node >= 0) {
        struct node *n = &d.nodes[d.fds[fd].node];
        n->ops = realloc(n->ops, (n->ops_n + 1) * sizeof(*n->ops));
        n->ops[n->ops_n++] = (struct op){.is_truncate = true, .at = (uint64_t)size};
    }
    unlock();
    return last ? fail(EIO) : r;
}

static int sim_fallocate(int fd, int mode, off_t at, off_t len)
{
    (void)fd;
    (void)mode;
    (void)at;
    (void)len;
    return d.is_dead ? fail(EIO) : 0; /* sizes stay as they are */
}

static int sim_rename(const char *from, const char *to)
{
    bool last;
    lock();
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    int r = rename(from, to);
    int i = find(d.now, d.now_n, from);
    if (r == 0 && i >= 0)
        note_name(from, to, d.now[i].node);
    unlock();
    return last ? fail(EIO) : r;
}

static int sim_unlink(const char *path)
{
    bool last;
    lock();
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    int r = unlink(path);
    int error = errno;
    if (r == 0 && find(d.now, d.now_n, path) >= 0)
        note_name(path, "", -1);
    unlock();
    errno = error;
    return last ? fail(EIO) : r;
}

static int sim_mkdir(const char *path, mode_t mode)
{
    bool last;
    lock();
    if (is_without_power(&last)) {
        unlock();
        return fail(EIO);
    }
    int r = mkdir(path, mode);
    int error = errno;
    if (r == 0) {
        must(d.nodes_n < NODES_MAX);
        d.nodes[d.nodes_n] = (struct node){.is_dir = true};
        note_name("", path, d.nodes_n++);
    }
    unlock();
    errno = error;
    return last ? fail(EIO) : r;
}

static int sim_free_bytes(const char *path, uint64_t *ret)
{
    (void)path;
    *ret = UINT64_C(1) << 40;
    return 0;
}

void sim_start(const char *root, uint64_t seed)
{
    static struct os_calls calls;
    calls = os_calls_real;
    calls.open = sim_open;
    calls.close = sim_close;
    calls.read = sim_read;
    calls.pread = sim_pread;
    calls.write = sim_write;
    calls.pwritev = sim_pwritev;
    calls.fdatasync = sim_fsync;
    calls.fsync = sim_fsync;
    calls.ftruncate = sim_ftruncate;
    calls.fallocate = sim_fallocate;
    calls.rename = sim_rename;
    calls.unlink = sim_unlink;
    calls.mkdir = sim_mkdir;
    calls.free_bytes = sim_free_bytes;
    snprintf(d.root, sizeof(d.root), "%s", root);
    prng_seed(&d.prng, seed);
    d.now = calloc(NODES_MAX, sizeof(*d.now));
    d.stable = calloc(NODES_MAX, sizeof(*d.stable));
    d.names = calloc(OPS_MAX, sizeof(*d.names));
    d.now_n = d.stable_n = d.names_n = 0;
    d.nodes_n = 0;
    d.calls = d.crash_at = 0;
    d.is_dead = false;
    d.is_full_next = false;
    d.full_every = 0;
    for (int i = 0; i < FDS_MAX; i++) {
        d.fds[i].node = -1;
        d.fds[i].dir[0] = '\0';
    }
    os_calls_set(&calls);
}

void sim_stop(void)
{
    os_calls_set(NULL);
    for (int i = 0; i < d.nodes_n; i++) {
        free_ops(&d.nodes[i]);
        free(d.nodes[i].stable.data);
        d.nodes[i] = (struct node){0};
    }
    free(d.now);
    free(d.stable);
    free(d.names);
}

void sim_crash_after(uint64_t calls)
{
    lock();
    d.crash_at = calls ? d.calls + calls : 0;
    unlock();
}

void sim_cut_power(void)
{
    lock();
    d.is_dead = true;
    unlock();
}

bool sim_is_dead(void)
{
    lock();
    bool is_dead = d.is_dead;
    unlock();
    return is_dead;
}

void sim_full_disk_every(uint32_t n)
{
    lock();
    d.full_every = n;
    d.is_full_next = false;
    unlock();
}

uint64_t sim_calls(void)
{
    lock();
    uint64_t calls = d.calls;
    unlock();
    return calls;
}

static void garble(struct bytes *b, uint64_t at, size_t n)
{
    for (size_t i = 0; i < n && at + i < b->len; i++)
        b->data[at + i] = (char)prng_next(&d.prng);
}

/* What a write that was never synced left behind. */
static void crash_write(struct bytes *b, const struct op *op)
{
    uint64_t end = op->at + op->bytes.len;
    unsigned mood = (unsigned)prng_below(&d.prng, 4); /* 0: all kept, 1: all dropped, else mixed */
    if (mood != 1 || prng_below(&d.prng, 2)) {
        /* The size may be there without the bytes. */
        uint64_t size =
            prng_below(&d.prng, 3) ? end : op->at + prng_below(&d.prng, op->bytes.len + 1);
        if (size > b->len)
            set_len(b, size);
    }
    for (uint64_t sector = op->at / SECTOR * SECTOR; sector < end; sector += SECTOR) {
        uint64_t from = sector > op->at ? sector : op->at;
        uint64_t to = sector + SECTOR < end ? sector + SECTOR : end;
        unsigned fate = mood < 2 ? mood : (unsigned)prng_below(&d.prng, 3);
        if (fate == 2) {
            garble(b, sector, SECTOR);
        } else if (fate == 0 && from < b->len) {
            if (to > b->len)
                to = b->len;
            memcpy(b->data + from, op->bytes.data + (from - op->at), to - from);
        }
    }
}

static void crash_node(struct node *n)
{
    for (size_t i = 0; i < n->ops_n; i++) {
        if (!n->ops[i].is_truncate)
            crash_write(&n->stable, &n->ops[i]);
        else if (prng_below(&d.prng, 4))
            set_len(&n->stable, n->ops[i].at);
    }
    free_ops(n);
}

static bool survives(const char *path)
{
    char up[OS_PATH_MAX];
    snprintf(up, sizeof(up), "%s", path);
    while (strcmp(up, d.root) != 0) {
        if (find(d.stable, d.stable_n, up) < 0)
            return false;
        *strrchr(up, '/') = '\0';
    }
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

void sim_revive(void)
{
    lock();
    d.is_dead = false;
    d.is_full_next = false;
    d.crash_at = 0;
    unlock();
}

void sim_power_on(void)
{
    char **names;
    size_t n;
    lock();
    for (size_t i = 0; i < d.names_n; i++) /* each lost or not, in their order */
        if (prng_below(&d.prng, 2))
            apply_name(d.stable, &d.stable_n, &d.names[i]);
    d.names_n = 0;
    for (int i = 0; i < d.nodes_n; i++)
        crash_node(&d.nodes[i]);
    must(os_list(d.root, &names, &n, NULL) == RC_OK);
    for (size_t i = 0; i < n; i++) {
        char path[OS_PATH_MAX];
        os_path(path, "%s/%s", d.root, names[i]);
        if (os_is_dir(path))
            must(os_remove_tree(path, NULL) == RC_OK);
        else
            unlink(path);
    }
    os_list_free(names, n);
    qsort(d.stable, d.stable_n, sizeof(*d.stable), by_path); /* folders before what is in them */
    size_t kept = 0;
    for (size_t i = 0; i < d.stable_n; i++) {
        const struct entry *e = &d.stable[i];
        if (!survives(e->path))
            continue;
        const struct node *node = &d.nodes[e->node];
        if (node->is_dir) {
            must(mkdir(e->path, 0750) == 0);
        } else {
            int fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL, 0640);
            must(fd >= 0);
            if (node->stable.len)
                must(write(fd, node->stable.data, node->stable.len) == (ssize_t)node->stable.len);
            close(fd);
        }
        d.now[kept++] = *e;
    }
    memcpy(d.stable, d.now, kept * sizeof(*d.now));
    d.now_n = d.stable_n = kept;
    d.is_dead = false;
    d.crash_at = 0;
    d.is_full_next = false;
    unlock();
}
