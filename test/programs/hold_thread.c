// SPDX-License-Identifier: Apache-2.0
/* hold_thread TID: has one thread of another process stand still, as one that hangs in the kernel does, until this program ends. Prints "held". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  pid_t thread = atoi(argv[1]);
  if (ptrace(PTRACE_SEIZE, thread, 0, 0) || ptrace(PTRACE_INTERRUPT, thread, 0, 0) ||
      waitpid(thread, NULL, __WALL) != thread) {
    perror("ptrace");
    return 1;
  }
  puts("held");
  fflush(stdout);
  for (;;) pause();
}
