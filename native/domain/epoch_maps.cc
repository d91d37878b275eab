// SPDX-License-Identifier: Apache-2.0
#include "epoch_maps.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "../../bpf/channel.h"
#include "../../bpf/tlshub.h"
#include "error.h"

namespace tlshub {
namespace {

void drop(int mapFd, uint32_t key) {
  if (bpf_map_delete_elem(mapFd, &key) && errno != ENOENT)
    throw SysError("bpf", "cannot take an epoch out of the gate");
}

// False: it is not there.
template <typename Value>
bool find(int mapFd, uint32_t key, Value* value) {
  if (!bpf_map_lookup_elem(mapFd, &key, value)) return true;
  if (errno != ENOENT) throw SysError("bpf", "cannot look at an epoch in the gate");
  return false;
}

// The gate adds to "third_segments" at any time, so not until it is empty: what is there now goes.
void clear(int mapFd, size_t most) {
  uint32_t key;
  for (size_t i = 0; i < most && !bpf_map_get_next_key(mapFd, nullptr, &key); i++) drop(mapFd, key);
}

}  // namespace

void putEpoch(int epochsFd, uint32_t epoch, uint64_t untilNs) {
  const tlshub_epoch value = {untilNs, 0, 0};
  if (bpf_map_update_elem(epochsFd, &epoch, &value, BPF_NOEXIST))
    throw SysError("bpf", "cannot tell the gate of an epoch");
}

void dropEpoch(int epochsFd, uint32_t epoch) {
  drop(epochsFd, epoch);
}

uint32_t numbersGiven(int epochsFd, uint32_t epoch) {
  tlshub_epoch value = {};
  if (!find(epochsFd, epoch, &value)) return 0;
  return std::min<uint32_t>(value.given, CHANNEL_EPOCH_FLOWS);
}

void putNodeEpoch(int nodeEpochsFd, uint32_t node, uint32_t epoch, uint64_t untilNs) {
  const tlshub_node_epoch value = {untilNs, epoch, 0};
  if (bpf_map_update_elem(nodeEpochsFd, &node, &value, BPF_ANY))
    throw SysError("bpf", "cannot tell the gate of a node's epoch");
}

void dropNodeEpoch(int nodeEpochsFd, uint32_t node, uint32_t epoch) {
  tlshub_node_epoch value = {};
  if (find(nodeEpochsFd, node, &value) && value.epoch == epoch) drop(nodeEpochsFd, node);
}

void clearEpochs(const EpochMaps& maps) {
  clear(maps.epochs, TLSHUB_MAX_EPOCHS);
  clear(maps.nodeEpochs, TLSHUB_MAX_NODES);
  clear(maps.thirdSegments, TLSHUB_MAX_NODES);
}

}  // namespace tlshub
