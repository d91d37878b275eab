/* SPDX-License-Identifier: Apache-2.0 */
// What happens to a held flow in the end: keys are installed, or it is refused; and whoever stood still for it goes on.
// All that has a descriptor runs in helper processes (helper/wire.h): it may wait for the program that has the socket.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "../../bpf/tlshub.h"
#include "ktls.h"
#include "remote_socket.h"

namespace tlshub {

struct FlowMaps {
  int flows, verdicts, stops, userStops, dups, secured;
  int openRecords = -1;  // -1: not needed for what is to be done
  int wakes = -1;        // a pipe to the holder, which wakes who sleeps; -1: nobody sleeps
};

// The kernel's record of the flow behind this socket. Throws SysError (ENOENT: it has none).
tlshub_flow readFlow(int flowsFd, int fd);

// Begins with this connection of the socket: until then the gate lets the agent move no byte on it. False: it is over, and the socket may
// have connected anew. Throws SysError.
bool claim(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation);

struct Installation {
  uint64_t cookie;
  uint32_t generation;
  DirectionKeys tx, rx;
  // What the handshake moved on the socket: must equal what the kernel's sequence numbers say.
  uint32_t handshakeSent, handshakeReceived;
  // For the record that stays with the socket; times are CLOCK_MONOTONIC nanoseconds.
  uint32_t provider = 0;  // tlshub_provider
  uint64_t askedNs = 0, startedNs = 0, negotiationNs = 0;
  std::string peerNode = {};
};

struct Installed {
  std::string ulp, cipher, version;
  uint64_t openedNs;  // CLOCK_MONOTONIC when both directions were open
  int continued;
  // The socket has its record (struct tlshub_secured). False: the kernel had no memory for it, or the name is too long.
  bool remembered;
};

// A descriptor of our own for another process's socket, with the "tls" ULP attached. From before it exists the gate knows of it: programs do
// not come back from closing theirs while it lives (bpf/closing.bpf.c). Ends by release(). Throws as duplicate() and attachTlsUlp() do, and
// CodedError TLSHUB_SOCKET_SECURED if its connection was secured before.
struct Taken {
  int fd;
  bool live;  // false: not established any more
};
Taken take(const FlowMaps& maps, const SocketOwner& owner);

// Closes a taken descriptor (-1: there is none any more), and continues who stood still for that. Returns how many were continued.
int release(const FlowMaps& maps, int fd, uint64_t cookie) noexcept;

// Installs both keys, opens the gate and releases the descriptor, in this order and with nothing in between that could be put off: from the
// opening on the program may close its own. Throws SysError, or CodedError TLSHUB_INSTALL: then the descriptor is still there, and the
// caller must refuse the flow and release it.
Installed install(const FlowMaps& maps, int fd, const Installation& what);

enum class RefusedBy { kDisconnect, kSockDestroy, kAlreadyClosed };
struct Refused {
  RefusedBy by;
  uint32_t discarded;  // bytes of the peer's that were queued and that nobody will read
  int continued;
};

// Shuts the gate for good, ends the connection, empties its receive queue, continues who stood still. `tgid`: a process of the socket's
// network namespace, 0: ours. Throws SysError.
Refused refuse(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, uint32_t tgid);

// Shuts the gate for good and continues who stood still, but leaves a connection that its peer has ended to end by itself: what is queued of a
// handshake is thrown away, and the peer's FIN is still to be read. If it has not ended, or something else is queued, as refuse(): then that
// would be cut off, and nobody could tell. Returns who was continued. Throws SysError.
int forbid(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, uint32_t tgid);

// For the last descriptor of a connection that its program has closed in the middle of our handshake: the peer sees a FIN, as it would have
// without us. Takes as long as the peer takes to acknowledge it, 200 ms at most, 20 if somebody stands still for it. `handshakeOnly`:
// all that the peer can have sent is its part of it. What a program has sent is not thrown away, or its sender would take it for received.
void hangUp(const FlowMaps& maps, int fd, uint64_t cookie, uint32_t generation, bool handshakeOnly);

// Wakes every thread that sleeps for this flow, and SIGCONT for every process that stands still. Returns how many of those.
int continueStopped(const FlowMaps& maps, uint64_t cookie);

// Cookies of the flows for which somebody stands still.
std::set<uint64_t> stoppedFlows(int stopsFd);

}  // namespace tlshub
