/* SPDX-License-Identifier: Apache-2.0 */
// Steps that can be taken back: what has been done is undone, last first, unless it is kept.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "error.h"

namespace tlshub {

class Undo {
 public:
  void add(std::function<void()> step) { steps_.push_back(std::move(step)); }

  // Inside a catch block: takes all steps back and throws again what was caught. Steps that fail do not stop the others, and what they say
  // comes behind what the caught error says, never in its place.
  [[noreturn]] void rethrow() {
    std::string failures;
    for (; !steps_.empty(); steps_.pop_back()) try {
        steps_.back()();
      } catch (const std::exception& error) {
        failures += std::string("; and not all could be put back as it was: ") + error.what();
      }
    try {
      throw;
    } catch (CodedError& first) {
      first.append(failures);
      throw;
    }
  }

 private:
  std::vector<std::function<void()>> steps_;
};

}  // namespace tlshub
