// Counts heap allocations of a program on Linux, for measuring what a frame costs:
//
//     cc -shared -fPIC -O2 -o /tmp/count.so scripts/count-allocations.c -ldl
//     LD_PRELOAD=/tmp/count.so .build/release/meshnode bench codec --frames 100000
//     LD_PRELOAD=/tmp/count.so .build/release/meshnode bench codec --frames 200000
//
// The difference of both counts, by the difference of frames, is what one frame allocates.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long count;

static void *(*next)(size_t);
void *malloc(size_t size) {
    if (!next) next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return next(size);
}

__attribute__((destructor)) static void tell(void) { fprintf(stderr, "allocations %lu\n", count); }
