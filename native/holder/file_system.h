/* SPDX-License-Identifier: Apache-2.0 */
// The file system of the holder: a folder with one file, which is the holder's own program. It has what it takes to execute that file.
// Pure: what is asked is given, what is answered is returned.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "wire.h"

namespace tlshub::holder {

// The kernel gives a process that executes it this name.
constexpr std::string_view kFileName = "tlshub-hold";
// Threads ask for it and sleep until they are answered.
constexpr std::string_view kHoldAttribute = "user.hold";
// The mode of its root, as the mount option "rootmode" wants it.
constexpr const char* kRootMode = "40555";

class Answer {
 public:
  Answer(uint64_t unique, int error = 0) : head_(answerHead(unique, error, 0)) {}

  // Bytes that stay where they are until it is written.
  static Answer of(uint64_t unique, const void* data, size_t bytes);
  // A copy of it.
  template <typename T>
  static Answer with(uint64_t unique, const T& value) {
    static_assert(sizeof(T) <= kMostOwn, "make room for it");
    Answer answer = of(unique, nullptr, sizeof(T));
    std::memcpy(answer.own_.data(), &value, sizeof(T));
    return answer;
  }

  const fuse_out_header& head() const { return head_; }
  const void* data() const { return elsewhere_ ? elsewhere_ : own_.data(); }
  size_t bytes() const { return head_.len - sizeof(head_); }

 private:
  static constexpr size_t kMostOwn = sizeof(fuse_entry_out);
  fuse_out_header head_;
  const void* elsewhere_ = nullptr;
  std::array<char, kMostOwn> own_{};
};

// The value of kHoldAttribute: the request of a thread that is to look again. What it says is not looked at.
Answer lookAgain(uint64_t unique, uint32_t room);

class FileSystem {
 public:
  explicit FileSystem(std::string program) : program_(std::move(program)) {}

  // nullopt: this one wants no answer. Any attribute is one that the file does not have.
  std::optional<Answer> answer(const Request& request) const;

 private:
  Answer initialised(const Request& request) const;
  Answer found(const Request& request) const;
  Answer piece(const Request& request) const;
  fuse_attr attributes(uint64_t node) const;

  std::string program_;
};

}  // namespace tlshub::holder
