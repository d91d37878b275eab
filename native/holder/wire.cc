// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

namespace tlshub::holder {

std::optional<std::string_view> Request::text(size_t at) const {
  if (at >= bytes) return std::nullopt;
  const void* end = std::memchr(body + at, 0, bytes - at);
  if (!end) return std::nullopt;
  return std::string_view(body + at, static_cast<size_t>(static_cast<const char*>(end) - (body + at)));
}

std::optional<Request> parseRequest(const void* data, size_t bytes) {
  Request request;
  if (bytes < sizeof(request.head)) return std::nullopt;
  std::memcpy(&request.head, data, sizeof(request.head));
  if (request.head.len != bytes) return std::nullopt;
  request.body = static_cast<const char*>(data) + sizeof(request.head);
  request.bytes = bytes - sizeof(request.head);
  return request;
}

std::optional<Attribute> askedAttribute(const Request& request) {
  fuse_getxattr_in in;
  if (request.head.opcode != FUSE_GETXATTR || !request.read(&in)) return std::nullopt;
  const auto name = request.text(sizeof(in));
  if (!name) return std::nullopt;
  return Attribute{*name, in.size};
}

std::optional<uint64_t> interruptedRequest(const Request& request) {
  fuse_interrupt_in in;
  if (request.head.opcode != FUSE_INTERRUPT || !request.read(&in)) return std::nullopt;
  return in.unique;
}

fuse_out_header answerHead(uint64_t unique, int error, size_t bytes) {
  fuse_out_header head;
  head.len = static_cast<uint32_t>(sizeof(head) + bytes);
  head.error = error;
  head.unique = unique;
  return head;
}

}  // namespace tlshub::holder
