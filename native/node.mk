# SPDX-License-Identifier: Apache-2.0
# The headers of the Node.js that is first on PATH, which are beside it. Makefiles that compile addons include this and let the objects
# that see those headers depend on $(NODE_HEADERS): it changes when another Node.js has come to be first, and they are compiled again.
# What they become loads in every supported Node.js all the same: Node-API and OpenSSL 3 are both stable.
ifndef NODE_HEADERS
ifndef NODE_INCLUDE
NODE_INCLUDE := $(shell node -p "require('path').resolve(process.execPath,'../../include/node')")
endif
ifeq ($(wildcard $(NODE_INCLUDE)/node_api.h),)
$(error No headers of Node.js in $(NODE_INCLUDE). Install Node.js with its headers, or: scripts/node 24 -- npm run build)
endif
NODE_HEADERS := $(OBJ)/node-headers
NODE_HEADERS_NOW := $(NODE_INCLUDE) $(shell cksum <$(NODE_INCLUDE)/node_version.h)
ifneq ($(NODE_HEADERS_NOW),$(file <$(NODE_HEADERS)))
$(shell mkdir -p $(OBJ) && echo '$(NODE_HEADERS_NOW)' >$(NODE_HEADERS))
endif
endif
