// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a caller by putting its thread to sleep, inside the call, in front of the gate (gate.bpf.c). Nothing else of its process notices:
 * signals, the user's own stop, debuggers, fork, exit and the freezer find a thread as one that waits in a read.
 *
 * A sleepable LSM program asks for an extended attribute of a file on the holder's own FUSE file system (native/holder), and FUSE puts the
 * caller to sleep until the holder answers. Whatever the answer, what follows is another look; and if there is nothing more to wait for, the
 * gate's own, which decides. So nothing is opened here, and a wrong answer is a look too many. Only who wakes in front of a gate that has been
 * replaced is answered here, by what the gate goes by (answer_alone()).
 *
 * An object of its own, attached behind the gate's programs: what is attached last runs first. Sleepable programs may use neither perf buffers nor
 * cgroup arrays, and before 6.13 no tries, so it says no more of a flow than that somebody waits for it. Kernels with bpf_get_file_xattr() can
 * do it (6.8, commit ac9c05e0e453); the others hold by stopping (hold.bpf.h).
 */
#include "answer.bpf.h"
#include "budget.bpf.h"
#include "ending.bpf.h"
#include "open_record.bpf.h"
#include "opening.bpf.h"
#include "standing.h"

/* struct bpf_iter_num of newer linux/bpf.h */
struct counting {
	__u64 opaque;
} __attribute__((aligned(8)));

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern struct file *bpf_get_task_exe_file(struct task_struct *task) __ksym;
extern void bpf_put_file(struct file *file) __ksym;
extern int bpf_get_file_xattr(struct file *file, const char *name__str, struct bpf_dynptr *value) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_iter_num_new(struct counting *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct counting *it) __ksym;
extern void bpf_iter_num_destroy(struct counting *it) __ksym;

/* A flow's hold ends by hold_until_ns, long before one has looked so often. */
#define MOST_LOOKS 100000
/* include/linux/sched.h */
#define MAX_SCHEDULE_TIMEOUT 0x7fffffffffffffffl

/* What the attribute's value goes to. Nobody reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unread SEC(".maps");

/* enum tlshub_standing. Each object has its own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} standing SEC(".maps");

static __always_inline __u32 get_standing(void)
{
	__u32 zero = 0, *now = bpf_map_lookup_elem(&standing, &zero);

	return now ? *(volatile __u32 *)now : STANDING_BEFORE;
}

/* The pointer to the leader is RCU's, and a sleepable program is in no read-side section of its own. */
static __noinline bool is_agents_thread(struct task_struct *task)
{
	bool agent;

	bpf_rcu_read_lock();
	agent = is_agent(task);
	bpf_rcu_read_unlock();
	return agent;
}

/* May this thread be put to sleep at all? */
static __always_inline bool may_sleep(struct task_struct *task, __u64 now)
{
	return !(task->flags & PF_KTHREAD) && get_standing() != STANDING_BEFORE && can_sleep(now) &&
	       can_continue(now) && !is_agents_thread(task);
}

/* Is it io_uring's? Its first try does not wait, and then it has a worker, or the socket tell it. */
static __always_inline bool is_rings(struct task_struct *task)
{
	return (task->flags & PF_IO_WORKER) || current_syscall(task) == NR_io_uring_enter;
}

/* Sleeps once. Returns what the holder answered: below 0 an error, -EINTR if a signal has come. */
static __noinline int fall_asleep(void)
{
	__u32 zero = 0;
	struct tlshub_leases *l = bpf_map_lookup_elem(&leases, &zero);
	__u64 *value = bpf_map_lookup_elem(&unread, &zero);
	struct bpf_dynptr into;
	struct task_struct *on;
	struct file *file;
	int answer = -EAGAIN;

	if (!l || !value || !l->sleep_on || l->holder_until_ns < bpf_ktime_get_ns())
		return answer;
	on = bpf_task_from_pid(l->sleep_on);
	if (!on)
		return answer;
	file = bpf_get_task_exe_file(on);
	bpf_task_release(on);
	if (!file)
		return answer;
	/* libbpf before 1.2 only finds the kfuncs' struct file if something reads one. */
	if (!(file->f_flags & O_NONBLOCK)) {
		bpf_dynptr_from_mem(value, sizeof(*value), 0, &into);
		answer = bpf_get_file_xattr(file, "user.hold", &into);
	}
	bpf_put_file(file);
	return answer;
}

/* Is there anything to wait for? All else is the gate's to answer. */
static __noinline bool is_undecided(struct sock *sk, struct tlshub_flow *f, __u32 dirs, __u32 kind)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct call c = {.dirs = dirs, .kind = kind};

	if (!tp || f->refused || was_opened(f, dirs))
		return false;
	c.verdict = verdict_of(sk, f);
	if (c.verdict & VERDICT_REFUSE)
		return false;
	c.state = sk->__sk_common.skc_state;
	c.rcv_nxt = tp->rcv_nxt;
	c.done = sk->__sk_common.skc_flags & (1 << SOCK_DONE);
	if (c.state == STATE_CLOSE && !(dirs == TLSHUB_RX && c.done && (c.verdict & VERDICT_CLAIMED)))
		return false;
	if (c.state == STATE_LISTEN || would_pass(f, &c))
		return false;
	if (f->hold_until_ns && bpf_ktime_get_ns() > f->hold_until_ns)
		return false;
	return !looks_open(sk, tp, f, dirs);
}

/* How long the socket's own timeout lets a call wait, in ns; 0: for ever. */
static __always_inline __u64 timeout_of(struct sock *sk, __u32 dirs, __u32 kind)
{
	struct tlshub_settings *s = get_settings();
	long jiffies = dirs & TLSHUB_RX ? sk->sk_rcvtimeo : sk->sk_sndtimeo;

	if (!s || (kind & CALL_SHUTDOWN) || jiffies == MAX_SCHEDULE_TIMEOUT)
		return 0;
	return (__u64)jiffies * s->jiffy_ns;
}

/* Until when a caller that blocks may sleep, as far as its flow goes. */
static __noinline __u64 flow_until(struct sock *sk, struct tlshub_flow *f, __u64 now)
{
	struct tlshub_settings *s = get_settings();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u64 until, silent;

	if (!s || !tp)
		return 0;
	until = f->hold_until_ns ? f->hold_until_ns : now + s->hold_ns;
	/* A peer that has an agent is waiting for its processor. Only this thread waits with it, as plain TCP would let it wait. */
	if (!is_silent(f, tp->rcv_nxt) || f->peer_intent != INTENT_UNKNOWN)
		return until;
	silent = now + silence_left(f, s, now);
	return silent < until ? silent : until;
}

/* Something has come on this connection. It was the handshake's; but poll() says "readable" of it, as long as it lies there. */
static __noinline bool may_look_readable(struct sock *sk, struct tlshub_flow *f)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && tp->rcv_nxt - f->irs > 1;
}

/* A thread's receives are counted apart from its sends. Thread ids are far below this. */
#define RECEIVES 0x80000000u

static __always_inline __u32 patience_key(__u32 dirs, __u32 tid)
{
	return dirs & TLSHUB_RX ? tid | RECEIVES : tid;
}

/*
 * What is left of the time that calls which do not want to block may sleep for this flow, by themselves; in ns. Many who are told "readable" by the
 * handshake have nothing to read behind it, as clients that have yet to ask. So a thread may receive in vain for half a flow's time at once.
 */
static __noinline __u64 patience_left(struct tlshub_flow *f, __u32 dirs, __u32 tid, __u64 now)
{
	__u32 key = patience_key(dirs, tid);
	__u64 *not_before = bpf_map_lookup_elem(&impatient, &key);
	struct tlshub_settings *s = get_settings();

	if (!s || !f->established_ns || f->waited_ns >= s->nonblocking_ns)
		return 0;
	if (not_before && *not_before >= now + (dirs & TLSHUB_RX ? 2 * s->nonblocking_ns : 0))
		return 0;
	return s->nonblocking_ns - f->waited_ns;
}

/* It waited in vain: an event loop with many such connections is not to stand still for each. */
static __always_inline void note_in_vain(__u32 dirs, __u32 tid, __u64 waited, __u64 now)
{
	__u32 key = patience_key(dirs, tid);
	__u64 *known = bpf_map_lookup_elem(&impatient, &key);
	__u64 not_before = (known && *known > now ? *known : now) + 4 * waited;

	bpf_map_update_elem(&impatient, &key, &not_before, BPF_ANY);
}

/*
 * And one that does not want to. Plain TCP takes the first bytes after a connect() that has come through, and gives some to who was told that there are
 * some, and programs rely on both; so such a call sleeps for as long as a handshake takes, once a flow. Who asks again and again naps.
 */
static __noinline __u64 nonblocking_until(struct sock *sk, struct tlshub_flow *f, __u32 dirs, __u32 kind,
					  __u64 now)
{
	__u32 tid = bpf_get_current_task_btf()->pid;
	__u64 patience = 0;

	if ((dirs & TLSHUB_TX) || (!(kind & MSG_ERRQUEUE) && may_look_readable(sk, f)))
		patience = patience_left(f, dirs, tid, now);
	if (patience)
		return now + patience;
	return f->established_ns && is_spinning(f, now) ? now + NAP_NS : 0;
}

/* What the holder must know of who sleeps. */
static __always_inline void prepare_quietly(struct tlshub_sleeper *s, struct tlshub_flow *f)
{
	s->cookie = f->cookie;
	s->cgroup = bpf_get_current_cgroup_id();
	s->tgid = bpf_get_current_pid_tgid() >> 32;
}

/* The same, and the agent is told: an event of this kind. */
static __noinline void prepare(struct tlshub_sleeper *s, struct sock *sk, struct tlshub_flow *f, __u32 kind)
{
	struct tlshub_owner caller;

	prepare_quietly(s, f);
	s->tell = (kind != EVENT_HELD || f->held_tgid != s->tgid) && may_tell_again(f, s->cgroup, true);
	if (!s->tell)
		return;
	if (kind == EVENT_HELD)
		f->held_tgid = s->tgid;
	current_owner(&caller, NULL, sk);
	fill_event(&s->held, kind, f);
	fill_owner(&s->held, &caller);
	s->held.hold = HOLD_SLEEP;
}

/* What a call returns that a signal has ended: as the kernel's own waits for data and for room do (sock_intr_errno()). */
static __always_inline int interrupted(bool blocking, __u64 timeout)
{
	if (!blocking)
		return -ERESTARTNOINTR;
	return timeout ? -EINTR : -ERESTARTSYS;
}

/* How long a thread that nobody puts to sleep looks for somebody who does: a new anchor takes some milliseconds. Then the gate stops it. */
#define MOST_AWAKE_NS (20 * 1000000ull)

/*
 * What the gate would say, to who has slept in front of one that is replaced or taken down, for it may not be asked any more. A thread stays in the
 * code that it fell asleep in, which calls one program after the other: older kernels call those as well that are detached meanwhile
 * (native/domain/retired.h), newer ones leave them out (seen on 7.3: the trampoline has a place in front of each that becomes a jump). Then the call
 * would go on unseen. User space is told of nothing from here: what has been refused the next agent finds in the list of flows.
 */
static __noinline int answer_alone(struct sock *sk, struct tlshub_flow *f, __u32 dirs, __u32 kind)
{
	struct call c = {.dirs = dirs, .kind = kind};
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	int answer;

	if (!tp)
		return -ECONNRESET;
	/* Noted in any case: the egress guard goes by it, and nobody else may do so. */
	if (is_open(sk, tp, f, dirs) || get_standing() != STANDING_REPLACED)
		return 0;
	look_at_call(sk, tp, f, &c);
	answer = answer_call(f, &c);
	if (answer <= 0)
		return answer < -MAX_ERRNO ? -ECONNRESET : answer;
	if (answer == ANSWER_AGAIN || answer == ANSWER_NAP)
		return -EAGAIN;
	/* It cannot go on sleeping, and nobody here can stop it. */
	if (answer == ANSWER_STAND)
		answer = REASON_NO_AGENT;
	f->refused = answer;
	count(COUNTER_REFUSED);
	return -ECONNRESET;
}

/* 0: go on to the gate. */
static __noinline int sleep_for(struct sock *sk, __u32 dirs, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	__u64 began = bpf_ktime_get_ns(), timeout, until, now = began, awake_ns = 0;
	bool blocking = !(kind & CALL_NONBLOCKING);
	struct tlshub_sleeper sleeper = {};
	struct counting looks;
	__u32 tid = task->pid;
	int answer, err = 0;

	if (!f || !may_sleep(task, now) || !is_undecided(sk, f, dirs, kind))
		return 0;
	if (!blocking && is_rings(task))
		return 0;
	timeout = timeout_of(sk, dirs, kind);
	sleeper.until_ns = blocking ? flow_until(sk, f, now) : nonblocking_until(sk, f, dirs, kind, now);
	if (sleeper.until_ns <= now)
		return 0;
	prepare(&sleeper, sk, f, EVENT_HELD);
	if (!f->first_held_ns)
		f->first_held_ns = now;
	__sync_fetch_and_add(&f->held_calls, 1);
	/* Who decides the flow does so before it looks at this, and we look again after it. */
	__sync_fetch_and_add(&f->sleeps, 1);
	count(COUNTER_HELD_CALLS);
	count(COUNTER_SLEEPS);
	bpf_iter_num_new(&looks, 0, MOST_LOOKS);
	while (bpf_iter_num_next(&looks)) {
		now = bpf_ktime_get_ns();
		until = blocking ? flow_until(sk, f, now) : sleeper.until_ns;
		if (timeout && began + timeout < until)
			until = began + timeout;
		sleeper.until_ns = until;
		if (now >= until || !is_undecided(sk, f, dirs, kind))
			break;
		if (bpf_map_update_elem(&sleepers, &tid, &sleeper, BPF_ANY))
			break;
		answer = fall_asleep();
		sleeper.tell = 0;
		if (answer == -EINTR) {
			err = interrupted(blocking, timeout);
			break;
		}
		/* No room at the holder, or none any more. Its anchor may have a successor by now, or soon. */
		now = bpf_ktime_get_ns();
		if (answer == -ENOSPC || (answer < 0 && !can_sleep(now)))
			break;
		if (answer >= 0)
			awake_ns = 0;
		else if (!awake_ns)
			awake_ns = now;
		else if (now > awake_ns + MOST_AWAKE_NS)
			break;
	}
	bpf_iter_num_destroy(&looks);
	bpf_map_delete_elem(&sleepers, &tid);
	now = bpf_ktime_get_ns();
	f->last_held_ns = now;
	if (err)
		return err;
	if (!blocking) {
		__sync_fetch_and_add(&f->waited_ns, now - began);
		if (is_undecided(sk, f, dirs, kind))
			note_in_vain(dirs, tid, now - began, now);
	} else if (timeout && now >= began + timeout && is_undecided(sk, f, dirs, kind)) {
		return -EAGAIN;
	}
	return answer_alone(sk, f, dirs, kind);
}

/* Is there anything for a call that reads, be it an end or an error? TLS says so as to poll() (net/tls/tls_main.c, tls_sk_poll()). */
static __noinline bool has_something_to_read(struct sock *sk, struct tcp_sock *tp)
{
	struct tls_sw_context_rx *rx = receiving_tls(tls_of(tp));
	bool ready = false;
	void *first = NULL;

	if (sk->sk_err || (sk->sk_shutdown & RCV_SHUTDOWN) || sk->__sk_common.skc_state != STATE_ESTABLISHED)
		return true;
	if (!rx)
		return true;
	bpf_core_read(&ready, sizeof(ready), &rx->strp.msg_ready);
	bpf_core_read(&first, sizeof(first), &rx->rx_list.next);
	return ready || first != &rx->rx_list;
}

/* How often one looks who was told "readable" of what the handshake has read since. */
#define LOOK_AGAIN_NS 1000000ull

/*
 * A program was told that it can read while the handshake's bytes lay there, and comes when the flow is open: what they announced is right behind
 * them. The first call that does not want to block is given as long as the handshake took to find it, at most a quarter of all that such calls may sleep.
 */
static __noinline int await_first_record(struct sock *sk)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 began = bpf_ktime_get_ns(), now = began, until;
	struct tlshub_settings *s = get_settings();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tlshub_sleeper sleeper = {};
	struct counting looks;
	__u32 tid = task->pid;
	int answer = 0;

	if (!f || !s || !tp || !f->established_ns || !may_sleep(task, now) || is_rings(task) ||
	    !may_look_readable(sk, f) || user_refused(sk, f) || !looks_open(sk, tp, f, TLSHUB_RX) ||
	    has_something_to_read(sk, tp))
		return 0;
	until = patience_left(f, TLSHUB_RX, tid, now);
	if (until > s->nonblocking_ns / 4)
		until = s->nonblocking_ns / 4;
	if (until > now - f->established_ns)
		until = now - f->established_ns;
	until += now;
	prepare_quietly(&sleeper, f);
	bpf_iter_num_new(&looks, 0, MOST_LOOKS);
	while (bpf_iter_num_next(&looks)) {
		if (now >= until || has_something_to_read(sk, tp))
			break;
		sleeper.until_ns = now + LOOK_AGAIN_NS;
		if (bpf_map_update_elem(&sleepers, &tid, &sleeper, BPF_ANY))
			break;
		answer = fall_asleep();
		if (answer < 0)
			break;
		now = bpf_ktime_get_ns();
	}
	bpf_iter_num_destroy(&looks);
	bpf_map_delete_elem(&sleepers, &tid);
	if (answer == -EINTR)
		return -ERESTARTNOINTR;
	__sync_fetch_and_add(&f->waited_ns, now - began);
	if (!has_something_to_read(sk, tp))
		note_in_vain(TLSHUB_RX, tid, now - began, now);
	return 0;
}

/* How long the end of a connection may take to be pushed out, which does not depend on the peer; then it takes its course. */
#define MOST_ENDING_NS (2 * 1000000000ull)

/*
 * Who shuts the sending side of a secured flow while TLS has records that TCP did not take sleeps until the agent has made room for them
 * (ending.bpf.h). 0: it may take its course.
 */
static __noinline int sleep_until_sent(struct sock *sk)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	__u64 now = bpf_ktime_get_ns(), until = now + MOST_ENDING_NS;
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_sleeper sleeper = {};
	struct counting looks;
	__u32 tid = task->pid;
	int answer, err = 0;

	if (!f || !is_ending_late(sk) || f->spin_calls >= MOST_FLUSHES || !may_sleep(task, now))
		return 0;
	prepare(&sleeper, sk, f, EVENT_ENDING);
	if (!sleeper.tell)
		return 0;
	sleeper.until_ns = until;
	f->spin_calls++;
	count(COUNTER_SLEEPS);
	bpf_iter_num_new(&looks, 0, MOST_LOOKS);
	while (bpf_iter_num_next(&looks)) {
		if (bpf_ktime_get_ns() >= until || !is_ending_late(sk) ||
		    bpf_map_update_elem(&sleepers, &tid, &sleeper, BPF_ANY))
			break;
		answer = fall_asleep();
		sleeper.tell = 0;
		if (answer == -EINTR)
			err = -ERESTARTSYS;
		if (answer < 0)
			break;
	}
	bpf_iter_num_destroy(&looks);
	bpf_map_delete_elem(&sleepers, &tid);
	return err;
}

/* Few sockets have a flow, and most of those are open. */
static __always_inline bool may_have_to_wait(struct sock *sk, __u32 dirs)
{
	struct tlshub_flow *f;

	if (!is_inet_family(sk->__sk_common.skc_family))
		return false;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	return f && f->flow_class == CLASS_MESH && !was_opened(f, dirs);
}

/* What the gate does beside, to a call that sends on a flow that is open. User space looks at the notes now and then without being told. */
static __noinline int send_alone(struct sock *sk, int flags)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);

	if (!f || !was_opened(f, TLSHUB_TX))
		return 0;
	if (flags & MSG_MORE)
		note_open_record(sk, f);
	return sends_no_more(sk, flags);
}

SEC("lsm.s/socket_sendmsg")
int BPF_PROG(sleep_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	struct sock *sk = sock->sk;
	int err;

	if (ret || !sk || !may_have_to_wait(sk, TLSHUB_TX))
		return ret;
	err = sleep_for(sk, TLSHUB_TX, msg->msg_flags & MSG_DONTWAIT);
	return err || get_standing() != STANDING_REPLACED ? err : send_alone(sk, msg->msg_flags);
}

SEC("lsm.s/socket_recvmsg")
int BPF_PROG(sleep_recvmsg, struct socket *sock, struct msghdr *msg, int size, int flags, int ret)
{
	struct sock *sk = sock->sk;
	int err;

	if (ret || !sk || !may_have_to_wait(sk, TLSHUB_RX))
		return ret;
	err = sleep_for(sk, TLSHUB_RX, flags & CALL_NONBLOCKING);
	return err || (flags & CALL_NONBLOCKING) != MSG_DONTWAIT ? err : await_first_record(sk);
}

SEC("lsm.s/socket_shutdown")
int BPF_PROG(sleep_shutdown, struct socket *sock, int how, int ret)
{
	struct sock *sk = sock->sk;

	if (ret || !sk)
		return ret;
	if (may_have_to_wait(sk, TLSHUB_TX))
		return how == SHUT_RDWR ? 0 : sleep_for(sk, TLSHUB_TX, CALL_SHUTDOWN);
	return how == SHUT_RD || !is_inet_family(sk->__sk_common.skc_family) ? 0 : sleep_until_sent(sk);
}

/* The agent is told of who falls asleep from here, where a perf buffer can be written to: bpf_get_file_xattr() comes by, and hardly anybody else. */
SEC("fentry/__vfs_getxattr")
int BPF_PROG(tell_asleep)
{
	__u32 tid = bpf_get_current_task_btf()->pid;
	struct tlshub_sleeper *s = bpf_map_lookup_elem(&sleepers, &tid);

	if (s && s->tell)
		emit(ctx, &s->held);
	return 0;
}

char _license[] SEC("license") = "GPL";
