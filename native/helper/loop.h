/* SPDX-License-Identifier: Apache-2.0 */
// The life of a helper: one task after the other.
#pragma once

#include <functional>
#include <string>

#include "../domain/fd.h"
#include "../domain/helper/wire.h"

namespace tlshub::helper {

struct Served {
  Answer answer = {};
  std::string bytes = {};
};

// `socket`: what came with the task, or what is to go with its answer. Throws CodedError.
using Serve = std::function<Served(const Request& request, const std::string& bytes, Fd& socket)>;

// Says hello and answers tasks. Returns when the agent has closed its end.
void answerTasks(int channel, const Serve& serve);

}  // namespace tlshub::helper
