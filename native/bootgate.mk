# SPDX-License-Identifier: Apache-2.0
# The boot gate, and the tests of what it reads. Static and without Node.js: it runs before anything else does. Of the domain it has what a gate is made of.
OUT ?= ../dist/native
OBJ ?= ../build/obj

BOOTGATE_LINK ?= -static
# Newer libelf unpacks with zstd too, and then it is there.
BOOTGATE_LIBRARIES := -lbpf -lelf -lz $(if $(filter /%,$(shell $(CXX) -print-file-name=libzstd.a)),-lzstd)
BOOTGATE_DOMAIN := gate gate_maps epoch_maps ktls mesh pins probe retired scope_slots sleeping secrets/memory secrets/secret
BOOTGATE_OBJECTS := $(patsubst %.cc,$(OBJ)/kernel/%.o,$(wildcard bootgate/*.cc) $(BOOTGATE_DOMAIN:%=domain/%.cc))
BOOTGATE_TEST_OBJECTS := $(patsubst %.cc,$(OBJ)/kernel/%.o,bootgate/state.cc bootgate/plan.cc test/bootgate_test.cc)

.PHONY: bootgate
bootgate: $(OUT)/tlshub-bootgate $(OUT)/bootgate_test

$(OUT)/tlshub-bootgate: $(BOOTGATE_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(KERNEL_SANITIZE) $(BOOTGATE_LINK) -o $@ $^ $(BOOTGATE_LIBRARIES) -lpthread

$(OUT)/bootgate_test: $(BOOTGATE_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) $(KERNEL_SANITIZE) -o $@ $^ -lz

-include $(sort $(BOOTGATE_OBJECTS:.o=.d) $(BOOTGATE_TEST_OBJECTS:.o=.d))
