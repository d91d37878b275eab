// SPDX-License-Identifier: Apache-2.0
/*
 * What the gate is to the holder (native/holder), without a gate: its maps, and threads that are put to sleep.
 *   sleepers maps DIR          makes the maps that holder and guardian want and pins them in DIR/maps, where a bpffs is
 *   sleepers agent DIR MS      an agent's lease for so long from now on
 *   sleepers leases DIR        prints the leases as JSON; those that end as ms that they have left
 *   sleepers ask DIR NAME      asks for this attribute of the file that threads are put to sleep on, not being one of them
 *   sleepers sleep DIR LOOKS COOKIE:MS...
 *                              for each COOKIE:MS, one after the other, a thread that sleeps for the flow with this cookie, at most MS ms; when
 *                              it was answered it looks again, LOOKS times in all
 * `sleep` prints "asleep COOKIE TID" before a thread's first look, "COOKIE WHAT" after its last, and ends when all have. WHAT, as for `ask`: what
 * getxattr() said, a number of bytes or the name of the error. SIGUSR1 interrupts one that sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../../bpf/tlshub.h"

#define MS 1000000ull
/* Much less than the holder has them sleep without a look, and long enough for them to go to sleep in this order. */
#define BETWEEN_MS 100

static const char* dir;
static int looks;
static struct tlshub_leases* leases;
static int sleepers;

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int bpf(int command, union bpf_attr* attr) {
  return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void path_of(char path[512], const char* name) {
  snprintf(path, 512, "%s/maps/%s", dir, name);
}

static void make_map(const char* name, uint32_t type, uint32_t key_bytes, uint32_t value_bytes,
                     uint32_t entries, uint32_t flags) {
  char path[512];
  union bpf_attr attr = {.map_type = type,
                         .key_size = key_bytes,
                         .value_size = value_bytes,
                         .max_entries = entries,
                         .map_flags = flags};
  int fd = bpf(BPF_MAP_CREATE, &attr);

  if (fd < 0) fail(name);
  path_of(path, name);
  memset(&attr, 0, sizeof(attr));
  attr.pathname = (uint64_t)(uintptr_t)path;
  attr.bpf_fd = (uint32_t)fd;
  if (bpf(BPF_OBJ_PIN, &attr)) fail(path);
  close(fd);
}

static int open_map(const char* name) {
  char path[512];
  union bpf_attr attr = {};
  int fd;

  path_of(path, name);
  attr.pathname = (uint64_t)(uintptr_t)path;
  fd = bpf(BPF_OBJ_GET, &attr);
  if (fd < 0) fail(path);
  return fd;
}

static void map_leases(void) {
  leases =
      mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, open_map("leases"), 0);
  if (leases == MAP_FAILED) fail("mmap");
}

static void make_maps(void) {
  char path[512];

  path_of(path, "");
  mkdir(path, 0700);
  make_map("sleepers", BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(struct tlshub_sleeper), 1024,
           BPF_F_NO_PREALLOC);
  make_map("leases", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct tlshub_leases), 1, BPF_F_MMAPABLE);
  make_map("stops", BPF_MAP_TYPE_HASH, sizeof(struct tlshub_stop_key), sizeof(struct tlshub_stop), 1, 0);
  make_map("user_stops", BPF_MAP_TYPE_LRU_HASH, sizeof(uint32_t), sizeof(uint64_t), 64, 0);
}

static long long left_ms(uint64_t until_ns) {
  return ((long long)until_ns - (long long)now_ns()) / (long long)MS;
}

static void print_leases(void) {
  uint64_t until_ns = leases->holder_until_ns;

  printf("{\"agent\":%lld,\"holder\":%lld,\"tgid\":%u,\"startBoottime\":\"%llu\",\"sleepOn\":%u}\n",
         left_ms(leases->agent_until_ns), until_ns ? left_ms(until_ns) : 0, leases->holder_tgid,
         (unsigned long long)leases->holder_start_boottime, leases->sleep_on);
}

/* The number of bytes, or minus an errno. */
static int ask(const char* name) {
  char path[64], value[8];
  ssize_t bytes;

  snprintf(path, sizeof(path), "/proc/%u/exe", __atomic_load_n(&leases->sleep_on, __ATOMIC_ACQUIRE));
  bytes = getxattr(path, name, value, sizeof(value));
  return bytes < 0 ? -errno : (int)bytes;
}

static void print_answer(const char* who, int answer) {
  char line[128];
  int length;

  if (answer < 0)
    length = snprintf(line, sizeof(line), "%s%s\n", who, strerrorname_np(-answer));
  else
    length = snprintf(line, sizeof(line), "%s%d\n", who, answer);
  if (write(1, line, (size_t)length) < 0) fail("write");
}

static void update(int command, uint32_t tid, const struct tlshub_sleeper* sleeper) {
  union bpf_attr attr = {
      .map_fd = (uint32_t)sleepers, .key = (uint64_t)(uintptr_t)&tid, .value = (uint64_t)(uintptr_t)sleeper};

  if (bpf(command, &attr)) fail("sleepers");
}

static void* sleep_for(void* argument) {
  struct tlshub_sleeper sleeper = *(const struct tlshub_sleeper*)argument;
  uint32_t tid = (uint32_t)syscall(SYS_gettid);
  char who[64];
  int answer = 0;
  sigset_t signals;

  sigemptyset(&signals);
  pthread_sigmask(SIG_SETMASK, &signals, NULL);
  sleeper.until_ns = now_ns() + sleeper.until_ns;
  sleeper.tgid = (uint32_t)getpid();
  update(BPF_MAP_UPDATE_ELEM, tid, &sleeper);
  snprintf(who, sizeof(who), "asleep %llu ", (unsigned long long)sleeper.cookie);
  print_answer(who, (int)tid);
  for (int look = 0; look < looks; look++) {
    answer = ask("user.hold");
    /* Between an anchor that is gone and the next there is no file. */
    for (; answer == -ENOENT; answer = ask("user.hold")) usleep(1000);
    if (answer < 0) break;
  }
  update(BPF_MAP_DELETE_ELEM, tid, NULL);
  snprintf(who, sizeof(who), "%llu ", (unsigned long long)sleeper.cookie);
  print_answer(who, answer);
  return NULL;
}

static void sleep_all(int count, char** flows) {
  pthread_t* threads = calloc((size_t)count, sizeof(*threads));
  struct tlshub_sleeper* asleep = calloc((size_t)count, sizeof(*asleep));
  sigset_t signals;

  if (!threads || !asleep) fail("calloc");
  sigfillset(&signals);
  pthread_sigmask(SIG_SETMASK, &signals, NULL);
  for (int i = 0; i < count; i++) {
    unsigned long long cookie, ms;

    if (sscanf(flows[i], "%llu:%llu", &cookie, &ms) != 2) exit(64);
    asleep[i] = (struct tlshub_sleeper){.cookie = cookie, .until_ns = ms * MS, .cgroup = 1};
    errno = pthread_create(&threads[i], NULL, sleep_for, &asleep[i]);
    if (errno) fail("pthread_create");
    usleep(BETWEEN_MS * 1000);
  }
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void interrupted(int number) {
  (void)number;
}

int main(int argc, char** argv) {
  struct sigaction action = {.sa_handler = interrupted};

  if (argc < 3) return 64;
  dir = argv[2];
  sigaction(SIGUSR1, &action, NULL);
  if (!strcmp(argv[1], "maps")) {
    make_maps();
    return 0;
  }
  map_leases();
  if (!strcmp(argv[1], "agent") && argc == 4) {
    __atomic_store_n(&leases->agent_until_ns, now_ns() + strtoull(argv[3], NULL, 10) * MS, __ATOMIC_RELEASE);
  } else if (!strcmp(argv[1], "leases")) {
    print_leases();
  } else if (!strcmp(argv[1], "ask") && argc == 4) {
    print_answer("", ask(argv[3]));
  } else if (!strcmp(argv[1], "sleep") && argc > 4) {
    sleepers = open_map("sleepers");
    looks = atoi(argv[3]);
    sleep_all(argc - 4, argv + 4);
  } else {
    return 64;
  }
  return 0;
}
