/* SPDX-License-Identifier: Apache-2.0 */
// A program shuts the sending side of a connection while TLS has records of its that TCP had no room for.
#pragma once

#include "flow_ops.h"

namespace tlshub {

// Has TCP take all that TLS has of this socket, an open record (MSG_MORE) included, and then continues who stands still for it in shutdown()
// (bpf/ending.bpf.h), whatever came of it. Send buffer and options are afterwards what they were. Returns how many were continued.
// Throws as duplicate() does, and SysError.
int flush(const FlowMaps& maps, const SocketOwner& owner);

}  // namespace tlshub
