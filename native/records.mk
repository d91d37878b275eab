# SPDX-License-Identifier: Apache-2.0
# How records of the kernel are read (bpf/tlshub.h, domain/perf_sample.h), and the ring that they go into, tested without a kernel and without
# node.
# RECORDS_SANITIZE='-fsanitize=address,undefined -Og' (with an OBJ and OUT of its own) checks memory and alignment as well: -Og since GCC 12
# drops checks of alignment in what it inlines.
OUT ?= ../dist/native
OBJ ?= ../build/obj

RING_OBJECTS := $(patsubst %.cc,$(OBJ)/records-test/%.o,domain/ring.cc test/ring_test.cc)
RECORDS_OBJECTS := $(patsubst %.cc,$(OBJ)/records-test/%.o,domain/perf_sample.cc domain/ring.cc test/records_test.cc)

.PHONY: records
records: $(OUT)/records_test $(OUT)/ring_test

$(OUT)/records_test: $(RECORDS_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(RECORDS_SANITIZE) -o $@ $^

$(OUT)/ring_test: $(RING_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(RECORDS_SANITIZE) -o $@ $^ -lpthread

$(OBJ)/records-test/%.o: %.cc records.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror -MMD -MP $(RECORDS_SANITIZE) -c -o $@ $<

-include $(sort $(RECORDS_OBJECTS:.o=.d) $(RING_OBJECTS:.o=.d))
