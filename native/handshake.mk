# SPDX-License-Identifier: Apache-2.0
# The in-band handshake: one driver (domain/handshake), built four times. In the addons beside it: the channel (domain/channel).
#   $(OUT)/tlshub_openssl.node       against the OpenSSL that node itself exports; nothing is linked
#   $(OUT)/tlshub_boringssl.node     against BoringSSL, Debian's android-libboringssl
#   $(OUT)/handshake_test            against the system's libssl, without node
#   $(OUT)/handshake_boringssl_test  against BoringSSL, without node
# Includable, or alone: make -C native -f handshake.mk
OUT ?= ../dist/native
OBJ ?= ../build/obj
include node.mk
include secrets.mk
NAPI_INCLUDE ?= ../node_modules/node-addon-api

HANDSHAKE_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
# Swallow: in a worker that is being terminated an error cannot be thrown into JavaScript, and must not end the process instead.
HANDSHAKE_NODE_FLAGS = $(HANDSHAKE_FLAGS) -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED \
  -DNODE_ADDON_API_CPP_EXCEPTIONS -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS -isystem $(NODE_INCLUDE) -isystem $(NAPI_INCLUDE)

# Debian keeps BoringSSL apart from OpenSSL, in folders of its own. Other systems do not have it: the agent is built without it there.
BORINGSSL_INCLUDE ?= /usr/include/android
HAVE_BORINGSSL := $(wildcard $(BORINGSSL_INCLUDE)/openssl/ssl.h)
BORINGSSL_LIB ?= /usr/lib/$(shell $(CXX) -print-multiarch)/android
BORINGSSL_LINK = -L$(BORINGSSL_LIB) -Wl,-rpath,$(BORINGSSL_LIB) -lssl -lcrypto

HANDSHAKE_DOMAIN := $(filter-out domain/handshake/library_%,$(wildcard domain/handshake/*.cc)) $(wildcard domain/helper/*.cc) \
  $(SECRETS_DOMAIN)
CHANNEL_DOMAIN := $(addprefix domain/channel/,driver.cc half_open.cc listening.cc messages.cc session.cc tcp.cc)
HANDSHAKE_ADDON := addon/handshake_binding.cc addon/handshake_driver.cc addon/channel_driver.cc addon/loop_watch.cc
HANDSHAKE_TESTS := $(wildcard test/handshake_*.cc) helper/loop.cc helper/exchange.cc domain/secrets/memory.cc
OPENSSL_LIBRARY := domain/handshake/library_openssl.cc domain/handshake/library_openssl_memory.cc
BORINGSSL_LIBRARY := domain/handshake/library_boringssl.cc

OPENSSL_NODE := $(patsubst %.cc,$(OBJ)/handshake-node/%.o,\
  $(HANDSHAKE_DOMAIN) $(CHANNEL_DOMAIN) $(OPENSSL_LIBRARY) $(HANDSHAKE_ADDON) addon/openssl_addon.cc)
BORINGSSL_NODE := $(patsubst %.cc,$(OBJ)/boringssl-node/%.o,\
  $(HANDSHAKE_DOMAIN) $(CHANNEL_DOMAIN) $(BORINGSSL_LIBRARY) $(HANDSHAKE_ADDON) addon/boringssl_addon.cc)
OPENSSL_TEST := $(patsubst %.cc,$(OBJ)/handshake-test/%.o,$(HANDSHAKE_DOMAIN) $(OPENSSL_LIBRARY) $(HANDSHAKE_TESTS))
BORINGSSL_TEST := $(patsubst %.cc,$(OBJ)/boringssl-test/%.o,$(HANDSHAKE_DOMAIN) $(BORINGSSL_LIBRARY) $(HANDSHAKE_TESTS))

.PHONY: handshake
handshake: $(OUT)/tlshub_openssl.node $(OUT)/handshake_test $(if $(HAVE_BORINGSSL),$(OUT)/tlshub_boringssl.node $(OUT)/handshake_boringssl_test)

$(OUT)/tlshub_openssl.node: $(OPENSSL_NODE) | $(SECRETS_LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -shared -o $@ $^ $(SECRETS_LINK) -ldl

# nodelete: BoringSSL frees what it keeps for a thread when that thread ends. Node unloads an addon with the last environment
# that has loaded it, which is earlier: the thread would end in code that is gone.
$(OUT)/tlshub_boringssl.node: $(BORINGSSL_NODE) | $(SECRETS_LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -shared -Wl,-z,nodelete -o $@ $^ $(SECRETS_LINK) $(BORINGSSL_LINK) -ldl

$(OUT)/handshake_test: $(OPENSSL_TEST)
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_SANITIZE) -o $@ $^ -lssl -lcrypto -lpthread

$(OUT)/handshake_boringssl_test: $(BORINGSSL_TEST)
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_SANITIZE) -o $@ $^ $(BORINGSSL_LINK) -lpthread

# All of them: the headers of OpenSSL are node's as well.
$(OPENSSL_NODE): $(NODE_HEADERS)
$(OBJ)/handshake-node/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_NODE_FLAGS) -Idomain/handshake -c -o $@ $<

$(filter $(OBJ)/boringssl-node/addon/%,$(BORINGSSL_NODE)): $(NODE_HEADERS)
# BoringSSL's headers before node's, which has OpenSSL's beside its own.
$(OBJ)/boringssl-node/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) -isystem $(BORINGSSL_INCLUDE) $(HANDSHAKE_NODE_FLAGS) -c -o $@ $<

# HANDSHAKE_SANITIZE=-fsanitize=address,undefined (with an OBJ and OUT of its own) checks memory as well.
$(OBJ)/handshake-test/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_FLAGS) $(HANDSHAKE_SANITIZE) -Idomain/handshake -c -o $@ $<

$(OBJ)/boringssl-test/%.o: %.cc handshake.mk
	@mkdir -p $(@D)
	$(CXX) -isystem $(BORINGSSL_INCLUDE) $(HANDSHAKE_FLAGS) $(HANDSHAKE_SANITIZE) -Idomain/handshake -c -o $@ $<

-include $(OPENSSL_NODE:.o=.d) $(BORINGSSL_NODE:.o=.d) $(OPENSSL_TEST:.o=.d) $(BORINGSSL_TEST:.o=.d)
