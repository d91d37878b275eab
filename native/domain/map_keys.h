/* SPDX-License-Identifier: Apache-2.0 */
// Walking through the keys of a BPF map.
#pragma once

#include <stddef.h>

#include <vector>

namespace tlshub {

// The keys of a map while others change it, `most` at most. `next(from, to)` is bpf_map_get_next_key() of it: 0 while there is another one,
// and `from` is null for the first. A key that goes while we stand on it sends us back to the first one, as often as programs are quick:
// the bound ends that. Some may be there twice.
template <typename Key, typename Next>
std::vector<Key> keysOfMap(Next next, size_t most) {
  std::vector<Key> keys;
  Key key;
  while (keys.size() < most && !next(keys.empty() ? nullptr : &keys.back(), &key)) keys.push_back(key);
  return keys;
}

}  // namespace tlshub
