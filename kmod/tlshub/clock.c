// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers under the hub's mutex: a tree by time, and one work that runs what is due. A timer that is
 * stopped under the lock does not run any more, which timers of the kernel cannot promise.
 */
#include "hub.h"

#include <linux/timekeeping.h>

/* What is due at once is run in portions: others want the lock, too. */
#define PORTION 256

u64 tlshub_now(void)
{
	return ktime_get_boottime_ns();
}

static bool earlier(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct tlshub_timer, node)->at <
	       rb_entry(b, struct tlshub_timer, node)->at;
}

static void arm(struct tlshub_hub *hub)
{
	struct rb_node *first = rb_first_cached(&hub->timers);
	u64 now = tlshub_now(), at;

	if (!first || hub->ending)
		return;
	at = rb_entry(first, struct tlshub_timer, node)->at;
	/* One jiffy more: it must not run before. */
	mod_delayed_work(tlshub_workqueue, &hub->clock_work,
			 at > now ? nsecs_to_jiffies(at - now) + 1 : 0);
}

void tlshub_timer_init(struct tlshub_timer *timer,
		       void (*run)(struct tlshub_hub *hub, struct tlshub_timer *timer))
{
	RB_CLEAR_NODE(&timer->node);
	timer->run = run;
}

void tlshub_timer_stop(struct tlshub_hub *hub, struct tlshub_timer *timer)
{
	if (RB_EMPTY_NODE(&timer->node))
		return;
	rb_erase_cached(&timer->node, &hub->timers);
	RB_CLEAR_NODE(&timer->node);
}

void tlshub_timer_set(struct tlshub_hub *hub, struct tlshub_timer *timer, u64 at)
{
	lockdep_assert_held(&hub->lock);
	tlshub_timer_stop(hub, timer);
	timer->at = at;
	/* The new one is first if it has become the leftmost. */
	if (rb_add_cached(&timer->node, &hub->timers, earlier))
		arm(hub);
}

static void run(struct work_struct *work)
{
	struct tlshub_hub *hub = container_of(to_delayed_work(work), struct tlshub_hub, clock_work);
	u64 now = tlshub_now();
	int count;

	tlshub_lock(hub);
	for (count = 0; count < PORTION && !hub->ending; count++) {
		struct rb_node *first = rb_first_cached(&hub->timers);
		struct tlshub_timer *timer;

		if (!first)
			break;
		timer = rb_entry(first, struct tlshub_timer, node);
		if (timer->at > now)
			break;
		tlshub_timer_stop(hub, timer);
		timer->run(hub, timer);
	}
	arm(hub);
	tlshub_unlock(hub);
}

void tlshub_clock_init(struct tlshub_hub *hub)
{
	hub->timers = RB_ROOT_CACHED;
	INIT_DELAYED_WORK(&hub->clock_work, run);
}

void tlshub_clock_exit(struct tlshub_hub *hub)
{
	cancel_delayed_work_sync(&hub->clock_work);
}
