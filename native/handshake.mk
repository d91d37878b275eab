# The in-band handshake: one driver (domain/handshake), built twice.
#   $(OUT)/tlshub_openssl.node   against the OpenSSL that node itself exports; nothing is linked
#   $(OUT)/handshake_test        against the system's libssl, without node
# Includable, or alone: make -C native -f handshake.mk
OUT ?= ../dist/native
OBJ ?= ../build/obj
NODE_INCLUDE ?= $(shell node -p "require('path').resolve(process.execPath,'../../include/node')")
NAPI_INCLUDE ?= ../node_modules/node-addon-api

HANDSHAKE_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
# Swallow: in a worker that is being terminated an error cannot be thrown into JavaScript, and must not end the process instead.
HANDSHAKE_NODE_FLAGS = $(HANDSHAKE_FLAGS) -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED \
  -DNODE_ADDON_API_CPP_EXCEPTIONS -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS -isystem $(NODE_INCLUDE) -isystem $(NAPI_INCLUDE)

HANDSHAKE_DOMAIN := $(wildcard domain/handshake/*.cc)
HANDSHAKE_ADDON := addon/openssl_addon.cc addon/handshake_binding.cc addon/handshake_driver.cc
HANDSHAKE_TESTS := $(wildcard test/handshake_*.cc)

HANDSHAKE_NODE_OBJECTS := $(patsubst %.cc,$(OBJ)/handshake-node/%.o,$(HANDSHAKE_DOMAIN) $(HANDSHAKE_ADDON))
HANDSHAKE_TEST_OBJECTS := $(patsubst %.cc,$(OBJ)/handshake-test/%.o,$(HANDSHAKE_DOMAIN) $(HANDSHAKE_TESTS))

.PHONY: handshake
handshake: $(OUT)/tlshub_openssl.node $(OUT)/handshake_test

$(OUT)/tlshub_openssl.node: $(HANDSHAKE_NODE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -shared -o $@ $^

$(OUT)/handshake_test: $(HANDSHAKE_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_SANITIZE) -o $@ $^ -lssl -lcrypto -lpthread

$(OBJ)/handshake-node/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_NODE_FLAGS) -c -o $@ $<

# HANDSHAKE_SANITIZE=-fsanitize=address,undefined (with an OBJ and OUT of its own) checks memory as well.
$(OBJ)/handshake-test/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_FLAGS) $(HANDSHAKE_SANITIZE) -Idomain/handshake -c -o $@ $<

-include $(HANDSHAKE_NODE_OBJECTS:.o=.d) $(HANDSHAKE_TEST_OBJECTS:.o=.d)
