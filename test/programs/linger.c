// SPDX-License-Identifier: Apache-2.0
/*
 * linger HOST PORT SECONDS: makes the last close() of its connection wait, with no privilege at all: SO_LINGER, and SO_BINDTODEVICE to a
 * device on which no acknowledgement ever comes. Then it ends. An ending task neither lingers nor is stopped by the gate, so the agent's
 * descriptor is the last one.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct pollfd connected;
  struct linger wait = {.l_onoff = 1};

  if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: linger HOST PORT SECONDS\n");
    return 64;
  }
  to.sin_port = htons((uint16_t)atoi(argv[2]));
  wait.l_linger = atoi(argv[3]);
  connected = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLOUT};
  connect(connected.fd, (void*)&to, sizeof(to));
  poll(&connected, 1, 5000);
  usleep(400000); /* the agent takes its descriptor */
  if (setsockopt(connected.fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) ||
      setsockopt(connected.fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)) {
    perror("setsockopt");
    return 1;
  }
  printf("lingering\n");
  fflush(stdout);
  _exit(0);
}
