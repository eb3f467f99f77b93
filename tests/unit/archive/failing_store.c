#include "failing_store.h"

static struct failing_store *failing_of(struct object_store *s)
{
    return CONTAINER_OF(s, struct failing_store, super);
}

static bool fails_now(struct failing_store *f)
{
    return ++f->calls == f->fail_at || f->is_down;
}

static enum rc failure(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "injected failure");
}

#define THROUGH(call)                            \
    do {                                         \
        struct failing_store *f = failing_of(s); \
        bool fails = fails_now(f);               \
        if (fails && !f->is_late)                \
            return failure(err);                 \
        TRY(call);                               \
        return fails ? failure(err) : RC_OK;     \
    } while (0)

static enum rc put(struct object_store *s, const char *key, struct slice content, struct err *err)
{
    THROUGH(f->inner->ops->put(f->inner, key, content, err));
}

static enum rc upload_begin(struct object_store *s, const char *key, struct object_upload **ret,
                            struct err *err)
{
    struct failing_store *f = failing_of(s);
    if (fails_now(f))
        return failure(err);
    return f->inner->ops->upload_begin(f->inner, key, ret, err);
}

static enum rc upload_part(struct object_store *s, struct object_upload *u, struct slice part,
                           struct err *err)
{
    THROUGH(f->inner->ops->upload_part(f->inner, u, part, err));
}

static enum rc upload_complete(struct object_store *s, struct object_upload *u, struct err *err)
{
    struct failing_store *f = failing_of(s);
    bool fails = fails_now(f);
    if (fails && !f->is_late) {
        f->inner->ops->upload_abort(f->inner, u);
        return failure(err);
    }
    TRY(f->inner->ops->upload_complete(f->inner, u, err));
    return fails ? failure(err) : RC_OK;
}

static void upload_abort(struct object_store *s, struct object_upload *u)
{
    struct failing_store *f = failing_of(s);
    f->inner->ops->upload_abort(f->inner, u);
}

static enum rc get(struct object_store *s, const char *key, uint64_t from, uint64_t bytes_max,
                   struct buf *into, uint64_t *ret_total, struct err *err)
{
    struct failing_store *f = failing_of(s);
    return f->inner->ops->get(f->inner, key, from, bytes_max, into, ret_total, err);
}

static enum rc list(struct object_store *s, const char *prefix, const char *after,
                    struct object_page *page, struct err *err)
{
    struct failing_store *f = failing_of(s);
    return f->inner->ops->list(f->inner, prefix, after, page, err);
}

static enum rc head(struct object_store *s, const char *key, uint64_t *ret_bytes, struct err *err)
{
    struct failing_store *f = failing_of(s);
    return f->inner->ops->head(f->inner, key, ret_bytes, err);
}

static enum rc remove_object(struct object_store *s, const char *key, struct err *err)
{
    THROUGH(f->inner->ops->remove(f->inner, key, err));
}

static void free_nothing(struct object_store *s)
{
    (void)s;
}

static const struct object_store_ops failing_ops = {
    .name = "failing",
    .put = put,
    .upload_begin = upload_begin,
    .upload_part = upload_part,
    .upload_complete = upload_complete,
    .upload_abort = upload_abort,
    .get = get,
    .list = list,
    .head = head,
    .remove = remove_object,
    .free = free_nothing,
};

void failing_store_init(struct failing_store *f, struct object_store *inner)
{
    *f = (struct failing_store){.super.ops = &failing_ops, .inner = inner};
}
