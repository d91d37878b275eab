# SPDX-License-Identifier: Apache-2.0
# Tests of the channel (domain/channel), as handshake.mk builds what it is made of.
#   $(OUT)/channel_test            against the system's libssl
#   $(OUT)/channel_boringssl_test  against BoringSSL; each starts the other one, where the two are to meet
#   $(OBJ)/channel_test.node       against the OpenSSL of the node that loads it; not beside the addons, all of which are installed
CHANNEL_TESTS := $(wildcard test/channel_*.cc) test/handshake_kit.cc test/handshake_runner.cc domain/secrets/memory.cc
CHANNEL_SOURCES := $(HANDSHAKE_DOMAIN) $(CHANNEL_DOMAIN) $(CHANNEL_TESTS)
OPENSSL_CHANNEL_TEST := $(patsubst %.cc,$(OBJ)/handshake-test/%.o,$(CHANNEL_SOURCES) $(OPENSSL_LIBRARY))
BORINGSSL_CHANNEL_TEST := $(patsubst %.cc,$(OBJ)/boringssl-test/%.o,$(CHANNEL_SOURCES) $(BORINGSSL_LIBRARY))

# Without those that start themselves as another process.
NODE_CHANNEL_TEST := $(patsubst %.cc,$(OBJ)/handshake-node/%.o,\
  $(filter-out test/channel_mixed.cc,$(CHANNEL_SOURCES)) $(OPENSSL_LIBRARY) test/node_channel.cc)

.PHONY: channel
channel: $(OUT)/channel_test $(if $(HAVE_BORINGSSL),$(OUT)/channel_boringssl_test) $(OBJ)/channel_test.node

$(OBJ)/channel_test.node: $(NODE_CHANNEL_TEST)
	@mkdir -p $(@D)
	$(CXX) -shared -o $@ $^ -ldl

$(NODE_CHANNEL_TEST): $(NODE_HEADERS)

$(OUT)/channel_test: $(OPENSSL_CHANNEL_TEST)
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_SANITIZE) -o $@ $^ -lssl -lcrypto -lpthread

$(OUT)/channel_boringssl_test: $(BORINGSSL_CHANNEL_TEST)
	@mkdir -p $(@D)
	$(CXX) $(HANDSHAKE_SANITIZE) -o $@ $^ $(BORINGSSL_LINK) -lpthread

-include $(OPENSSL_CHANNEL_TEST:.o=.d) $(BORINGSSL_CHANNEL_TEST:.o=.d) $(NODE_CHANNEL_TEST:.o=.d)
