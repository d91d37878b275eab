# SPDX-License-Identifier: Apache-2.0
# The memory for secrets, which all addons of a process share, and what is made of secrets.
#   $(OUT)/libtlshub_secrets.so   the memory itself; addons find it beside them
#   $(OUT)/secrets_test           its tests without node, and those of hashes and key schedules
# SECRETS_SANITIZE='-fsanitize=...' (with an OBJ and OUT of its own) checks memory or threads as well.
ifndef SECRETS_DOMAIN
OUT ?= ../dist/native
OBJ ?= ../build/obj

# What an addon that works with secrets is made of, and how it is linked. A test has all of it in itself.
SECRETS_DOMAIN := $(filter-out domain/secrets/memory.cc,$(wildcard domain/secrets/*.cc))
SECRETS_LIBRARY := $(OUT)/libtlshub_secrets.so
SECRETS_LINK = -L$(OUT) -ltlshub_secrets -Wl,-rpath,'$$ORIGIN'

SECRETS_FLAGS := -std=c++17 -O2 -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -MMD -MP
SECRETS_OBJECTS := $(OBJ)/secrets/domain/secrets/memory.o
SECRETS_TEST_OBJECTS := $(patsubst %.cc,$(OBJ)/secrets-test/%.o,$(wildcard domain/secrets/*.cc) domain/tlshub/key_schedule.cc \
  domain/channel/epochs.cc domain/channel/key_schedule.cc \
  $(wildcard test/secrets_*.cc))

.PHONY: secrets
secrets: $(SECRETS_LIBRARY) $(OUT)/secrets_test

# nodelete: what addons have left in it must be there when the last environment that has loaded them is gone.
$(SECRETS_LIBRARY): $(SECRETS_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -shared -Wl,-soname,libtlshub_secrets.so -Wl,-z,nodelete -o $@ $^

$(OUT)/secrets_test: $(SECRETS_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(SECRETS_SANITIZE) -o $@ $^ -lpthread

$(OBJ)/secrets/%.o: %.cc secrets.mk
	@mkdir -p $(@D)
	$(CXX) $(SECRETS_FLAGS) -c -o $@ $<

$(OBJ)/secrets-test/%.o: %.cc secrets.mk
	@mkdir -p $(@D)
	$(CXX) $(SECRETS_FLAGS) $(SECRETS_SANITIZE) -c -o $@ $<

-include $(SECRETS_OBJECTS:.o=.d) $(SECRETS_TEST_OBJECTS:.o=.d)
endif
