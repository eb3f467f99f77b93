#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>

#include "base/must.h"

void *secret_alloc(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(block != MAP_FAILED);
    must(madvise(block, bytes, MADV_DONTDUMP) == 0);
    IGNORE(mlock(block, bytes) != 0, "the limit may be used up; swap is the owner's to encrypt");
    return block;
}

void secret_free(void *block, size_t bytes)
{
    if (!block)
        return;
    explicit_bzero(block, bytes);
    must(munmap(block, bytes) == 0);
}
