// SPDX-License-Identifier: Apache-2.0
/*
 * mark INTERFACE TEXT: a datagram with the text to all nodes of a link, and more than a block of a recording behind it.
 *
 * The kernel hands frames to tcpdump in blocks of 256 KiB (TPACKET_V3 with the sizes of libpcap), the last one after a second. Frames come in
 * order: what fills the block behind the mark brings the mark, and everything before it, into the file at once. Nobody listens on the discard
 * port, and a multicast is not answered.
 */
#include <arpa/inet.h>
#include <err.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { DISCARD = 9, FILLER = 1200, FILLERS = 256 };

int main(int argc, char** argv) {
  if (argc != 3) errx(64, "usage: mark INTERFACE TEXT");
  struct sockaddr_in6 all_nodes = {
      .sin6_family = AF_INET6, .sin6_port = htons(DISCARD), .sin6_scope_id = if_nametoindex(argv[1])};
  inet_pton(AF_INET6, "ff02::1", &all_nodes.sin6_addr);
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&all_nodes, sizeof all_nodes) != 0)
    err(69, "no way to all nodes of %s", argv[1]);
  if (send(fd, argv[2], strlen(argv[2]), 0) < 0) err(69, "cannot send the mark");
  static const char filler[FILLER];
  for (int i = 0; i < FILLERS; i++)
    if (send(fd, filler, sizeof filler, 0) < 0) err(69, "cannot send what comes after the mark");
}
