/* SPDX-License-Identifier: Apache-2.0 */
// What functions of others leave on the stack and in registers when they return.
#pragma once

namespace tlshub {

// Overwrites 64 KB of the stack below the caller's frame: whatever was called from there, TLS libraries among it, has left nothing; and
// clears the registers that a called function need not keep. Call it from no deeper than what is to be forgotten. About 2 us.
void wipeStack();

}  // namespace tlshub
