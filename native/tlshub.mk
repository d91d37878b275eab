# SPDX-License-Identifier: Apache-2.0
# The client of the TLSHub kernel module.
#   $(OUT)/tlshub_netlink.node   for node
#   $(OUT)/tlshub_test           its tests without node; TLSHUB_SANITIZE=-fsanitize=address,undefined (with an OBJ and OUT of
#                                its own) checks memory as well
# Includable, or alone: make -C native -f tlshub.mk
OUT ?= ../dist/native
OBJ ?= ../build/obj
include node.mk
include secrets.mk
NAPI_INCLUDE ?= ../node_modules/node-addon-api

TLSHUB_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
# Swallow: in a worker that is being terminated an error cannot be thrown into JavaScript, and must not end the process instead.
TLSHUB_NODE_FLAGS = $(TLSHUB_FLAGS) -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED \
  -DNODE_ADDON_API_CPP_EXCEPTIONS -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS -isystem $(NODE_INCLUDE) -isystem $(NAPI_INCLUDE)

TLSHUB_DOMAIN := $(wildcard domain/tlshub/*.cc) $(SECRETS_DOMAIN)
TLSHUB_ADDON := addon/tlshub_addon.cc addon/loop_watch.cc
TLSHUB_TESTS := $(wildcard test/tlshub_*.cc) domain/secrets/memory.cc

TLSHUB_NODE_OBJECTS := $(patsubst %.cc,$(OBJ)/tlshub-node/%.o,$(TLSHUB_DOMAIN) $(TLSHUB_ADDON))
TLSHUB_TEST_OBJECTS := $(patsubst %.cc,$(OBJ)/tlshub-test/%.o,$(TLSHUB_DOMAIN) $(TLSHUB_TESTS))

.PHONY: tlshub
tlshub: $(OUT)/tlshub_netlink.node $(OUT)/tlshub_test

$(OUT)/tlshub_netlink.node: $(TLSHUB_NODE_OBJECTS) | $(SECRETS_LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -shared -o $@ $^ $(SECRETS_LINK)

$(OUT)/tlshub_test: $(TLSHUB_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(TLSHUB_SANITIZE) -o $@ $^

$(filter $(OBJ)/tlshub-node/addon/%,$(TLSHUB_NODE_OBJECTS)): $(NODE_HEADERS)
$(OBJ)/tlshub-node/%.o: %.cc tlshub.mk
	@mkdir -p $(@D)
	$(CXX) $(TLSHUB_NODE_FLAGS) -c -o $@ $<

$(OBJ)/tlshub-test/%.o: %.cc tlshub.mk
	@mkdir -p $(@D)
	$(CXX) $(TLSHUB_FLAGS) $(TLSHUB_SANITIZE) -Idomain/tlshub -c -o $@ $<

-include $(TLSHUB_NODE_OBJECTS:.o=.d) $(TLSHUB_TEST_OBJECTS:.o=.d)
