// SPDX-License-Identifier: Apache-2.0
/*
 * hide HOST PORT DESCRIPTORS CHILDREN CONNECTIONS: connects, and hides each socket in flight in a unix socket: it is in nobody's table, and
 * whoever looks for it looks through DESCRIPTORS of this process and as many of each child. Prints "hidden" when all are. Ends when killed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void give(int via, int fd) {
  char word = 'x';
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&word, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);

  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  if (sendmsg(via, &message, 0) < 0) {
    perror("sendmsg");
    exit(1);
  }
}

int main(int argc, char** argv) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct rlimit limit;
  int null, pair[2];

  if (argc != 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: hide HOST PORT DESCRIPTORS CHILDREN CONNECTIONS\n");
    return 64;
  }
  to.sin_port = htons((uint16_t)atoi(argv[2]));
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  null = open("/dev/null", O_RDONLY);
  for (int have = 0; have < atoi(argv[3]) && dup(null) >= 0; have++)
    ;
  for (int i = 0; i < atoi(argv[4]); i++) {
    if (fork()) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) {
    perror("socketpair");
    return 1;
  }
  for (int i = 0; i < atoi(argv[5]); i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    connect(fd, (void*)&to, sizeof(to));
    give(pair[0], fd);
    close(fd);
    usleep(20000);
  }
  printf("hidden\n");
  fflush(stdout);
  for (;;) pause();
}
