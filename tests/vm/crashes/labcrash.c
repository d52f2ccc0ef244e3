// SPDX-License-Identifier: GPL-2.0-only
/*
 * labcrash: kernel failures to order, for tests of the lab.
 *
 * A word written to debugfs labcrash/provoke makes this module do what the word says. Each failure has a function of
 * its own name, so that a report can be told from any other. labcrash/seconds is how long, or how late.
 *
 * Stock kernels have no lkdtm; this builds against the headers of any from 5.10 on.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kfence.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#define OBJECT_BYTES 64

static struct dentry *directory;
static u32 seconds = 8;
static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);
static DEFINE_SPINLOCK(atomic_lock);

/* Failures that one function is enough for ------------------------------------------------------------------- */

static noinline int labcrash_warn(void)
{
	WARN_ON(1);
	return 0;
}

static noinline int labcrash_warn_once(void)
{
	WARN_ONCE(1, "labcrash: this %s is said once\n", "warning");
	return 0;
}

static noinline int labcrash_bug(void)
{
	BUG();
	return 0;
}

static noinline int labcrash_null(void)
{
	int *volatile nowhere = NULL;

	*nowhere = 1;
	return 0;
}

static noinline int labcrash_gpf(void)
{
	unsigned long *volatile not_canonical = (unsigned long *)0xdead4ead00000000UL;

	return *not_canonical != 0;
}

static noinline int labcrash_refcount(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	return refcount_dec_and_test(&count);
}

static noinline int labcrash_list(void)
{
	LIST_HEAD(head);
	LIST_HEAD(stranger);
	struct list_head entry;

	head.next = &stranger;
	list_add(&entry, &head);
	return 0;
}

static noinline int labcrash_atomic(void)
{
	spin_lock(&atomic_lock);
	msleep(20);
	spin_unlock(&atomic_lock);
	return 0;
}

static noinline int labcrash_stack(int depth)
{
	volatile char frame[512];

	memset((void *)frame, depth, sizeof(frame));
	return labcrash_stack(depth + 1) + frame[depth % sizeof(frame)];
}

static noinline int labcrash_panic(void)
{
	panic("labcrash gives up");
}

/* CPUs that do not come back, for `seconds` ------------------------------------------------------------------- */

static noinline void labcrash_spin(bool quiet_dog)
{
	u64 left_ms = (u64)seconds * 1000;

	while (left_ms--) {
		mdelay(1);
		if (quiet_dog)
			touch_softlockup_watchdog();
	}
}

static noinline int labcrash_softlockup(void)
{
	preempt_disable();
	labcrash_spin(false);
	preempt_enable();
	return 0;
}

static void nothing(struct rcu_head *head)
{
}

static struct rcu_head waited_for;

/* RCU sees a CPU that is gone from the tick of another one, and an idle CPU has no tick. */
static int awake(void *unused)
{
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

/*
 * Without a PMU only RCU can notice, and it does if a grace period was going on: what holds it up is first a CPU that
 * is merely busy, so that it has begun when the interrupts go.
 */
static noinline int labcrash_hardlockup(void)
{
	struct task_struct *other = kthread_create(awake, NULL, "labcrash-awake");
	unsigned long flags;

	if (IS_ERR(other))
		return PTR_ERR(other);
	kthread_bind(other, 0);
	wake_up_process(other);
	if (set_cpus_allowed_ptr(current, cpumask_of(1))) {
		kthread_stop(other);
		return -ENODEV;
	}
	preempt_disable();
	call_rcu(&waited_for, nothing);
	mdelay(200);
	local_irq_save(flags);
	labcrash_spin(false);
	local_irq_restore(flags);
	preempt_enable();
	return kthread_stop(other);
}

/* A grace period must be wanted, else nothing stalls; it is begun here and cannot end. */
static noinline int labcrash_rcu(void)
{
	call_rcu(&waited_for, nothing);
	rcu_read_lock();
	preempt_disable();
	labcrash_spin(true);
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

/* Tasks that wait for ever ------------------------------------------------------------------------------------ */

static int keep(void *lock)
{
	mutex_lock(lock);
	while (!kthread_should_stop())
		schedule_timeout_idle(HZ);
	return 0;
}

static struct task_struct *keeper;

static int start_keeper(void)
{
	if (keeper)
		return 0;
	keeper = kthread_run(keep, &first_lock, "labcrash-keeper");
	if (IS_ERR(keeper))
		return PTR_ERR(keeper);
	while (!mutex_is_locked(&first_lock))
		schedule_timeout_idle(1);
	return 0;
}

static noinline int labcrash_wait(void *lock)
{
	mutex_lock(lock);
	mutex_unlock(lock);
	return 0;
}

/* The writer itself waits: the step hangs. */
static noinline int labcrash_hung(void)
{
	int error = start_keeper();

	return error ? error : labcrash_wait(&first_lock);
}

/* A task of its own waits: the step ends, and what it began is reported in a later one. */
static noinline int labcrash_hung_later(void)
{
	int error = start_keeper();

	if (!error && IS_ERR(kthread_run(labcrash_wait, &first_lock, "labcrash-waiter")))
		error = -ENOMEM;
	return error;
}

struct order {
	struct mutex *one, *two;
	struct completion *mine, *other;
};

static noinline int labcrash_abba(void *data)
{
	struct order *order = data;

	mutex_lock(order->one);
	complete(order->mine);
	wait_for_completion(order->other);
	mutex_lock(order->two);
	return 0;
}

static DECLARE_COMPLETION(first_taken);
static DECLARE_COMPLETION(second_taken);
static struct order forwards = { &first_lock, &second_lock, &first_taken, &second_taken };
static struct order backwards = { &second_lock, &first_lock, &second_taken, &first_taken };

static int start_abba(void)
{
	if (IS_ERR(kthread_run(labcrash_abba, &forwards, "labcrash-ab")) ||
	    IS_ERR(kthread_run(labcrash_abba, &backwards, "labcrash-ba")))
		return -ENOMEM;
	return 0;
}

/* Memory ------------------------------------------------------------------------------------------------------ */

static noinline int labcrash_overflow(void)
{
	volatile char *object = kmalloc(OBJECT_BYTES, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(object);
	object[OBJECT_BYTES] = 'x';
	kfree((void *)object);
	return 0;
}

/* Written after it was freed; the allocator sees that when it hands the object out again. */
static noinline int labcrash_after_free(void)
{
	struct kmem_cache *cache = kmem_cache_create("labcrash_poison", OBJECT_BYTES, 0,
						     SLAB_POISON | SLAB_RED_ZONE | SLAB_CONSISTENCY_CHECKS, NULL);
	char *object;

	if (!cache)
		return -ENOMEM;
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	if (object) {
		kmem_cache_free(cache, object);
		OPTIMIZER_HIDE_VAR(object);
		*(volatile char *)(object + OBJECT_BYTES / 2) = 'x';
		object = kmem_cache_alloc(cache, GFP_KERNEL);
	}
	if (object)
		kmem_cache_free(cache, object);
	kmem_cache_destroy(cache);
	return 0;
}

static noinline int labcrash_leak(void)
{
	struct kmem_cache *cache = kmem_cache_create("labcrash_leak", OBJECT_BYTES, 0, SLAB_POISON, NULL);

	if (!cache)
		return -ENOMEM;
	if (!kmem_cache_alloc(cache, GFP_KERNEL))
		pr_err("labcrash: no memory to leak\n");
	kmem_cache_destroy(cache);
	return 0;
}

/* KFENCE guards an allocation now and then: one every /sys/module/kfence/parameters/sample_interval ms. */
static noinline int labcrash_kfence(void)
{
	unsigned long end = jiffies + seconds * HZ;
	char *object;

	while (time_before(jiffies, end)) {
		object = kmalloc(OBJECT_BYTES, GFP_KERNEL);
		if (!object)
			return -ENOMEM;
		kfree(object);
		if (is_kfence_address(object)) {
			OPTIMIZER_HIDE_VAR(object);
			return *(volatile char *)object & 0;
		}
		cond_resched();
	}
	return -ETIME;
}

/* Reports at awkward times and places -------------------------------------------------------------------------- */

static noinline void labcrash_late(struct work_struct *work)
{
	WARN(1, "labcrash: late\n");
}

static DECLARE_DELAYED_WORK(late_work, labcrash_late);

static int start_late(void)
{
	schedule_delayed_work(&late_work, (unsigned long)seconds * HZ);
	return 0;
}

/* Warns when the lab takes its target down: after the last step, at a place that needs no luck. */
static int labcrash_teardown(struct kprobe *probe, struct pt_regs *regs)
{
	WARN(1, "labcrash: the teardown\n");
	return 0;
}

static struct kprobe at_teardown = {
	.symbol_name = "transport_deregister_session",
	.pre_handler = labcrash_teardown,
};

static bool teardown_armed;

static int arm_teardown(void)
{
	int error = teardown_armed ? 0 : register_kprobe(&at_teardown);

	teardown_armed = teardown_armed || !error;
	return error;
}

static atomic_t racers = ATOMIC_INIT(0);

static void meet(void)
{
	atomic_inc(&racers);
	while (atomic_read(&racers) < 2)
		cpu_relax();
}

static noinline int labcrash_left(void *unused)
{
	meet();
	WARN(1, "labcrash: left\n");
	return 0;
}

static noinline int labcrash_right(void *unused)
{
	meet();
	WARN(1, "labcrash: right\n");
	return 0;
}

static int start_race(void)
{
	struct task_struct *left, *right;

	if (num_online_cpus() < 2)
		return -ENODEV;
	atomic_set(&racers, 0);
	left = kthread_create(labcrash_left, NULL, "labcrash-left");
	right = kthread_create(labcrash_right, NULL, "labcrash-right");
	if (IS_ERR(left) || IS_ERR(right))
		return -ENOMEM;
	kthread_bind(left, 0);
	kthread_bind(right, 1);
	wake_up_process(left);
	wake_up_process(right);
	return 0;
}

static noinline int labcrash_flood(void)
{
	int line;

	for (line = 0; line < 2000; line++) {
		pr_warn("labcrash: line %d of many, WARNING: and BUG: are words in it\n", line);
		if (line == 1000)
			WARN(1, "labcrash: in the flood\n");
		cond_resched();
	}
	return 0;
}

/* What reads like a report, and is none. Modules print with a prefix (pr_fmt); the last ones are without. */
static noinline int labcrash_text(void)
{
	pr_info("labcrash: BUG: this is only text\n");
	pr_info("labcrash: WARNING: CPU: 0 PID: 1 at nowhere.c:1 nothing+0x1/0x2\n");
	pr_info("labcrash: Kernel panic - not syncing: this is only text\n");
	pr_info("labcrash: INFO: task text:1 blocked for more than 120 seconds.\n");
	pr_info("WARNING: not one either\n");
	pr_info("DEBUG: this is only text\n");
	pr_info("Oops, this is only text\n");
	pr_info("kernel BUGs are at home elsewhere\n");
	pr_info("Call Trace: there is none\n");
	pr_info("refcount is only a word, list_add too\n");
	return 0;
}

/* "BUG: " at the beginning of a message is the kernel's own claim of a defect, whatever comes after it. */
static noinline int labcrash_claim(void)
{
	pr_err("BUG: a driver claims this, without a stack\n");
	return 0;
}

/* The trigger --------------------------------------------------------------------------------------------------- */

static noinline int deep(void)
{
	return labcrash_stack(0);
}

static const struct word {
	const char *name;
	int (*provoke)(void);
} words[] = {
	{ "warn", labcrash_warn }, { "warn-once", labcrash_warn_once }, { "bug", labcrash_bug },
	{ "null", labcrash_null }, { "gpf", labcrash_gpf }, { "refcount", labcrash_refcount },
	{ "list", labcrash_list }, { "atomic", labcrash_atomic }, { "stack", deep }, { "panic", labcrash_panic },
	{ "softlockup", labcrash_softlockup }, { "hardlockup", labcrash_hardlockup }, { "rcu", labcrash_rcu },
	{ "hung", labcrash_hung }, { "hung-later", labcrash_hung_later }, { "abba", start_abba },
	{ "overflow", labcrash_overflow }, { "after-free", labcrash_after_free }, { "leak", labcrash_leak },
	{ "kfence", labcrash_kfence }, { "late", start_late }, { "teardown", arm_teardown }, { "race", start_race },
	{ "flood", labcrash_flood }, { "text", labcrash_text }, { "claim", labcrash_claim },
};

static ssize_t provoke_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char given[32] = "";
	size_t i;
	int error;

	if (size >= sizeof(given) || copy_from_user(given, from, size))
		return -EINVAL;
	strim(given);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(given, words[i].name))
			continue;
		error = words[i].provoke();
		return error ? error : size;
	}
	return -EINVAL;
}

static const struct file_operations provoke_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = provoke_write,
};

static int __init labcrash_init(void)
{
	directory = debugfs_create_dir("labcrash", NULL);
	debugfs_create_file("provoke", 0200, directory, NULL, &provoke_operations);
	debugfs_create_u32("seconds", 0600, directory, &seconds);
	return 0;
}

/* Stays loaded: most of what it does cannot be undone. */
module_init(labcrash_init);
MODULE_DESCRIPTION("Kernel failures to order, for tests of the lab");
MODULE_LICENSE("GPL");
