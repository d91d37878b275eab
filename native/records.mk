# SPDX-License-Identifier: Apache-2.0
# How records of the kernel are read (bpf/tlshub.h, domain/perf_sample.h), tested without a kernel and without node.
# RECORDS_SANITIZE='-fsanitize=address,undefined -Og' (with an OBJ and OUT of its own) checks memory and alignment as well: -Og since GCC 12
# drops checks of alignment in what it inlines.
OUT ?= ../dist/native
OBJ ?= ../build/obj

RECORDS_OBJECTS := $(patsubst %.cc,$(OBJ)/records-test/%.o,domain/perf_sample.cc domain/ring.cc test/records_test.cc)

.PHONY: records
records: $(OUT)/records_test

$(OUT)/records_test: $(RECORDS_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(RECORDS_SANITIZE) -o $@ $^

$(OBJ)/records-test/%.o: %.cc records.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror -MMD -MP $(RECORDS_SANITIZE) -c -o $@ $<

-include $(RECORDS_OBJECTS:.o=.d)
