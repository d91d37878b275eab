/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The agent's epoll set and a program's can have the same socket, of which both have a descriptor. By the upper 16 bits of what it wants to be told with an
 * event (epoll_event.data), the agent's registration says whose it is, to closing.bpf.c. A program that says the same deceives itself alone.
 */
#ifndef TLSHUB_WATCH_H
#define TLSHUB_WATCH_H

#define AGENTS_WATCH (0x544cull << 48)
#define AGENTS_WATCH_MASK (0xffffull << 48)

#endif
