/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs among the kernels this is built for (6.1, 6.12, 7.3), and nothing else. */
#ifndef TLSHUB_COMPAT_H
#define TLSHUB_COMPAT_H

#include <linux/version.h>

#include <crypto/blake2s.h>

/*
 * The state of a hash became a context, and its functions took that name, in 6.19 ("lib/crypto:
 * blake2s: Rename blake2s_state").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define tlshub_blake2s blake2s_ctx
#else
#define tlshub_blake2s blake2s_state
#endif

/*
 * Addresses of unknown size have a type of their own since 6.19 ("net: Convert proto_ops bind()
 * callbacks to use sockaddr_unsized").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define tlshub_sockaddr struct sockaddr_unsized
#else
#define tlshub_sockaddr struct sockaddr
#endif

#endif /* TLSHUB_COMPAT_H */
