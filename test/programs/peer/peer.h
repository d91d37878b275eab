/* SPDX-License-Identifier: Apache-2.0 */
// peer: a small program that does what a test tells it, one system call after the other, and says what came of each.
//
//   peer OP...
//
// An OP is NAME or NAME:ARGUMENT. It works on the present socket of the context, and prints a line
//   NAME RESULT ERRNO TRIES DATA
// RESULT: the call's return value; ERRNO: 0 or its name; TRIES: how often a non-blocking call was told EAGAIN before;
// DATA: what was read, with bytes that are not printable as \xNN. It knows nothing of TLS.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct peer {
  int fd;        // the present socket
  int listener;  // the last one that was made
  int wait_ms;   // how long a non-blocking call is tried again
  char** ops;    // those to come, until NULL
};

typedef void (*op_run)(struct peer* p, const char* name, const char* argument);
struct op {
  const char* name;
  op_run run;
};

// Ends with { NULL, NULL }.
extern const struct op socket_ops[], move_ops[], share_ops[], serve_ops[], uring_ops[], abuse_ops[];

// Runs the ops up to `end` (or to the last); returns the place behind it.
char** run_ops(struct peer* p, char** ops, const char* end);
// The place behind the matching `end`.
char** skip_ops(char** ops, const char* begin, const char* end);

// One line of output, in one write.
void report(const char* name, ssize_t result, int tries, const void* data, size_t length);
// A mistake in the script or the machine: ends the program with status 2.
__attribute__((noreturn, format(printf, 1, 2))) void die(const char* format, ...);

// "10.77.0.2:80" or "[fd77::2]:80".
socklen_t parse_address(const char* text, struct sockaddr_storage* out);
// Writes the text to `out`, with \xNN and \n made bytes; returns their number.
size_t unescape(const char* text, char* out, size_t room);
long now_ms(void);
bool is_nonblocking(int fd);
// Waits for POLLIN or POLLOUT as a level-triggered program does.
void wait_for(int fd, short events, int ms);
