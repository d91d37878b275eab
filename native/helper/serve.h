/* SPDX-License-Identifier: Apache-2.0 */
// What a helper does with a task. Any of it may block for as long as the program that has the socket likes.
#pragma once

#include <string>

#include "../domain/flow_ops.h"
#include "loop.h"

namespace tlshub::helper {

// `socket`: what came with the task, or, for kTake and kSecure, where what was taken goes. Closed by a last task. Throws CodedError.
Served serve(const FlowMaps& maps, const Received& task, Fd& socket);

}  // namespace tlshub::helper
