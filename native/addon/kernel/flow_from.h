/* SPDX-License-Identifier: Apache-2.0 */
// What several functions for one flow are given.
#pragma once

#include "../../domain/flow_ops.h"
#include "../../domain/sock_diag.h"
#include "kernel.h"

namespace tlshub::addon {

FlowMaps mapsFrom(const Value& value);
Cipher cipherFrom(const Value& value);
Tuple tupleFrom(const Value& value);

}  // namespace tlshub::addon
