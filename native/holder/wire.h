/* SPDX-License-Identifier: Apache-2.0 */
// Requests of FUSE as the kernel writes them (linux/fuse.h), taken apart with nothing believed of their lengths, and the head of an answer.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace tlshub::holder {

// One request. It lies in the buffer that it was read into.
struct Request {
  fuse_in_header head;
  const char* body;
  size_t bytes;  // of the body

  // The first bytes of the body as a T. False: there are fewer. What a kernel has put behind them since is left alone.
  template <typename T>
  bool read(T* to) const {
    if (bytes < sizeof(T)) return false;
    std::memcpy(to, body, sizeof(T));
    return true;
  }

  // The text that begins at this byte of the body and ends with a zero.
  std::optional<std::string_view> text(size_t at) const;
};

// nullopt: these bytes are no request
std::optional<Request> parseRequest(const void* data, size_t bytes);

// What getxattr() asks for, if this is it.
struct Attribute {
  std::string_view name;
  uint32_t room;  // for its value; 0: how long it is
};
std::optional<Attribute> askedAttribute(const Request& request);

// Which request a signal has come for, if this says so.
std::optional<uint64_t> interruptedRequest(const Request& request);

// `error`: 0 or a negative errno, -511 at least
fuse_out_header answerHead(uint64_t unique, int error, size_t bytes);

}  // namespace tlshub::holder
