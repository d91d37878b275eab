// SPDX-License-Identifier: Apache-2.0
/*
 * LD_PRELOAD=clock_steps: a machine whose time of day is being set. Each look at it finds it a day before or a day after the truth, in
 * turn; with CLOCK_AT in the environment it stands still at that Unix time. CLOCK_MONOTONIC is left alone, as the kernel leaves it.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400

static void set(time_t* seconds) {
  static unsigned looks;
  const char* at = getenv("CLOCK_AT");
  if (at)
    *seconds = atol(at);
  else
    *seconds += __sync_fetch_and_add(&looks, 1) % 2 ? DAY : -DAY;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) set(&now->tv_sec);
  return result;
}

int gettimeofday(struct timeval* now, void* zone) {
  int result = (int)syscall(SYS_gettimeofday, now, zone);
  if (!result) set(&now->tv_sec);
  return result;
}

time_t time(time_t* now) {
  struct timeval tv = {0};
  gettimeofday(&tv, NULL);
  if (now) *now = tv.tv_sec;
  return tv.tv_sec;
}
