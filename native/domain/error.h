/* SPDX-License-Identifier: Apache-2.0 */
// Failures that cross into JavaScript as coded errors: {code, errno, syscall, message}.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tlshub {

class CodedError : public std::runtime_error {
 public:
  CodedError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)), message_(message) {}
  const std::string& code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }
  // Says more about the same failure.
  void append(const std::string& more) { message_ += more; }

 private:
  std::string code_;
  std::string message_;
};

// A system call that failed, with errno as it was.
class SysError : public CodedError {
 public:
  SysError(std::string syscall, const std::string& what, int err = errno)
      : CodedError("TLSHUB_SYS", what + ": " + syscall + ": " + std::strerror(err)),
        syscall_(std::move(syscall)),
        err_(err) {}
  const std::string& syscall() const { return syscall_; }
  int err() const { return err_; }

 private:
  std::string syscall_;
  int err_;
};

}  // namespace tlshub
