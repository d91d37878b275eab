// SPDX-License-Identifier: Apache-2.0
/*
 * Many processes that are held at the same time, and their server.
 *
 *   callers serve PORT              accepts nothing before SIGUSR1, then sends back a byte to each, one after the other
 *   callers call HOST PORT COUNT    so many processes: each connects, sends a byte and reads one, all calls block
 *
 * "connected" when all are. At the end how many were answered, and how many were told what: "ANSWERED answered", "N send ECONNRESET".
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 512

static void serve(const char* port) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, sig;
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR1);
  sigprocmask(SIG_BLOCK, &told, NULL);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (struct sockaddr*)&any, sizeof(any)) || listen(listener, BACKLOG)) err(1, "listen");
  sigwait(&told, &sig);
  for (;;) {
    char byte;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    if (recv(fd, &byte, 1, 0) == 1) send(fd, &byte, 1, MSG_NOSIGNAL);
    close(fd);
  }
}

/* What one caller has to tell: a call and an error; 0 and 0 when it was answered. */
struct told {
  int sending;
  int error;
};

static void call(const struct sockaddr_in* to, int connected, int told) {
  struct told mine = {1, 0};
  char byte = 'x';
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (const struct sockaddr*)to, sizeof(*to))) err(1, "connect");
  if (write(connected, "", 1) != 1) err(1, "the pipe");
  if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1) {
    mine.sending = 0;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n == 0) errno = ENODATA; /* an end */
    if (n == 1) errno = 0;
  }
  mine.error = errno;
  if (write(told, &mine, sizeof(mine)) != sizeof(mine)) err(1, "the pipe");
  _exit(0);
}

static void call_all(const char* host, const char* port, int count) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  int connected[2], told[2], answered = 0, errors[2][200] = {0};
  struct told one;
  char byte;
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) errx(64, "no IPv4 address: %s", host);
  if (pipe(connected) || pipe(told)) err(1, "pipe");
  for (int i = 0; i < count; i++) {
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child == 0) call(&to, connected[1], told[1]);
  }
  close(connected[1]);
  close(told[1]);
  for (int i = 0; i < count; i++)
    if (read(connected[0], &byte, 1) != 1) errx(1, "not all are connected");
  puts("connected");
  while (read(told[0], &one, sizeof(one)) == sizeof(one)) {
    if (!one.error)
      answered++;
    else
      errors[one.sending][one.error]++;
  }
  printf("%d answered\n", answered);
  for (int sending = 0; sending < 2; sending++)
    for (int i = 0; i < 200; i++)
      if (errors[sending][i])
        printf("%d %s %s\n", errors[sending][i], sending ? "send" : "recv", strerrorname_np(i));
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 3 && !strcmp(argv[1], "serve"))
    serve(argv[2]);
  else if (argc == 5 && !strcmp(argv[1], "call"))
    call_all(argv[2], argv[3], atoi(argv[4]));
  else
    return 64;
  return 0;
}
