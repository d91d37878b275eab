/* SPDX-License-Identifier: Apache-2.0 */
// Owners of what libbpf hands out.
#pragma once

#include <bpf/libbpf.h>

#include <memory>

namespace tlshub {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

// A link that is not pinned is detached with its owner; one that is pinned stays attached.
struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, DestroyLink>;

}  // namespace tlshub
