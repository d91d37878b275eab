/* SPDX-License-Identifier: Apache-2.0 */
// The maps by which the gate agrees on keys by name (bpf/channel.bpf.h): "epochs", "node_epochs", "third_segments". All functions throw SysError.
#pragma once

#include <cstdint>

namespace tlshub {

struct EpochMaps {
  int epochs;
  int nodeEpochs;
  int thirdSegments;
};

// An epoch of ours takes new flows until then (CLOCK_MONOTONIC). Once for each id: a second time its numbers would be given again, and is EEXIST.
void putEpoch(int epochsFd, uint32_t epoch, uint64_t untilNs);
// One that is not there is no error.
void dropEpoch(int epochsFd, uint32_t epoch);
// How many numbers of it were given; 0 if it is not there.
uint32_t numbersGiven(int epochsFd, uint32_t epoch);

// The newest that this node has opened to us.
void putNodeEpoch(int nodeEpochsFd, uint32_t node, uint32_t epoch, uint64_t untilNs);
// Only if it still is this one.
void dropNodeEpoch(int nodeEpochsFd, uint32_t node, uint32_t epoch);

// What an earlier agent has left: nobody has its epochs' secrets, and its nodes had other numbers.
void clearEpochs(const EpochMaps& maps);

}  // namespace tlshub
