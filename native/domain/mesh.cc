// SPDX-License-Identifier: Apache-2.0
// The trie "mesh".
#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"
#include "gate_maps.h"
#include "undo.h"

namespace tlshub {
namespace {

struct Node {
  tlshub_mesh_key key;
  tlshub_mesh_value value;
};

tlshub_mesh_key keyOf(const MeshEntry& entry) {
  tlshub_mesh_key key = {entry.prefix, {}};
  std::memcpy(key.addr, entry.addr, sizeof(key.addr));
  return key;
}

bool before(const tlshub_mesh_key& one, const tlshub_mesh_key& other) {
  return std::memcmp(&one, &other, sizeof(one)) < 0;
}

std::vector<tlshub_mesh_key> keysOf(int meshFd) {
  std::vector<tlshub_mesh_key> keys;
  tlshub_mesh_key next;
  while (!bpf_map_get_next_key(meshFd, keys.empty() ? nullptr : &keys.back(), &next)) keys.push_back(next);
  return keys;
}

void put(int meshFd, const tlshub_mesh_key& key, const tlshub_mesh_value& value) {
  if (bpf_map_update_elem(meshFd, &key, &value, BPF_ANY))
    throw SysError("bpf", "cannot add an address to the mesh");
}

void drop(int meshFd, const tlshub_mesh_key& key) {
  if (bpf_map_delete_elem(meshFd, &key) && errno != ENOENT)
    throw SysError("bpf", "cannot take an address out of the mesh");
}

// Takes out what is not in `wanted`.
void keepOnly(int meshFd, std::vector<tlshub_mesh_key> wanted) {
  std::sort(wanted.begin(), wanted.end(), before);
  for (const tlshub_mesh_key& key : keysOf(meshFd))
    if (!std::binary_search(wanted.begin(), wanted.end(), key, before)) drop(meshFd, key);
}

// A key that is there is the longest prefix of itself, so that looking it up gives its own value.
std::vector<Node> contentsOf(int meshFd) {
  std::vector<Node> nodes;
  for (const tlshub_mesh_key& key : keysOf(meshFd)) {
    Node node = {key, {}};
    if (bpf_map_lookup_elem(meshFd, &key, &node.value)) throw SysError("bpf", "cannot read the mesh");
    nodes.push_back(node);
  }
  return nodes;
}

}  // namespace

void putMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  for (const MeshEntry& entry : entries) put(meshFd, keyOf(entry), {entry.local, entry.node});
}

void dropMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  for (const MeshEntry& entry : entries) drop(meshFd, keyOf(entry));
}

void replaceMesh(int meshFd, const std::vector<MeshEntry>& entries) {
  putMesh(meshFd, entries);
  std::vector<tlshub_mesh_key> wanted;
  wanted.reserve(entries.size());
  for (const MeshEntry& entry : entries) wanted.push_back(keyOf(entry));
  keepOnly(meshFd, std::move(wanted));
}

void widenMesh(int meshFd, const std::vector<MeshEntry>& entries, Undo& undo) {
  const std::vector<Node> old = contentsOf(meshFd);
  undo.add([meshFd, old] {
    std::vector<tlshub_mesh_key> wanted;
    for (const Node& node : old) {
      put(meshFd, node.key, node.value);
      wanted.push_back(node.key);
    }
    keepOnly(meshFd, std::move(wanted));
  });
  std::vector<tlshub_mesh_key> local;
  for (const Node& node : old)
    if (node.value.local) local.push_back(node.key);
  std::sort(local.begin(), local.end(), before);
  for (const MeshEntry& entry : entries) {
    const bool was = std::binary_search(local.begin(), local.end(), keyOf(entry), before);
    put(meshFd, keyOf(entry), {entry.local && was, entry.node});
  }
}

}  // namespace tlshub
