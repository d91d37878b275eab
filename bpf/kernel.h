/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel types that the programs read, with the few fields they read of them. CO-RE relocates every access to the
 * running kernel, so order and padding here mean nothing, and a build needs neither a vmlinux.h of 150,000 lines nor a
 * kernel that has BTF: what we depend on can be read on one page. UAPI types come from the system's own headers.
 */
#ifndef TLSHUB_KERNEL_H
#define TLSHUB_KERNEL_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/tls.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct proto {
	void *sendmsg;
	void *recvmsg;
};

struct netns_ipv4 {
	unsigned int sysctl_tcp_notsent_lowat;
};
struct net {
	struct netns_ipv4 ipv4;
};
typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
	struct proto *skc_prot;
	possible_net_t skc_net;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct net_device {
	unsigned int flags;
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct sk_buff *next;
	unsigned int len;
	unsigned int data_len;
	char cb[48];
	unsigned int end; /* sk_buff_data_t: an offset from head on 64-bit machines */
	unsigned char *head;
	unsigned char *data;
};

struct sk_buff_head {
	struct sk_buff *next;
};

/* A piece of a buffer that lies in a page: a struct bio_vec on 6.1, a struct skb_frag on 6.12 and later. */
struct page {
	unsigned long flags;
};
struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};
struct skb_frag {
	unsigned long netmem; /* a struct page; with its lowest bit set, memory of a device */
	unsigned int len;
	unsigned int offset;
};

struct skb_shared_info {
	__u8 nr_frags;
	struct sk_buff *frag_list;
	struct skb_frag frags[1];
};

struct sock {
	struct sock_common __sk_common;
	struct {
		int owned;
	} sk_lock;
	__u16 sk_type;
	__u16 sk_protocol;
	int sk_err;
	__u8 sk_shutdown;
	int sk_wmem_queued;
	int sk_sndbuf;
	struct dst_entry *sk_dst_cache;
	struct sk_buff_head sk_receive_queue;
	struct socket *sk_socket;
	struct sock_cgroup_data sk_cgrp_data;
	struct proto *sk_prot_creator;
	long sk_rcvtimeo;
	long sk_sndtimeo;
};

struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
	void *icsk_ulp_data;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 write_seq;
	__u32 notsent_lowat;
	__u32 mss_cache;
	__u64 bytes_received;
	__u64 bytes_acked;
};

struct tcp_ulp_ops {
	char name[16];
};

/* net/tls.h. Debian's kernels have these types in their own BTF; where the module's has them alone, libbpf finds them once it is loaded. */
struct cipher_context {
	char unused;
};
typedef struct {
	long counter;
} atomic_long_t;
struct mutex {
	atomic_long_t owner; /* the task; its lowest bits are flags */
};
struct tls_context {
	struct mutex tx_lock;
	__u8 tx_conf : 3;
	__u8 rx_conf : 3;
	void *priv_ctx_tx;
	void *priv_ctx_rx;
	void *partially_sent_record;
	bool pending_open_record_frags;
	struct cipher_context tx;
	struct cipher_context rx;
};

/* The next record's number, 8 bytes in network order: a pointer until 6.7 (commit 6d5029e54700), in place since. */
struct cipher_context___before_6_7 {
	char *rec_seq;
};
struct cipher_context___since_6_7 {
	char rec_seq[8];
};

/* include/linux/skmsg.h and net/strparser.h: what strp_msg() and tls_msg() find in the cb of a buffer of TLS's */
struct strp_msg {
	int full_len;
};
struct _strp_msg {
	struct strp_msg strp;
};
struct tls_msg {
	__u8 control;
};
struct sk_skb_cb {
	struct _strp_msg strp;
	struct tls_msg tls;
};

/* include/net/tcp.h: what TCP_SKB_CB() finds in the cb of a buffer of TCP's */
struct tcp_skb_cb {
	__u32 seq;
};

struct tls_strparser {
	__u32 mark : 8;
	__u32 stopped : 1;
	__u32 copy_mode : 1;
	bool msg_ready;
	struct strp_msg stm;
	struct sk_buff *anchor;
};

struct list_head {
	struct list_head *next;
};

struct tls_sw_context_tx {
	struct list_head tx_list;
};

struct tls_sw_context_rx {
	struct tls_strparser strp;
	struct sk_buff_head rx_list;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
};

/* fs/eventpoll.c: an epoll set's interest in a file. */
struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};
struct epoll_event {
	__u64 data;
};
struct epitem {
	struct hlist_node fllink;
	struct epoll_event event;
};

struct file {
	unsigned int f_flags;
	struct inode *f_inode;
	struct hlist_head *f_ep; /* NULL unless it has been in an epoll set */
	atomic_long_t f_count;
};

/* From 6.13 (commit 90ee6ed776c0): f_ref holds the number of references less one. */
typedef struct {
	atomic_long_t refcnt;
} file_ref_t;

struct file___ref {
	file_ref_t f_ref;
};

struct proto_ops {
	void *splice_read;
};

/* Before 6.5 (commit 2dc334f1a63a), what is spliced into a socket goes by this, and no security module is asked. From then on it is a sendmsg(). */
struct proto_ops___sendpage {
	void *sendpage;
};

struct socket {
	short type;
	struct file *file;
	struct sock *sk;
	const struct proto_ops *ops;
};

struct msghdr {
	unsigned int msg_flags;
};

struct sockaddr {
	unsigned short sa_family;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	void *io_uring; /* of a thread that has made or used a ring */
	__u64 start_boottime;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long orig_ax;
};
#define syscall_number(regs) ((regs)->orig_ax)
/* read to write, pread64 to writev, sendfile, io_submit, splice, preadv and pwritev, preadv2 and pwritev2 */
#define moves_file_bytes(nr)                                                                                 \
	((nr) <= 1 || ((nr) >= 17 && (nr) <= 20) || (nr) == 40 || (nr) == 209 || (nr) == 275 ||              \
	 (nr) == 295 || (nr) == 296 || (nr) == 327 || (nr) == 328)
/* read, write, readv, writev, preadv2, pwritev2; in the numbers of other ABIs that come here none of these is a splice or a sendfile */
#define reads_or_writes(nr) ((nr) == 0 || (nr) == 1 || (nr) == 19 || (nr) == 20 || (nr) == 327 || (nr) == 328)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	int syscallno;
};
#define syscall_number(regs) ((regs)->syscallno)
/* io_submit, read to sendfile, splice, preadv2 and pwritev2 */
#define moves_file_bytes(nr)                                                                                 \
	((nr) == 2 || ((nr) >= 63 && (nr) <= 71) || (nr) == 76 || (nr) == 286 || (nr) == 287)
#define reads_or_writes(nr) (((nr) >= 63 && (nr) <= 66) || (nr) == 286 || (nr) == 287)
#else
#error "add the place of the syscall number for this architecture"
#endif

#pragma clang attribute pop

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_KEY 15
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_CAN 29
#define AF_BLUETOOTH 31
#define AF_ALG 38
#define AF_VSOCK 40
#define AF_XDP 44
#define SOCK_STREAM 1
#define SOCK_RAW 3
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_MPTCP 262

#define SIOCINQ 0x541B	/* FIONREAD */
#define SIOCOUTQ 0x5411 /* TIOCOUTQ */
#define SIOCOUTQNSD 0x894B

#define SOL_SOCKET 1
#define SO_SNDBUF 7
#define SO_ZEROCOPY 60
#define SOL_TCP 6
#define TCP_REPAIR 19
#define TCP_NOTSENT_LOWAT 25
#define TCP_FASTOPEN_CONNECT 30
#define TCP_ULP 31
#define TCP_ZEROCOPY_RECEIVE 35

#define MSG_DONTWAIT 0x40
#define MSG_MORE 0x8000
#define MSG_NOSIGNAL 0x4000
#define MSG_ERRQUEUE 0x2000
#define MSG_FASTOPEN 0x20000000
#define O_NONBLOCK 04000
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define MAY_WRITE 2
#define MAY_READ 4
#define SHUT_RD 0
#define SHUT_RDWR 2

/* include/uapi/linux/if.h; and the number of the loopback device in every network namespace (include/net/flow.h) */
#define IFF_LOOPBACK 0x8
#define LOOPBACK_IFINDEX 1

/* include/net/sock.h, enum sock_flags: set by tcp_fin() */
#define SOCK_DONE 1
/* the same, sk_shutdown */
#define RCV_SHUTDOWN 1
#define SEND_SHUTDOWN 2

/* include/linux/sched.h */
#define PF_EXITING 0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000

/* The same on every architecture since 5.1. */
#define NR_io_uring_enter 426

#define SIGPIPE 13
#define SIGCONT 18
#define SIGSTOP 19
/* include/linux/signal.h: siginfo of signals that the kernel itself sends */
#define SEND_SIG_PRIV 1

#define EPERM 1
#define EINTR 4
#define EAGAIN 11
#define ENOMEM 12
#define EBUSY 16
#define ENOSPC 28
#define EPIPE 32
#define EAFNOSUPPORT 97
#define EPROTONOSUPPORT 93
#define ENOPROTOOPT 92
#define EOPNOTSUPP 95
#define ECONNRESET 104
#define ENOTCONN 107
#define ECONNREFUSED 111
#define EINPROGRESS 115
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define MAX_ERRNO 4095

#endif
