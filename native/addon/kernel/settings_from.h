// Settings and addresses of the gate, as JavaScript has them.
#pragma once

#include <vector>

#include "../../domain/gate_maps.h"
#include "kernel.h"

namespace tlshub::addon {

GateSettings settingsFrom(const Object& from);
std::vector<MeshEntry> meshFrom(const Value& value);

}  // namespace tlshub::addon
