/* SPDX-License-Identifier: Apache-2.0 */
// What the agent and its helper processes say to each other: one task, one answer, over a SOCK_SEQPACKET pair of each helper's own.
//
// A system call on a program's socket may wait for that program, for ever if it wants: close() of a file in its own FUSE mount, any call
// that takes the lock of a socket while a thread of the program sits in another call with it, close() with SO_LINGER. So the agent makes
// none. It has the descriptor, waits for it (epoll takes no lock) and hands it to a helper for each task (SCM_RIGHTS); a helper that does
// not come back is given up with the one connection that it was at, and another takes its place.
//
// There is never more than one descriptor: what is sent is closed at its sender. For a last task (kInstall to kClose) the helper waits
// for word that the agent's is closed (kGo), or the agent's close could be the one that waits. kSecure does all there is to do to a connection
// whose keys are there before its socket is: the agent never has a descriptor of it.
//
// Keys come with that word, and with nothing else: from one process's memory for secrets (domain/secrets) right into the other's.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "../fd.h"

namespace tlshub::helper {

enum class Task : uint32_t {
  kTake = 1,  // find, verify, attach the ULP: hands the socket back
  kHas,       // whether anybody else has a descriptor
  kExchange,  // bytes of a handshake, both ways: hands the socket back
  kInstall,
  kRefuse,
  kForbid,
  kHangUp,
  kClose,
  kDestroy,  // without a descriptor
  kFlush,    // of a secured connection whose program shuts its sending side
  kPush,     // of a secured connection: the record that its program has left open
  kSecure,   // kTake and kInstall in one; of a connection that is over, or another one by now, kTake alone
};

constexpr bool isLast(Task task) {
  return task >= Task::kInstall && task <= Task::kClose;
}

// Comes with keys.
constexpr bool hasKeys(Task task) {
  return task == Task::kInstall || task == Task::kSecure;
}

// The helper waits for kGo.
constexpr bool waitsForGo(Task task) {
  return isLast(task) || hasKeys(task);
}

// Bytes of a handshake in one message, either way: two records of the largest kind.
constexpr size_t kMostBytes = 34 * 1024;

struct Exchange {
  uint32_t consume;   // bytes peeked before that the TLS library has read meanwhile
  uint32_t take;      // the next record is wanted whatever it is: it may be taken off the queue at once
  uint32_t begin;     // the first: no low-water mark, acknowledge at once
  int32_t lowWater;   // to be set again, 0: nothing
  uint32_t halfOpen;  // a peer that has closed its direction reads on
  uint32_t bytes;     // behind the request, to be sent
};

struct Install {
  uint32_t cipher;  // enum class Cipher
  uint32_t provider;
  uint32_t active;  // our role: we send with the client's key
  uint64_t txSequence, rxSequence;
  uint32_t sent, received;  // bytes of the handshake
  uint64_t askedNs, startedNs, negotiationNs;
  char peerNode[256];
};

struct Request {
  Task task;
  uint32_t generation;
  uint64_t cookie;
  uint64_t inode;   // kTake, kHas, kFlush, kPush, kSecure
  int32_t hint;     // the same: the descriptor's number in the owner, -1: not known
  uint32_t tgid;    // of the owner
  uint32_t search;  // the same: where it is not at that number
  uint8_t local[16], remote[16];
  uint16_t localPort, remotePort;
  // kHangUp: all that the peer can have sent is its part of our handshake.
  uint32_t handshakeOnly;
  union {
    Exchange exchange;
    Install install;
  };
};

struct Answer {
  uint32_t failed;
  uint32_t cpuUs;  // processor time that the task took
  int32_t err;     // errno of a system call that failed
  char code[40], syscall[32], message[512];
  // kTake, kSecure; kHas, kDestroy, kPush: there was one. kSecure that failed: it was taken, and has been refused.
  uint32_t live;
  uint32_t continued, discarded, by, remembered;
  uint64_t openedNs;
  char ulp[16], cipher[40], version[16];
  // kExchange
  uint32_t sent;
  uint32_t taken;  // of `bytes`, off the queue already
  int32_t sendError, readError;
  uint32_t ended;  // end of file behind `bytes`
  uint32_t over;   // the connection is in CLOSE
  int32_t lowWater;
  uint32_t bytes;  // behind the answer, received
  uint8_t first;   // of them
};

// What a helper says first, with a pidfd of its own.
constexpr char kHello = 'h';
// To the parent of all helpers, with the helper's end of a new pair.
constexpr char kBirth = 'b';
// Instead of tasks, with a descriptor each: the helper ends, and they are closed by that.
constexpr char kClosing = 'c';
constexpr char kGo = 'g';  // of a task with keys: TrafficKeys are behind it

// One message, with a descriptor if `fd` is not negative. `flags` as for send(). False: errno says why.
bool sendMessage(int channel, const void* head, size_t headBytes, const void* rest, size_t restBytes, int fd,
                 int flags);
// As recv(). `fd` gets the descriptor that came with it, if any.
ssize_t receiveMessage(int channel, void* head, size_t headBytes, void* rest, size_t restBytes, Fd* fd,
                       int flags);

}  // namespace tlshub::helper
