// SPDX-License-Identifier: Apache-2.0
/*
 * bystanders ADDRESS PORT CONNECTIONS: threads that wait in calls which the kernel does not restart when the process is stopped and continued
 * (signal(7), "Interruption of system calls and library functions by stop signals"), while the main thread makes so many blocking connections
 * to a Redis server, one after the other. Prints how often each was told EINTR, as JSON.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in to;
static int talking, waiting, set, semaphores;
static sigset_t never_sent;
static _Atomic int over;

static int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  char answer[7];
  if (connect(fd, (struct sockaddr*)&to, sizeof(to))) err(1, "connect");
  if (write(fd, "PING\r\n", 6) != 6 || recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
      memcmp(answer, "+PONG\r\n", sizeof(answer)))
    err(1, "the connection");
  return fd;
}

// Calls with a timeout, which is far away: without one the first two are restarted.
static void limit(int fd) {
  struct timeval timeout = {600, 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout))) err(1, "SO_RCVTIMEO");
}
static long wait_recv(void) {
  char byte;
  return recv(talking, &byte, 1, 0);
}
static long wait_accept(void) {
  return accept(waiting, NULL, NULL);
}
static long wait_epoll(void) {
  struct epoll_event event;
  return epoll_wait(set, &event, 1, -1);
}
static long wait_semop(void) {
  struct sembuf take = {0, -1, 0};
  return semop(semaphores, &take, 1);
}
static long wait_signal(void) {
  return sigwaitinfo(&never_sent, NULL);
}

static struct bystander {
  const char* name;
  long (*wait)(void);
  _Atomic int interrupted;
} all[] = {
    {"recv", wait_recv, 0},   {"accept", wait_accept, 0},      {"epoll_wait", wait_epoll, 0},
    {"semop", wait_semop, 0}, {"sigwaitinfo", wait_signal, 0},
};
#define COUNT (sizeof(all) / sizeof(*all))

static void* stand_by(void* context) {
  struct bystander* b = context;
  while (b->wait() < 0 && errno == EINTR) b->interrupted++;
  if (!over) err(1, "%s has returned", b->name);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 4) errx(64, "usage: bystanders ADDRESS PORT CONNECTIONS");
  pthread_t thread;
  sigemptyset(&never_sent);
  sigaddset(&never_sent, SIGUSR2);
  sigprocmask(SIG_BLOCK, &never_sent, NULL);
  to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) errx(64, "no IPv4 address: %s", argv[1]);

  talking = dial();
  waiting = socket(AF_INET, SOCK_STREAM, 0);
  set = epoll_create1(0);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  if (waiting < 0 || listen(waiting, 1) || set < 0 || semaphores < 0) err(1, "nothing to wait for");
  limit(talking);
  limit(waiting);
  for (size_t i = 0; i < COUNT; i++)
    if (pthread_create(&thread, NULL, stand_by, &all[i])) errx(1, "pthread_create");
  usleep(
      300000);  // until all of them wait; one that does not yet misses an interruption or two of those to come

  for (int left = atoi(argv[3]); left > 0; left--) close(dial());
  over = 1;
  semctl(semaphores, 0, IPC_RMID);
  for (size_t i = 0; i < COUNT; i++) printf("%s\"%s\":%d", i ? "," : "{", all[i].name, all[i].interrupted);
  puts("}");
  return 0;
}
