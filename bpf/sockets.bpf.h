/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kinds of sockets. The gate covers TCP. What carries its data over a TCP connection of the kernel's own (SMC, KCM, RDS) or beside the
 * socket that is gated (MPTCP's subflows) goes past every hook that knows TCP; a kernel of tomorrow may have more of these. So this is a list of
 * what captured programs may have, and anything else is refused: when it is made, and where it is used if it was made outside.
 */
#ifndef TLSHUB_SOCKETS_BPF_H
#define TLSHUB_SOCKETS_BPF_H

#include "flow.bpf.h"

/*
 * Families without TCP below: local ones, and those whose frames a program makes itself, for which it needs CAP_NET_RAW or hardware of the
 * host's. All numbers are below 64.
 */
#define FREE_FAMILIES                                                                                        \
	(1ull << AF_UNIX | 1ull << AF_KEY | 1ull << AF_NETLINK | 1ull << AF_PACKET | 1ull << AF_CAN |        \
	 1ull << AF_BLUETOOTH | 1ull << AF_ALG | 1ull << AF_VSOCK | 1ull << AF_XDP)

static __always_inline bool is_free_family(unsigned int family)
{
	return family < 64 && (FREE_FAMILIES >> family & 1);
}

/* Protocols of IPv4 and IPv6 without TCP below. MPTCP and SMC (from 6.11 on a protocol of these, too) are none. */
static __always_inline bool is_free_protocol(unsigned int protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMPV6 ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_UDPLITE;
}

/* MPTCP's, made outside, is known by its own addresses as TCP's is. */
static __always_inline bool is_tcp(unsigned int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* The netlink protocol by which TLSHub's module gives out master keys: they are the agent's to ask for, and nobody else's of its network namespace. */
static __always_inline bool is_key_netlink(unsigned int protocol)
{
	struct tlshub_settings *s = get_settings();

	return s && s->key_netlink == protocol + 1;
}

/* What captured programs may not make. Raw sockets take CAP_NET_RAW, and protocol 0 is the one that goes with the type: TCP, UDP or SCTP. */
VERIFIED_ONCE int is_forbidden_socket(unsigned int family, unsigned int type, unsigned int protocol)
{
	if (family == AF_NETLINK)
		return is_key_netlink(protocol);
	if (!is_inet_family(family))
		return !is_free_family(family);
	return protocol && protocol != IPPROTO_TCP && type != SOCK_RAW && !is_free_protocol(protocol);
}

#endif
