// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace tlshub::helper {

bool sendMessage(int channel, const void* head, size_t headBytes, const void* rest, size_t restBytes, int fd,
                 int flags) {
  iovec parts[2] = {{const_cast<void*>(head), headBytes}, {const_cast<void*>(rest), restBytes}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = restBytes ? 2 : 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  }
  ssize_t sent;
  do sent = sendmsg(channel, &message, flags | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

ssize_t receiveMessage(int channel, void* head, size_t headBytes, void* rest, size_t restBytes, Fd* fd,
                       int flags) {
  iovec parts[2] = {{head, headBytes}, {rest, restBytes}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = restBytes ? 2 : 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do got = recvmsg(channel, &message, flags | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
    int received;
    std::memcpy(&received, CMSG_DATA(rights), sizeof(received));
    fd->reset(received);
  }
  return got;
}

}  // namespace tlshub::helper
