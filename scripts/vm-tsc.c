// SPDX-License-Identifier: Apache-2.0
/*
 * Prints the frequency of this machine's time stamp counter in kHz. The emulated machine reads the same counter, and measures its
 * frequency at boot against an emulated timer; on a busy host that goes wrong by a factor, and all its clocks with it. scripts/vm tells
 * it instead (tsc_early_khz).
 *
 * Two moments 100 ms apart, each the tightest of many pairs of readings: being interrupted between two readings spoils that pair only.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void moment(uint64_t *ns, uint64_t *ticks) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 1000; i++) {
    uint64_t before = __rdtsc(), at = now_ns(), after = __rdtsc();
    if (after - before >= best) continue;
    best = after - before;
    *ns = at;
    *ticks = before + best / 2;
  }
}

int main(void) {
  uint64_t ns[2], ticks[2];
  struct timespec pause = {0, 100000000};
  moment(&ns[0], &ticks[0]);
  nanosleep(&pause, NULL);
  moment(&ns[1], &ticks[1]);
  printf("%llu\n", (unsigned long long)((ticks[1] - ticks[0]) * 1000000ull / (ns[1] - ns[0])));
  return 0;
}
