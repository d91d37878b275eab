// SPDX-License-Identifier: Apache-2.0
// memory_search PID: where in the memory of a process are these bytes? Reads lines "NAME HEX" (at least 4 bytes) from standard input and prints
// a line "NAME ADDRESS MAPPING" for each place, at last "searched N bytes". Every mapping that can be read is searched, the program's own and
// the kernel's excepted. Needs the right to read /proc/PID/mem.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 65536, LONGEST = 256, PIECE = 1 << 20, SLOTS = 1 << 20 };

static struct needle {
  char name[64];
  unsigned char bytes[LONGEST];
  size_t length;
  int next;  // with the same beginning
} needles[MOST];
static int count;
static int slots[SLOTS];  // by the first four bytes: index + 1

static uint32_t slot_of(const unsigned char* at) {
  uint32_t word;
  memcpy(&word, at, sizeof(word));
  return word * 2654435761u >> 12;
}

static void die(const char* what) {
  fprintf(stderr, "memory_search: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_needles(void) {
  char hex[2 * LONGEST + 1];
  while (count < MOST && scanf("%63s %512s", needles[count].name, hex) == 2) {
    struct needle* at = &needles[count++];
    for (const char* two = hex; two[0] && two[1]; two += 2) {
      unsigned byte;
      if (sscanf(two, "%2x", &byte) != 1) die("not hexadecimal");
      at->bytes[at->length++] = (unsigned char)byte;
    }
    if (at->length < 4) die("too short");
    int* slot = &slots[slot_of(at->bytes)];
    at->next = *slot;
    *slot = count;
  }
}

// Of `size` bytes at `address`; a match begins in the first `starts` of them.
static void search(const unsigned char* data, size_t size, size_t starts, uint64_t address,
                   const char* mapping) {
  for (size_t i = 0; i < starts && i + 4 <= size; i++)
    for (int at = slots[slot_of(data + i)]; at; at = needles[at - 1].next) {
      const struct needle* one = &needles[at - 1];
      if (i + one->length <= size && !memcmp(data + i, one->bytes, one->length))
        printf("%s %llx %s\n", one->name, (unsigned long long)(address + i), mapping);
    }
}

int main(int argc, char** argv) {
  static unsigned char data[PIECE + LONGEST];
  if (argc != 2) return fprintf(stderr, "usage: memory_search PID <NEEDLES\n"), 64;
  read_needles();
  char path[64], line[4096];
  snprintf(path, sizeof(path), "/proc/%s/mem", argv[1]);
  const int memory = open(path, O_RDONLY | O_CLOEXEC);
  if (memory < 0) die(path);
  snprintf(path, sizeof(path), "/proc/%s/maps", argv[1]);
  FILE* maps = fopen(path, "re");
  if (!maps) die(path);
  unsigned long long searched = 0;
  while (fgets(line, sizeof(line), maps)) {
    unsigned long long from, to;
    char rights[8], name[2048] = "anonymous";
    if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %2047s", &from, &to, rights, name) < 3) continue;
    if (rights[0] != 'r' || !strcmp(name, "[vvar]") || !strcmp(name, "[vsyscall]")) continue;
    while (from < to) {
      const size_t piece = to - from < PIECE ? (size_t)(to - from) : PIECE;
      // A little more, for what lies across the end.
      const size_t wanted = to - from < PIECE + LONGEST ? (size_t)(to - from) : PIECE + LONGEST;
      const ssize_t got = pread(memory, data, wanted, (off_t)from);
      if (got <= 0) {
        from += 4096;  // a page that cannot be had: a hole in a file
        continue;
      }
      search(data, (size_t)got, (size_t)got < piece ? (size_t)got : piece, from, name);
      const size_t done = (size_t)got < piece ? ((size_t)got + 4095) / 4096 * 4096 : piece;
      searched += done;
      from += done;
    }
  }
  printf("searched %llu bytes\n", searched);
  return 0;
}
