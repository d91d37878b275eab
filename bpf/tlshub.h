/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What BPF and user space share: every struct that lies in a map or travels to user space, and every number with a meaning.
 *
 * Fixed-width fields, explicit padding, no bit-fields. Numbers are enums, not macros, so that the built object's BTF has them: from it
 * bpf/abi.py writes TypeScript's tables (src/shared/kernel/abi.generated.ts) and C's checks (bpf/abi.generated.h) with one hash of all this, which
 * BPF object, addon and TypeScript compare at start. After a change here: `make -C bpf generate`. Raise TLSHUB_ABI_VERSION whenever a
 * struct changes: pinned maps of another version are never adopted. A new enum or struct is named in bpf/abi.bpf.c.
 *
 * Addresses are always 16 bytes in network order; IPv4 is written as ::ffff:a.b.c.d. Ports are in host order.
 * Times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns), except start_boottime (CLOCK_BOOTTIME).
 */
#ifndef TLSHUB_H
#define TLSHUB_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum tlshub_limit {
	TLSHUB_ABI_VERSION = 6,
	TLSHUB_COMM_LEN = 16,
	TLSHUB_NODE_LEN = 192,	/* see struct tlshub_secured */
	TLSHUB_MAX_SCOPES = 64, /* captured cgroups at most */
	TLSHUB_MAX_HELD =
		65536, /* sockets that the agent has a descriptor of at once; processes stopped at once */
	TLSHUB_MAX_RULES = 1024, /* in a bank of the policy */
	TLSHUB_RULE_FIXED_BITS = 32,
	TLSHUB_MAX_NODES = 65536,   /* that have opened an epoch to this one */
	TLSHUB_MAX_EPOCHS = 131072, /* of ours: one that takes flows and one to follow it, for each node */
	/* What MSG_MORE keeps back goes out after this: TCP_RTO_MIN of include/net/tcp.h, by which tcp_check_probe_timer() goes. */
	TLSHUB_CORK_NS = 200000000,
};

/* include/net/tcp_states.h, those that somebody here looks at */
enum tlshub_tcp_state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_TIME_WAIT = 6,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_LISTEN = 10,
	STATE_CLOSING = 11,
};

/* include/linux/socket.h; the C library's headers have it from glibc 2.37 on. */
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/*
 * The head of every record that goes to user space. Records are told apart by it and by nothing else, and tlshub_next_record() in records.h walks
 * them. It is longer than what perf may add behind a sample, which so is never taken for another record.
 */
enum tlshub_record_type {
	RECORD_EVENT = 1,      /* struct tlshub_event */
	RECORD_LAST_EVENT = 2, /* struct tlshub_secured: EVENT_CLOSED and how the connection was secured */
	RECORD_SOCKET = 3,     /* struct tlshub_sweep */
	RECORD_SECURED_SOCKET = 4, /* struct tlshub_secured_sweep */
};
struct tlshub_head {
	__u16 type;  /* tlshub_record_type */
	__u16 bytes; /* of the whole record, this head included */
	__u32 pad;
};

enum tlshub_role { ROLE_ACTIVE = 1, ROLE_PASSIVE = 2 };

/* How policy sees a flow; decided once per generation, in BPF, on its addresses. NONE: it has not begun. */
enum tlshub_class { CLASS_NONE = 0, CLASS_MESH = 1, CLASS_PLAINTEXT = 2, CLASS_REFUSED = 3 };

enum tlshub_policy { POLICY_STRICT = 1, POLICY_PERMISSIVE = 2 };
/* What an agent says in its marker (marker.bpf.h): on the wire, so numbers are never given twice. */
enum tlshub_intent {
	INTENT_UNKNOWN = 0, /* no marker: no agent, or somebody took it away */
	INTENT_PLAINTEXT = 1,
	INTENT_IN_BAND = 2, /* TLS 1.3 on the connection itself */
	INTENT_TLSHUB = 3,  /* keys from the TLSHub module */
	INTENT_REFUSED = 4, /* its policy refuses the connection */
};
enum tlshub_same_node { SAME_NODE_SECURE = 1, SAME_NODE_PLAINTEXT = 2 };

/* Why a flow was refused. 1..63 are the gate's own reasons, from 64 on user space's. */
enum tlshub_reason {
	REASON_NONE = 0,
	REASON_OVERDUE = 1,	/* hold_until passed */
	REASON_SILENT_PEER = 2, /* a blocking caller was held and the peer had sent nothing for silent_ns */
	REASON_NO_AGENT = 3,	/* a blocking caller, and no live agent and guardian to continue it */
	REASON_NOT_MESH = 4,	/* strict policy: the peer is outside the mesh */
	REASON_UNSUPERVISED =
		5, /* no flow state: the socket was made outside the captured cgroup or before the agent */
	REASON_UNSUPPORTED = 6, /* MPTCP, TCP Fast Open, or a socket that carried another connection before */
	REASON_CLOSED = 7,	/* the connection ended while it was held, with bytes that nobody may read */
	REASON_PEER_REFUSES = 8,   /* the peer's marker: its policy refuses the connection */
	REASON_PEER_PLAINTEXT = 9, /* the peer's marker: it leaves in plaintext what is to be secured here */
	REASON_PEER_SECURES = 10,  /* the peer's marker: it secures what is in plaintext here */
	REASON_PEER_MODE = 11,	   /* the peer's marker: it gets its keys another way */
	REASON_TRANSLATED =
		12, /* plaintext by its address, but on its way to another that is of the mesh or refused */
	REASON_SOCKET_KIND = 13, /* of EVENT_SOCKET_REFUSED: data of such a socket would go past the gate */
	REASON_AGENT = 64,	 /* user space refused it: the flow table says why */
};

struct tlshub_tuple {
	__u8 local[16];
	__u8 remote[16];
	__u16 lport;
	__u16 rport;
	__u32 pad;
};

/* What may still be used of something finite; filled again as time goes by (budget.bpf.h). All zero: full. */
struct tlshub_bucket {
	__u64 filled_ns;
	__u32 tokens;
	__u32 pad;
};

/* sk_storage "flows": written by BPF only. User space reads it by socket fd. */
struct tlshub_flow {
	__u64 cookie;
	__u64 created_ns;
	__u64 established_ns; /* 0: not yet */
	__u64 hold_until_ns;  /* after this a HOLD is a REFUSED */
	__u64 first_held_ns;  /* first call that was held, 0: none */
	__u64 last_held_ns;
	__u64 waited_ns;     /* how long callers that do not want to block have slept for it */
	__u64 spin_since_ns; /* a non-blocking caller's run of fruitless sends began here */
	__u32 generation;    /* counts connects of this socket: verdicts of an earlier one do not count */
	__u32 role;
	__u32 flow_class;
	__u32 refused;	    /* tlshub_reason, sticky */
	__u32 iss;	    /* our initial sequence number, host order */
	__u32 irs;	    /* the peer's */
	__u32 agent_tx;	    /* bytes the agent asked to send before TLS_TX */
	__u32 keyed;	    /* bit 0: TLS_TX was seen, bit 1: TLS_RX was seen */
	__u32 keyed_tx_off; /* write_seq - (iss + 1) when TLS_TX was set */
	__u32 keyed_rx_off; /* copied_seq - (irs + 1) when TLS_RX was set, without a FIN */
	__u32 held_calls;
	__u32 stop_tgid; /* last process that was stopped for this flow, 0: none */
	__u32 stop_many; /* stops so far; more than one: walk the whole stops map */
	__u32 open_tx; /* the generation in which the kernel's own tls_context was seen to encrypt this direction: */
	__u32 open_rx; /* open if it is the present one, so that a late note cannot open the next connection */
	__u32 held_tgid; /* last process that EVENT_HELD named */
	__u32 spin_calls;
	__u32 intent;	   /* tlshub_intent: what our marker says, if we connect */
	__u32 peer_intent; /* what the peer's said */
	__u32 sleeps;	   /* threads put to sleep so far: whoever decides the flow wakes them */
	__u32 open_record; /* 1: there may be a note in "open_records" */
	__u32 said;	   /* 1: our marker is not written any more */
	__u32 epoch;	   /* as in struct tlshub_event, as the next two */
	__u16 number;
	__u16 what;
	__u32 fin; /* the sequence number of the peer's FIN that was kept from TCP (ingress.bpf.c), host order */
	__u32 fins_kept;	 /* 0: there was none */
	__u64 plain_splice_read; /* what splice() would call before TLS_RX was set */
	__u64 cgroup;		 /* id of the cgroup that the socket was made in */
	struct tlshub_tuple tuple;
	/* Of the socket, not of the connection: begin() leaves these alone. */
	__u32 passed; /* a call was let through that may still be on its way, without a key to protect it */
	__u32 followed; /* the cgroup's callbacks see this socket, so that a new connection starts the flow over */
	struct tlshub_bucket told; /* what events it may have made */
};

/* sk_storage "owners": who connected or accepted; written by BPF only. */
struct tlshub_owner {
	__u64 start_boottime; /* of the thread group's leader */
	__u64 inode;	      /* of the socket, for a look through /proc/PID/fd */
	__u32 tgid;	      /* in the root PID namespace */
	__s32 fd;	      /* a hint: -1 not known */
	char comm[TLSHUB_COMM_LEN];
};

/* Directions, as bits: of a verdict's arming and of what the gate has opened. */
enum tlshub_verdict_flag {
	TLSHUB_TX = 1,
	TLSHUB_RX = 2,
	VERDICT_REFUSE = 4,
	VERDICT_END =
		8, /* with VERDICT_REFUSE: all that the peer had sent was the handshake's; if its FIN is all that is left, it may be read */
};

/*
 * sk_storage "verdicts": written by user space only (bpf_local_storage_update swaps the whole element). Without flags it says for which of
 * the socket's connections a handshake was begun: the agent moves no byte on another.
 */
struct tlshub_verdict {
	__u32 generation;
	__u32 flags; /* enum tlshub_verdict_flag; a direction: armed */
};

/* hash "stops": processes that stand still because of us. Written before the signal is sent. */
struct tlshub_stop_key {
	__u64 cookie;
	__u32 tgid;
	__u32 pad;
};
struct tlshub_stop {
	__u64 start_boottime;
	__u64 since_ns;
};

/*
 * hash "dups": cookie of a socket that the agent has a descriptor of -> who was stopped while closing the program's own. Made and deleted by
 * user space, before it takes the descriptor and after it has closed it; else written by BPF.
 */
struct tlshub_dup {
	__u32 stop_tgid; /* the last one, 0: none */
	__u32 stops;	 /* more than one: walk the whole stops map */
};

/*
 * hash "open_records": cookie of a socket -> its record that is open, as far as the calls tell that sent with MSG_MORE (open_record.bpf.h). Written by
 * BPF; user space takes it away when it has looked at the socket and there was nothing to wait for.
 */
struct tlshub_open_record {
	__u64 since_ns;	      /* nothing in that record was sent before */
	__u64 called_ns;      /* the latest call with MSG_MORE began */
	__u64 sequence;	      /* TLS's number of the record when it began */
	__u64 inode;	      /* of the socket */
	__u64 start_boottime; /* of the process that called, as `tgid` */
	__u32 tgid;
	__s32 fd;     /* a hint: -1 not known */
	__u32 tid;    /* the thread that called, in the root PID namespace */
	__u32 shared; /* 1: another thread has called as well */
};

/*
 * LRU hash "user_stops": tgid -> start_boottime of processes that somebody else sent SIGSTOP. A stop of ours in between must not
 * be taken for the only one: such a process is not ours to continue.
 */

/* LRU hash "silent_peers": cgroup and address of the peer -> how often it left a stopped process of that cgroup waiting for nothing */
struct tlshub_silent_key {
	__u64 cgroup;
	__u8 address[16] __attribute__((aligned(4)));
};
struct tlshub_silent_peer {
	__u64 last_ns;
	__u32 count;
	__u32 pad;
};

/* array "leases", one element, mmapped: who is alive. Written by user space. */
struct tlshub_leases {
	__u64 agent_until_ns;
	__u64 guardian_until_ns;
	__u64 holder_until_ns;
	__u64 holder_start_boottime; /* of `holder_tgid` */
	__u32 holder_tgid;	     /* the holder, 0: none. In the root PID namespace, as the next */
	__u32 sleep_on; /* a process that runs a file of the holder's own file system, which threads are put to sleep on; 0: none */
};

/* array "settings", one element. Written by user space. */
struct tlshub_settings {
	__u64 hold_ns;	      /* from established (active: from connect; passive: from accept) to REFUSED */
	__u64 silent_ns;      /* how long a blocking caller may be held for a peer that never sent a byte */
	__u64 nonblocking_ns; /* how long a flow's callers that do not want to block may sleep all the same */
	__u64 jiffy_ns;	      /* the kernel counts sockets' timeouts in these */
	__u32 policy_bank;    /* which element of "policy", and which rules, are in force: 0 or 1 */
	__u32 emit_connect;   /* 1: EVENT_CONNECT is wanted (out-of-band providers) */
	__u32 abi_version;
	__u32 scopes; /* how many elements of "scopes" are in use */
	__u32 intent; /* tlshub_intent of a connection that is to be secured here; INTENT_UNKNOWN: no markers at all */
	__u32 key_netlink; /* 1 + the netlink protocol of TLSHub's module; 0: none */
	__u32 channel;	   /* 1: with INTENT_IN_BAND, keys by name are offered and agreed to (channel.h) */
	__u32 pad;
};

/* LPM trie "mesh": addresses of the mapping's pods. */
struct tlshub_mesh_key {
	__u32 prefixlen; /* of the 128-bit form: IPv4 /24 is 120 */
	__u8 addr[16];
};
struct tlshub_mesh_value {
	__u32 local; /* 1: a pod of this node, and of no other */
	__u32 node;  /* the agent's number for the one node that has this address, 0: several have it */
};

/* hash "epochs", by id: those that this node has opened. Written by user space, once each; `given` by BPF. */
struct tlshub_epoch {
	__u64 until_ns; /* it takes new flows */
	__u32 given;	/* how many numbers were asked for: those below CHANNEL_EPOCH_FLOWS were given */
	__u32 pad;
};

/* hash "node_epochs", by the node's number: the newest that this node has opened to us. Written by user space. */
struct tlshub_node_epoch {
	__u64 until_ns; /* it takes new flows */
	__u32 epoch;
	__u32 pad;
};

/*
 * LRU hash "third_segments", by the node's number: 1 if the last third segment from there had a marker, so that nobody on the way takes it off.
 * Written by BPF.
 */

/* array "policy", two elements. Written by user space, never the one in force. */
struct tlshub_policy_bank {
	__u32 policy;	 /* tlshub_policy */
	__u32 same_node; /* tlshub_same_node */
	__u32 rules;	 /* how many there are in this bank */
	__u32 pad;
};

/* LPM trie "rules": exact in bank and port, longest prefix in the address. */
struct tlshub_rule_key {
	__u32 prefixlen; /* TLSHUB_RULE_FIXED_BITS and the prefix of the address's 128-bit form */
	__u16 bank;
	__u16 port; /* the server's, 0: any */
	__u8 addr[16];
};
/* The highest rank decides: ((prefix << 1 | has a port) << 1 | is a requirement). Above 0. */
enum tlshub_rank { RANK_REQUIRE = 1 };
struct tlshub_rule_value {
	__u32 rank;
	__u32 pad;
};

/* per-CPU array "counters" */
enum tlshub_counter {
	COUNTER_HELD_CALLS,
	COUNTER_STOPS,
	COUNTER_STOP_RACES_UNDONE, /* opened between the record and the signal: continued at once, in BPF */
	COUNTER_REFUSED,
	COUNTER_EGRESS_DROPS,
	COUNTER_PLAINTEXT_FLOWS,
	COUNTER_EVENTS_LOST, /* bpf_perf_event_output failed */
	COUNTER_STORAGE_FAILED,
	COUNTER_SOCKETS_REFUSED,
	COUNTER_EVENTS_WITHHELD, /* a socket or a cgroup had more to tell than it may */
	COUNTER_SLEEPS,		 /* threads put to sleep */
	COUNTER_MAX,
};

/* How a caller is held. */
enum tlshub_hold {
	HOLD_NONE = 0,	/* it was told EAGAIN */
	HOLD_STOP = 1,	/* its process stands still */
	HOLD_SLEEP = 2, /* its thread sleeps */
};

/*
 * Options at SOL_TLS that no kernel has. The gate answers the agent's getsockopt() for them. UNSENT: EAGAIN as long as TLS has records that TCP has not
 * taken. OPEN: EBUSY while a call is sending, which may take as long as the peer likes; EAGAIN if TLS keeps a record open. Else ENOPROTOOPT.
 */
#define TLSHUB_ASK_UNSENT 0x7447
#define TLSHUB_ASK_OPEN 0x7448

enum tlshub_event_kind {
	EVENT_CONNECT = 1,     /* SYN about to leave (only with settings.emit_connect) */
	EVENT_ESTABLISHED = 2, /* active: with owner; passive: no owner yet */
	EVENT_ACCEPTED = 3,    /* passive: with owner */
	EVENT_HELD = 4,	       /* first held call by a process that is not the owner, or first of all */
	EVENT_CLOSING = 5,     /* the program's last descriptor of a held flow is going */
	EVENT_REFUSED = 6,     /* the gate refused it: reason says why */
	EVENT_CLOSED = 7,      /* TCP_CLOSE of a flow that had been established */
	EVENT_RELEASED =
		8, /* the program let go of a socket whose EVENT_CLOSED came before: its last bytes */
	EVENT_SOCKET_REFUSED =
		9, /* a program asked for a kind of socket that the gate does not cover; no flow's event */
	EVENT_ENDING =
		10, /* a program shuts the sending side of a secured flow and stands still: TLS has unsent records */
	EVENT_OPEN_RECORD = 11, /* there is something new in "open_records"; of no flow in particular */
};

/* What is known of a flow's traffic. */
enum tlshub_traffic_flag {
	TRAFFIC_KNOWN =
		1, /* the byte counts are right: they are not for a flow whose keys an earlier agent set */
	TRAFFIC_RELEASED = 2, /* the program has closed its last descriptor: it sends and reads no more */
	TRAFFIC_FIN = 4,      /* our FIN was queued before TCP_CLOSE: it has taken one sequence number */
	TRAFFIC_CLOSED = 8,   /* EVENT_CLOSED was sent */
	TRAFFIC_LOCKED = 16,  /* in a sweep: a system call has the socket's lock at this moment */
};

/* sk_storage "traffic": written by BPF only, from when the first direction opens or the connection ends. */
struct tlshub_traffic {
	__u64 bytes_sent; /* that the program sent and read; as of the last measurement */
	__u64 bytes_received;
	__u64 tx_first; /* record sequence numbers when the directions opened */
	__u64 rx_first;
	__u64 tx_records; /* tx's when the socket was released: the tls_context is gone before TCP_CLOSE */
	__u32 generation; /* of the flow that all this is about */
	__u32 flags;
};

/* perf buffer "events". tgid/fd/comm/inode/start_boottime: the owner, or for HELD and REFUSED the caller; tgid 0: not known. */
struct tlshub_event {
	struct tlshub_head head; /* RECORD_EVENT */
	__u32 kind;		 /* tlshub_event_kind */
	__u32 generation;
	__u64 time_ns;
	__u64 cookie;
	__u64 inode;
	__u64 start_boottime;
	__u64 created_ns; /* active: the SYN was about to leave; passive: our SYN-ACK left, or established if TCP cannot say */
	__u64 established_ns;
	__u64 bytes_sent; /* CLOSED, RELEASED, if `traffic` says that they are known */
	__u64 bytes_received;
	__u64 cgroup; /* as the flow's */
	__u32 tgid;
	__s32 fd;
	__u32 role;
	__u32 flow_class;
	__u32 reason;
	__u32 iss;
	__u32 irs;
	__u32 wait_ms; /* SOCKET_REFUSED: the protocol. HELD: how long the gate lets the stopped caller wait for a silent peer, 0: no limit of its own */
	__u32 refs; /* SOCKET_REFUSED: the family. CLOSING: references to the file, the closing one and the agent's dup included. CLOSED: what connect() says, or how an established one ended (reset, timed out), an errno; 0: nothing went wrong */
	__u32 hold; /* tlshub_hold. HELD: of this caller; else as the flow's callers were so far */
	__u32 peer_intent;
	__u32 traffic; /* CLOSED, RELEASED: tlshub_traffic_flag */
	__u32 epoch;   /* if there is a `what` */
	__u16 number;  /* the same */
	__u16 what;    /* tlshub_channel_what: the two ends have agreed on keys by name. 0: they have not */
	struct tlshub_tuple tuple;
	char comm[TLSHUB_COMM_LEN];
};

/* hash "sleepers": tid in the root PID namespace -> what it sleeps for. Written before the thread falls asleep, by BPF; read by the holder. */
struct tlshub_sleeper {
	__u64 cookie;
	__u64 until_ns; /* it does not want to sleep longer */
	__u64 cgroup;	/* its share of who may sleep at once */
	__u32 tgid;
	__u32 tell; /* `held` is to be told first */
	struct tlshub_event held;
};

/* Who made a connection's keys. Numbers are never given twice: a later agent reads them. */
enum tlshub_provider { PROVIDER_OPENSSL = 1, PROVIDER_BORINGSSL = 2, PROVIDER_TLSHUB = 3 };

/* RFC 8446 B.4, those that the kernel has keys for */
enum tlshub_suite {
	SUITE_TLS_AES_128_GCM_SHA256 = 0x1301,
	SUITE_TLS_AES_256_GCM_SHA384 = 0x1302,
	SUITE_TLS_CHACHA20_POLY1305_SHA256 = 0x1303,
};
/* RFC 8446 4.2.1 */
enum tlshub_protocol { PROTOCOL_TLS_1_3 = 0x0304 };

/*
 * sk_storage "secured": how a connection came to be secured, so that no agent need remember it. Written by user space, once, as soon as the
 * gate is open. At TCP_CLOSE BPF fills in `closed`, and the whole is the event: a socket's storage is gone when user space hears of its end.
 * With what the kernel puts around it (64 bytes and a pointer, struct bpf_local_storage_elem) it is a whole kmalloc() of 512 bytes. A node whose
 * name is longer than fits has none, and its flows stay in the agent's memory.
 */
struct tlshub_secured {
	struct tlshub_event closed; /* its head is the record's: RECORD_LAST_EVENT */
	__u64 asked_ns;		    /* the provider was asked */
	__u64 started_ns;
	__u64 negotiation_ns; /* how long it took from then on */
	__u64 opened_ns;
	__u32 generation;
	__u32 provider;	   /* tlshub_provider */
	__u32 cipher;	   /* tlshub_suite */
	__u32 tls_version; /* tlshub_protocol */
	char peer_node[TLSHUB_NODE_LEN];
};

/* What the "sweep" iterator writes for each socket with flow state. */
struct tlshub_socket {
	__u32 sk_state;	     /* tlshub_tcp_state */
	__u32 encrypts;	     /* TLSHUB_TX | TLSHUB_RX as the socket's own tls_context says */
	__u32 verdict_flags; /* 0 when of another generation */
	__u32 traffic;	     /* tlshub_traffic_flag */
	__u64 bytes_sent;
	__u64 bytes_received;
};
struct tlshub_sweep {
	struct tlshub_head head; /* RECORD_SOCKET or RECORD_SECURED_SOCKET */
	struct tlshub_flow flow;
	struct tlshub_owner owner;
	struct tlshub_socket socket;
};
struct tlshub_secured_sweep {
	struct tlshub_sweep sweep;
	struct tlshub_secured secured; /* `closed` is not filled in yet */
};

#endif
