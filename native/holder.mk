# SPDX-License-Identifier: Apache-2.0
# The holder, and the tests of its parts that need no kernel. Static and without libraries of ours: it must run when everything else is broken.
# HOLDER_SANITIZE='-fsanitize=address,undefined' (with an OBJ and OUT of its own, and HOLDER_LINK the same) checks memory as well.
OUT ?= ../dist/native
OBJ ?= ../build/obj

HOLDER_LINK ?= -static
HOLDER_OBJECTS := $(patsubst %.cc,$(OBJ)/holder/%.o,$(wildcard holder/*.cc))
HOLDER_TEST_OBJECTS := $(patsubst %.cc,$(OBJ)/holder/%.o,$(filter-out holder/main.cc holder/holder.cc,$(wildcard holder/*.cc)) \
  $(wildcard test/holder_*.cc))

.PHONY: holder
holder: $(OUT)/tlshub-holder $(OUT)/holder_test

$(OUT)/tlshub-holder: $(HOLDER_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(HOLDER_LINK) -o $@ $^

$(OUT)/holder_test: $(HOLDER_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(HOLDER_SANITIZE) -o $@ $^

$(OBJ)/holder/%.o: %.cc holder.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror -MMD -MP $(HOLDER_SANITIZE) -c -o $@ $<

-include $(sort $(HOLDER_OBJECTS:.o=.d) $(HOLDER_TEST_OBJECTS:.o=.d))
