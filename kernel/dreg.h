/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * dreg: tells a process, through memory it can read without a system call,
 * that the mapping of a range of its own addresses has changed.
 *
 * This is the whole interface between the module and user space.  docs/internals/dreg.md
 * explains it; kernel/libdreg wraps it for C programs.
 */
#ifndef DREG_H
#define DREG_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DREG_DEVICE	"/dev/dreg"

/* Changes whenever a structure or a rule below changes. */
#define DREG_ABI	1

/* The most slots that one context can have. */
#define DREG_SLOTS_MAX	(1U << 20)

/*
 * Rules that hold for every call
 * ------------------------------
 *
 * open() makes a context.  It belongs to the address space (mm) that opened
 * it: threads and CLONE_VM / vfork children share it.  ioctl, read and mmap
 * from any other address space (a forked child, the program after exec, a
 * process that was passed the descriptor) fail with EOWNERDEAD, poll answers
 * POLLERR, and nothing of the owner's is touched.  This is looked at before
 * anything else but the existence of the command.
 *
 * A context ends with the last descriptor of it and the last mapping of its
 * shared area, whatever process they are in; until then its ranges stay
 * monitored.  It never keeps the owner's memory: when the address space ends,
 * its ranges fire with DREG_REASON_RELEASE.
 *
 * A failing call changes nothing, with one exception that says so itself: a
 * batch that fails in the middle keeps what it did and reports how much that
 * was in dreg_batch.done.
 *
 * open() fails with
 *   EDQUOT	the user has module parameter max_user_contexts contexts
 *   ENOMEM
 * ioctl with an unknown command fails with ENOTTY.
 */

/**
 * struct dreg_setup - argument of DREG_IOC_SETUP
 * @abi:          in: DREG_ABI of the caller's header; out: that of the module,
 *                written when the call succeeds and when it fails with
 *                EPROTONOSUPPORT
 * @slots:        in: number of slots, a power of two from 1 to DREG_SLOTS_MAX
 * @shared_bytes: out: bytes to mmap, a multiple of the page size
 *
 * Gives the context its slots and its shared area; once in its life.  A slot
 * is the caller's own number for a range, such as the index of its cache entry.
 *
 * A power of two, so that a position in the ring is user_delta masked, and
 * stays right for a reader that looks at the low 32 bits of user_delta only.
 *
 * Errors, looked at in this order:
 *   EFAULT		the structure cannot be read
 *   EPROTONOSUPPORT	@abi is not the module's
 *   EINVAL		@slots is 0, not a power of two, or above DREG_SLOTS_MAX
 *   EALREADY		the context has been set up before
 *   EDQUOT		@slots is above module parameter max_slots, or the user's
 *			contexts together would have more than max_user_slots
 *   ENOMEM
 *   EFAULT		the structure cannot be written; the context is not set up
 */
struct dreg_setup {
	__u32 abi;
	__u32 slots;
	__u64 shared_bytes;
};

/* dreg_range.flags after UNMONITOR: the slot had fired. */
#define DREG_FIRED	(1U << 0)

/**
 * struct dreg_range - one range of a batch
 * @addr:  first byte; a multiple of the page size
 * @len:   bytes, not 0; rounded up to whole pages, as munmap(2) does
 * @slot:  below dreg_setup.slots
 * @flags: MONITOR: in, must be 0.  UNMONITOR: out, 0 or DREG_FIRED
 *
 * UNMONITOR reads @slot and writes @flags, and nothing else.
 */
struct dreg_range {
	__u64 addr;
	__u64 len;
	__u32 slot;
	__u32 flags;
};

/**
 * struct dreg_batch - argument of DREG_IOC_MONITOR and DREG_IOC_UNMONITOR
 * @ranges: address of an array of struct dreg_range
 * @count:  its length, from 1 to dreg_setup.slots
 * @done:   out: how many ranges, from the first on, were dealt with.  Written
 *          whether the call succeeds (then it is @count) or fails in the
 *          middle; the error is that of ranges[@done].  Not written when the
 *          structure cannot be read, or the call fails before the first range
 *          is looked at (EOWNERDEAD, EBADFD, and @count's EINVAL and E2BIG).
 *
 * Ranges are taken in order, each entirely or not at all.  What was done
 * before a failure stays done.
 *
 * Errors of both calls, before any range is looked at, in this order:
 *   EFAULT	the structure cannot be read
 *   EBADFD	no DREG_IOC_SETUP yet
 *   EINVAL	@count is 0
 *   E2BIG	@count is above dreg_setup.slots: no such batch can succeed
 *
 * Errors of MONITOR, for each range, in this order:
 *   EFAULT	the range cannot be read
 *   EINVAL	@flags is not 0, @len is 0, or @addr is not page-aligned
 *   EOVERFLOW	@addr + @len, rounded up to a page, wraps around
 *   EFAULT	the range does not end below the end of user addresses
 *   ERANGE	@slot is not below dreg_setup.slots
 *   EBUSY	the slot is monitored already, fired or not
 *   EDQUOT	the user's contexts have max_user_ranges ranges already, or, used
 *		sparsely, slots that take more memory than so many ranges may
 *   ENOMEM
 *
 * The range need not be mapped.  Ranges may overlap, nest, and be equal.
 *
 * Errors of UNMONITOR, for each range, in this order:
 *   EFAULT	the range cannot be read, or its @flags cannot be written (looked
 *		at before the slot is given up, by writing 0)
 *   ERANGE	@slot is not below dreg_setup.slots
 *   ENOENT	the slot is not monitored
 *
 * Both: EINTR, when the thread is being killed, and never else.  EFAULT when only @done cannot
 * be written; what was done then stays done.
 */
struct dreg_batch {
	__u64 ranges;
	__u32 count;
	__u32 done;
};

#define DREG_IOC_MAGIC		0xdb
#define DREG_IOC_SETUP		_IOWR(DREG_IOC_MAGIC, 1, struct dreg_setup)
#define DREG_IOC_MONITOR	_IOWR(DREG_IOC_MAGIC, 2, struct dreg_batch)
#define DREG_IOC_UNMONITOR	_IOWR(DREG_IOC_MAGIC, 3, struct dreg_batch)

/**
 * struct dreg_shared - head of the area that mmap() gives
 * @abi:         DREG_ABI of the module
 * @slots:       dreg_setup.slots
 * @flag_offset: byte offset of the flags: __u8 flag[slots]
 * @ring_offset: byte offset of the ring: __u32 ring[slots]
 * @user_delta:  number of slots that have fired since SETUP, and the position
 *               at which the ring is written next.  Take the starting value
 *               from here after mmap; do not assume 0.
 * @reserved:    0
 *
 * mmap(NULL, shared_bytes, PROT_READ, MAP_SHARED, fd, 0); fewer bytes from
 * offset 0 are allowed.  Any number of times.  Not inherited by fork.
 *   EBADFD	no DREG_IOC_SETUP yet
 *   EINVAL	offset not 0, more than shared_bytes, or MAP_PRIVATE
 *   EACCES	PROT_WRITE; also mprotect to PROT_WRITE later
 *   EFAULT	mremap to more than was mapped (from the kernel itself)
 *
 * When a range fires, the module writes, in this order,
 *   flag[slot] = 1
 *   ring[user_delta & (slots - 1)] = slot
 *   user_delta += 1, with release semantics
 * so that who reads user_delta (acquire) and sees the new value sees the flag
 * and the ring entry too.
 *
 * flag[slot] is 1 from then on until the next MONITOR of that slot, which sets
 * it to 0.  UNMONITOR leaves it as it was; after UNMONITOR has returned, the
 * old range never writes flag or ring again.
 *
 * A reader remembers the user_delta up to which it has looked ("seen"); the
 * entries from seen to user_delta name the slots that have fired since.  A slot
 * fires once until it is monitored again, so at most `slots` entries are unseen
 * and none is overwritten, provided that the reader looks at the ring before it
 * monitors again a slot that has fired.  A reader that does not, notices by
 * user_delta - seen > slots, and looks at the flags of all its slots instead.
 */
struct dreg_shared {
	__u32 abi;
	__u32 slots;
	__u32 flag_offset;
	__u32 ring_offset;
	__u64 user_delta;
	__u64 reserved[5];
};

/*
 * Why a slot fired: dreg_event.reason.
 *
 * Changes of protection (mprotect, write-protection at fork or for soft-dirty
 * tracking) change no translation of a pinned page and do not fire.  Where the
 * kernel splits a huge page for one of them, it announces a CLEAR, which does.
 */
#define DREG_REASON_UNMAP	1	/* munmap, mmap(MAP_FIXED), mremap, brk, shmdt */
#define DREG_REASON_CLEAR	2	/* MADV_DONTNEED, MADV_FREE, truncation, migration, ... */
#define DREG_REASON_MIGRATE	3	/* to or from device memory */
#define DREG_REASON_EXCLUSIVE	4	/* a device takes exclusive access */
#define DREG_REASON_RELEASE	5	/* the address space ended: exit, exec */
#define DREG_REASON_OTHER	6	/* an event this module does not know: fires, to be safe */

/**
 * struct dreg_event - what read() gives
 * @slot:   the slot that fired
 * @reason: DREG_REASON_*, that of the operation that made it fire
 * @start:  first address that the operation changed, cut to the range
 * @end:    first address behind that, cut to the range
 *
 * read() gives as many whole events as are there and fit, in the order in which
 * the slots fired, each once.  The ring, flags and user_delta are not affected
 * by it.  UNMONITOR of a slot takes back its event if it was not read yet:
 * DREG_FIRED has reported it.  There is a place for every slot's event: none is
 * ever dropped.
 *   EBADFD	no DREG_IOC_SETUP yet
 *   EINVAL	the buffer is smaller than one event
 *   EAGAIN	O_NONBLOCK, and no event
 *   EINTR	a signal came before an event did (and has no SA_RESTART)
 *   EFAULT	the buffer cannot be written; the events are kept
 *
 * poll() answers POLLIN while an event waits to be read, POLLERR before
 * DREG_IOC_SETUP.
 */
struct dreg_event {
	__u32 slot;
	__u32 reason;
	__u64 start;
	__u64 end;
};

/*
 * Module parameters.  They can be changed at run time, by root, in
 * /sys/module/dreg/parameters/, and then hold for later calls:
 *
 *   max_slots		most slots of one context (default DREG_SLOTS_MAX)
 *   max_user_contexts	most contexts of one user (1024)
 *   max_user_slots	most slots of one user's contexts together (1073741824)
 *   max_user_ranges	most ranges of one user's contexts together (2097152)
 *
 * A user is the effective uid at open(); in a user namespace, who made it (the
 * outermost).  Nobody is exempt, root neither.
 */

#endif /* DREG_H */
