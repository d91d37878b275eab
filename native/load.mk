# SPDX-License-Identifier: Apache-2.0
# The engines of tlshub_bench: $(OUT)/tlshub_load.node.
LOAD_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP -DNAPI_VERSION=8 \
  -DNODE_ADDON_API_DISABLE_DEPRECATED -DNODE_ADDON_API_CPP_EXCEPTIONS -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
LOAD_OBJECTS := $(patsubst %.cc,$(OBJ)/load/%.o,$(wildcard domain/load/*.cc) addon/load_addon.cc)

.PHONY: load
load: $(OUT)/tlshub_load.node

$(OUT)/tlshub_load.node: $(LOAD_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -shared -o $@ $^ -lpthread

$(filter $(OBJ)/load/addon/%,$(LOAD_OBJECTS)): $(NODE_HEADERS)
$(OBJ)/load/%.o: %.cc load.mk
	@mkdir -p $(@D)
	$(CXX) $(LOAD_FLAGS) -isystem $(NODE_INCLUDE) -isystem $(NAPI_INCLUDE) -c -o $@ $<

-include $(LOAD_OBJECTS:.o=.d)
