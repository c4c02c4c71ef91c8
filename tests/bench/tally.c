/* A libnvidia-ml.so.1 that counts the calls to another one, whoever makes them and in whatever way.
 *
 * symbols.inc, which tally.py writes, holds one TALLIED(name) for each function of the library behind. NVML's functions
 * take at most six arguments, integers and pointers all, which x86-64 and arm64 pass in registers: so they can be handed
 * on without knowing how many there are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef long Function(long, long, long, long, long, long);

#define TALLIED(name) NUMBER_OF_##name,
enum {
#include "symbols.inc"
    FUNCTIONS
};
#undef TALLIED

#define TALLIED(name) #name,
static const char *const NAMES[] = {
#include "symbols.inc"
};
#undef TALLIED

static Function *behind[FUNCTIONS];
static unsigned long *calls;

__attribute__((constructor)) static void begin(void) {
    void *library = dlopen(getenv("TALLY_BEHIND"), RTLD_NOW | RTLD_LOCAL);
    int file = open(getenv("TALLY_CALLS"), O_RDWR | O_CLOEXEC);
    calls = mmap(NULL, FUNCTIONS * sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!library || file < 0 || calls == MAP_FAILED) {
        fprintf(stderr, "tally: TALLY_BEHIND must name a library, TALLY_CALLS a file that can be written\n");
        abort();
    }
    for (int i = 0; i < FUNCTIONS; i++) *(void **)&behind[i] = dlsym(library, NAMES[i]);
}

#define TALLIED(name)                                                                  \
    long name(long a, long b, long c, long d, long e, long f) {                        \
        __atomic_fetch_add(&calls[NUMBER_OF_##name], 1, __ATOMIC_RELAXED);             \
        return behind[NUMBER_OF_##name](a, b, c, d, e, f);                             \
    }
#include "symbols.inc"
