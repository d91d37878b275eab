// SPDX-License-Identifier: Apache-2.0
/*
 * workshop ADDRESS PORT WORKERS: one thread connects, sends "hello" and waits for the answer, and so many others work: each moves bytes through
 * a pipe of its own. The main thread does what it is told, as lines on standard output:
 *
 *   SIGUSR1  waits until each worker has got on, forks, starts another program, and starts and ends a thread
 *   SIGUSR2  becomes another program, which says "replaced"
 *   SIGHUP   ends with status 3
 *
 * Ends with status 0 when the answer is there.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 64
#define ENOUGH 20 /* turns of a worker */

static _Atomic long turns[MOST];
static int count;
static struct sockaddr_in to;

static void* work(void* context) {
  _Atomic long* mine = context;
  int ends[2];
  char byte = 0;
  if (pipe(ends)) err(1, "pipe");
  for (;; ++*mine)
    if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) err(1, "a pipe");
  return NULL;
}

static void* ask(void* context) {
  (void)context;
  char answer[6] = "";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr*)&to, sizeof(to))) err(1, "connect");
  puts("connected");
  if (send(fd, "hello", 5, 0) != 5 || recv(fd, answer, 5, MSG_WAITALL) != 5) err(1, "the connection");
  printf("answered %s\n", answer);
  exit(0);
}

static void* end(void* context) {
  return context;
}

static int status_of(pid_t child) {
  int status;
  if (child <= 0 || waitpid(child, &status, 0) != child) err(1, "a child");
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void get_on(void) {
  long before[MOST];
  for (int i = 0; i < count; i++) before[i] = turns[i];
  for (int i = 0; i < count; i++)
    while (turns[i] < before[i] + ENOUGH) usleep(1000);
  printf("%d got on\n", count);

  pid_t child = fork();
  if (child == 0) _exit(7);
  printf("forked %d\n", status_of(child));

  char* command[] = {"sh", "-c", "exit 5", NULL};
  if (posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ)) err(1, "posix_spawn");
  printf("started %d\n", status_of(child));

  pthread_t thread;
  void* result;
  if (pthread_create(&thread, NULL, end, "ended") || pthread_join(thread, &result)) errx(1, "a thread");
  printf("thread %s\n", (char*)result);
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 4 || (count = atoi(argv[3])) > MOST) errx(64, "usage: workshop ADDRESS PORT WORKERS");
  to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) errx(64, "no IPv4 address: %s", argv[1]);

  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR1);
  sigaddset(&told, SIGUSR2);
  sigaddset(&told, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &told, NULL);
  pthread_t thread;
  for (int i = 0; i < count; i++)
    if (pthread_create(&thread, NULL, work, &turns[i])) errx(1, "pthread_create");
  if (pthread_create(&thread, NULL, ask, NULL)) errx(1, "pthread_create");

  for (int signal;;) {
    sigwait(&told, &signal);
    if (signal == SIGUSR1) get_on();
    if (signal == SIGUSR2) execl("/bin/echo", "echo", "replaced", NULL);
    if (signal == SIGHUP) exit(3);
  }
}
