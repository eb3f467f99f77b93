#ifndef WEIR_BASE_POISON_H
#define WEIR_BASE_POISON_H
/* Memory that must not be touched: AddressSanitizer is told (nothing in other builds), and what it
 * held can be overwritten with POISON_BYTE, which is no valid pointer, length or text. */
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define HAS_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang */
#define HAS_ASAN
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { POISON_BYTE = 0xDD };
#endif
