/* SPDX-License-Identifier: Apache-2.0 */
// The life of a helper: one task after the other.
#pragma once

#include <functional>
#include <string>

#include "../domain/error.h"
#include "../domain/fd.h"
#include "../domain/helper/wire.h"
#include "../domain/secrets/traffic.h"

namespace tlshub::helper {

struct Served {
  Answer answer = {};
  std::string bytes = {};
};

struct Received {
  Request request = {};
  std::string bytes = {};
  // Of a task with keys. Empty: they did not come, or there is no memory for them.
  Secret<TrafficKeys> keys = {};
};

// What is said of it.
Served failed(const CodedError& error);

// `socket`: what came with the task, or what is to go with its answer. Throws CodedError.
using Serve = std::function<Served(const Received& task, Fd& socket)>;

// Says hello and answers tasks. Returns when the agent has closed its end.
void answerTasks(int channel, const Serve& serve);

}  // namespace tlshub::helper
