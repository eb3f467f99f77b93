#ifndef WEIR_TESTS_SIM_DISK_H
#define WEIR_TESTS_SIM_DISK_H
/* A disk that loses power. It sits under base/os (os_calls): real files in a scratch folder hold
 * what the running program sees; a model beside them holds what is on stable storage and what is
 * not yet.
 *
 * Power on decides for every write since the file's last sync, sector by sector (512 bytes),
 * whether it is kept, dropped or filled with garbage; for every truncate, file size and name
 * whether it happened. A garbled sector is garbled whole, synced neighbours of the written bytes
 * included. Everything follows from the seed, as long as one thread writes at a time. */
#include <stdbool.h>
#include <stdint.h>

void sim_start(const char *root, uint64_t seed); /* root exists and is empty */
void sim_stop(void);                             /* back to the real calls */
void sim_crash_after(uint64_t calls); /* the n-th changing call from now loses power; 0 = never */
void sim_cut_power(void);             /* now: every later call fails with EIO */
bool sim_is_dead(void);
void sim_revive(
    void); /* only the process had died: what the kernel holds is seen again, unsynced */
void sim_power_on(void); /* all descriptors must be closed */
/* One in n writes is cut short, and the next one answered with ENOSPC; 0 = never. Some EINTR, too.
 */
void sim_full_disk_every(uint32_t n);
uint64_t sim_calls(void); /* changing calls since sim_start */
#endif
