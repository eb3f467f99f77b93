#ifndef WEIR_BASE_ATTR_H
#define WEIR_BASE_ATTR_H
/* Compiler attributes by name, and scoped cleanup (see systemd's _cleanup_, s2n's DEFER_CLEANUP).
 *
 *     CLEANUP(segment_freep) struct segment *seg = segment_alloc();
 *     ...
 *     *ret_segment = take_ptr(&seg);      // hand over: the cleanup sees NULL
 */
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)(((char *)(ptr)) - offsetof(type, member)))
/* Takes const away for an interface that has no const but does not write either. */
#define UNCONST(ptr) ((void *)(uintptr_t)(ptr))

/* Drop a must-check result on purpose, with the reason beside it. */
#define IGNORE(expr, why) \
    do {                  \
        if (expr) {       \
        }                 \
    } while (0)

#define take_ptr(pp)                \
    __extension__({                 \
        __typeof__(pp) pp_ = (pp);  \
        __typeof__(*pp_) p_ = *pp_; \
        *pp_ = NULL;                \
        p_;                         \
    })

/* Defines NAMEp(T **), the cleanup form of a destructor NAME(T *) that takes NULL. */
#define DEFINE_CLEANUP(type, fn)      \
    static inline void fn##p(type *p) \
    {                                 \
        if (*p)                       \
            fn(*p);                   \
    }
#endif
