/*
 * Pinned memory: the protocol monitor -> register -> look -> post, against everything that can
 * happen to the memory meanwhile.
 *
 * Two buffers and two threads of a program, for ever:
 *
 *   Main    the thread of the pinned-memory manager. It allocates buffers, leases them, posts
 *           operations, releases, drops buffers for the collector, evicts, and is woken to reap.
 *   Other   any other thread. It unmaps what Main has dropped, as the collector's helpers do, and
 *           gives living buffers other pages behind the same address (munmap, then mmap).
 *   Reader  with userfaultfd: the thread that reads events and sets the flags.
 *
 * What must hold, whatever the order of their steps:
 *
 *   1  An operation is posted only on a registration of the pages that are mapped now.
 *   2  A registration lives until the operations posted on it are done.
 *   3  When nobody communicates any more, nothing stays pinned for memory that is gone.
 *   4  Nobody waits for ever.
 *
 * Choose the monitor with -DDREG or -DUFFD. Each -DWRONG_... below puts one thing in the wrong
 * order; the checker must then find a run in which one of these breaks.
 *
 *   WRONG_REGISTER_FIRST     register, then monitor (R1)
 *   WRONG_CHECK_FIRST        look at the entry's own flag, then reap (R2)
 *   WRONG_DEREGISTER_LEASED  reap deregisters what is leased (R3)
 *   WRONG_DELTA_FIRST        user_delta is written before the flag (M2)
 *   WRONG_NO_WAIT            MONITOR does not wait for an invalidation in flight (M1, dreg)
 *   WRONG_NO_FENCE           an address hit is believed for a buffer not seen before (userfaultfd)
 *   WRONG_NO_BUSY            the fence does not wait for the reader's busy word (userfaultfd)
 *   WRONG_LOOK_NOT_BUSY      a look does not (userfaultfd)
 *
 * An `atomic` holds steps that touch nothing another thread can touch, beside at most one that does.
 */

#define BUFFERS 2
#define NOTHING 3

#ifndef ENTRIES
#define ENTRIES 3	/* one more than buffers: a zombie lives beside its successor */
#endif

/* ---- memory ------------------------------------------------------------------------------- */

bool mapped[BUFFERS];	/* a page is there */
bool alive[BUFFERS];	/* Main has an ArrayBuffer there */
bool known[BUFFERS];	/* the manager has met that ArrayBuffer */
bool inside[BUFFERS];	/* Other is inside the calls that change a living buffer */
bool posting[BUFFERS];	/* Main is about to post on it: the program keeps Other away, as it must */

/* ---- the monitor's shared area ------------------------------------------------------------- */

bool watched[ENTRIES];	/* the slot is monitored */
bool flag[ENTRIES];
chan ring = [ENTRIES] of { byte };
byte unread;		/* user_delta - seen: to Main, user_delta has changed where this is not 0 */
bool lock;		/* held while a slot fires; monitor and unmonitor take it */

bool invalidating[BUFFERS];	/* dreg: between the notifier's start and end */

bool armed[BUFFERS];	/* userfaultfd: the mapping sends events */
byte event = NOTHING;	/* the event that waits to be read: whoever caused it waits too */
bool changing;		/* mmap_changing: from before the unmapping until the event is read */
bool busy;		/* the reader may be between its read and its flags */

/* ---- the registration cache: Main's own; a slot is the entry's index ------------------------- */

byte buffer[ENTRIES];
bool registered[ENTRIES];
bool fresh[ENTRIES];	/* the pages registered are those mapped now: what Main cannot see */
bool cached[ENTRIES];	/* in the index */
bool valid[ENTRIES];	/* not seen to have fired */
bool leased[ENTRIES];
bool underway[ENTRIES];	/* an operation is */

/* ---- Other: what the kernel does when memory changes ---------------------------------------- */

/* M2: flag, ring, user_delta, in this order. M3: a slot fires once. */
inline fire(s, b)
{
	if
	:: atomic { !lock && watched[s] && buffer[s] == b && !flag[s] -> lock = true };
#ifdef WRONG_DELTA_FIRST
		unread++;
		ring ! s;
		flag[s] = true;
#else
		flag[s] = true;
		ring ! s;
		unread++;
#endif
		lock = false
	:: atomic { !lock && !(watched[s] && buffer[s] == b && !flag[s]) -> skip }
	fi
}

inline fire_all(b)
{
	fire(0, b);
	fire(1, b);
#if ENTRIES > 2
	fire(2, b)
#endif
}

/* The page goes: registrations of it are stale from now on. */
inline page_goes(b)
{
	mapped[b] = false;
	fresh[0] = fresh[0] && buffer[0] != b;
	fresh[1] = fresh[1] && buffer[1] != b;
#if ENTRIES > 2
	fresh[2] = fresh[2] && buffer[2] != b
#endif
}

inline unmap(b)
{
#ifdef DREG
	invalidating[b] = true;
	fire_all(b);
	d_step { page_goes(b); invalidating[b] = false }
#else
	d_step {
		page_goes(b);
		if
		:: armed[b] -> armed[b] = false; changing = true; event = b
		:: else
		fi
	}
	/* munmap returns when its event has been read. The address is free before that. */
	event == NOTHING
#endif
}

proctype Other()
{
	byte b;

end:	do
	/* The collector frees what Main has dropped. */
	:: atomic { !alive[0] && mapped[0] -> b = 0 }; unmap(b); b = 0
	:: atomic { !alive[1] && mapped[1] -> b = 1 }; unmap(b); b = 0
	/* The program gives a living buffer other pages. */
	:: atomic {
		if
		:: alive[0] && !posting[0] -> b = 0
		:: alive[1] && !posting[1] -> b = 1
		fi;
		inside[b] = true };
		unmap(b);
		d_step { mapped[b] = true; inside[b] = false; b = 0 }
	od
}

proctype Reader()
{
	byte b;

end:	do
	:: event != NOTHING ->
		busy = true;
		d_step { b = event; event = NOTHING; changing = false };
		fire_all(b);
		d_step { b = 0; busy = false }
	od
}

/* ---- Main: what the manager does ------------------------------------------------------------ */

inline deregister(e)
{
	assert(!underway[e]);	/* 2 */
	registered[e] = false;
	fresh[e] = false
}

/* R3: what fired leaves the index at once. The ring says which; no lease: deregister. */
inline reap()
{
	do
	:: atomic { unread > 0 && nempty(ring) ->
		unread--;
		ring ? r;
		if
		:: watched[r] && flag[r] ->
			watched[r] = false;
			valid[r] = false;
			cached[r] = false;
			if
#ifndef WRONG_DEREGISTER_LEASED
			:: leased[r] -> skip
#endif
			:: else -> deregister(r)
			fi
		:: else
		fi;
		r = 0 }
	:: atomic { unread == 0 || empty(ring) -> break }
	od
}

/* The fence: all changes that began before it have set their flags. */
inline fence()
{
#ifdef UFFD
#ifndef WRONG_NO_FENCE
	!changing;
#ifndef WRONG_NO_BUSY
	!busy;
#endif
#endif
#endif
	skip
}

/* R2: first the busy word, then user_delta. */
inline look()
{
#ifdef UFFD
#ifndef WRONG_NO_BUSY
#ifndef WRONG_LOOK_NOT_BUSY
	!busy;
#endif
#endif
#endif
	reap()
}

inline monitor(e)
{
	atomic { !lock ->
		flag[e] = false;
		valid[e] = true;
#ifdef UFFD
		/* A hole sends no events: it cannot be monitored. */
		armed[buffer[e]] = mapped[buffer[e]];
		watched[e] = mapped[buffer[e]]
#else
		watched[e] = true
#endif
	};
#ifdef DREG
#ifndef WRONG_NO_WAIT
	!invalidating[buffer[e]]
#endif
#endif
}

/* M5: says whether the slot had fired. If so, the ring is read before the slot is used again. */
inline unmonitor(e)
{
	atomic { !lock ->
		fired = watched[e] && flag[e];
		watched[e] = false };
	if
	:: fired -> fired = false; reap()
	:: else
	fi
}

inline register(e)
{
	d_step {
		registered[e] = mapped[buffer[e]];
		fresh[e] = registered[e]
	}
}

/* The end of an entry that nobody can find and nobody holds. */
inline retire(e)
{
	unmonitor(e);
	atomic {
		if
		:: registered[e] -> deregister(e)
		:: else
		fi;
		flag[e] = false;
		valid[e] = false;
		buffer[e] = 0
	}
}

/* R1. What fired meanwhile is given up: here, the operation is then served without the cache. */
inline miss(e)
{
	d_step { buffer[e] = b; leased[e] = true };
#ifdef WRONG_REGISTER_FIRST
	register(e);
	monitor(e);
#else
	monitor(e);
	register(e);
#endif
	look();
	if
	:: valid[e] && watched[e] && registered[e] -> cached[e] = true
	:: else -> leased[e] = false; retire(e)
	fi
}

#define FREE(i) (!watched[i] && !registered[i] && !leased[i])
#define FOUND(i) (cached[i] && buffer[i] == b)
#define USES(i, b) (leased[i] && buffer[i] == b)
#define CURRENT(i, b) (cached[i] && leased[i] && buffer[i] == b)
#if ENTRIES > 2
#define ANY(what, b) (what(0, b) || what(1, b) || what(2, b))
#define CHOOSE(e) if :: e = 0 :: e = 1 :: e = 2 fi
#define FIRST(e, what) if :: what(0) -> e = 0 :: !what(0) && what(1) -> e = 1 :: \
	!what(0) && !what(1) && what(2) -> e = 2 :: else -> e = NOTHING fi
#define NO_LEASES (!leased[0] && !leased[1] && !leased[2])
#else
#define ANY(what, b) (what(0, b) || what(1, b))
#define CHOOSE(e) if :: e = 0 :: e = 1 fi
#define FIRST(e, what) if :: what(0) -> e = 0 :: !what(0) && what(1) -> e = 1 :: \
	else -> e = NOTHING fi
#define NO_LEASES (!leased[0] && !leased[1])
#endif

inline acquire()
{
	if
	:: !known[b] -> fence(); known[b] = true
	:: else
	fi;
	look();
	atomic {
		FIRST(e, FOUND);
		if
		:: e != NOTHING -> leased[e] = true; goto next
		:: else -> FIRST(e, FREE)
		fi
	};
	if
	:: e != NOTHING -> miss(e)
	:: else
	fi
}

inline post()
{
	/* The program does not change memory while it posts an operation on it. */
	atomic { !inside[b] -> posting[b] = true };
#ifdef WRONG_CHECK_FIRST
	if
	:: valid[e] -> look()
	:: else -> posting[b] = false; goto next
	fi;
#else
	look();
	if
	:: valid[e]
	:: else -> posting[b] = false; goto next
	fi;
#endif
	atomic {
		assert(registered[e] && fresh[e]);	/* 1 */
		underway[e] = true;
		posting[b] = false
	}
}

proctype Main()
{
	byte b, e, r;
	bool fired;

next:	atomic { b = 0; e = 0 };
	do
	:: atomic { if :: b = 0 :: b = 1 fi; CHOOSE(e);
		if
		/* A new buffer, wherever an address is free: the one before it may still be in munmap. */
		:: !alive[b] && !mapped[b] && !inside[b] ->
			mapped[b] = true; alive[b] = true; known[b] = false; goto next
		/* R4: the collector gets no buffer that is leased. */
		:: alive[b] && !ANY(USES, b) && !inside[b] -> alive[b] = false; goto next
		:: alive[b] && !ANY(CURRENT, b) -> goto to_acquire
		:: leased[e] && !underway[e] -> b = buffer[e]; goto to_post
		:: leased[e] && underway[e] -> assert(registered[e]); underway[e] = false; goto next
		:: leased[e] && !underway[e] -> goto to_release
		/* R5: woken by the monitor. */
		:: unread > 0 -> goto to_reap
		/* R7: evict what is idle. */
		:: cached[e] && !leased[e] -> cached[e] = false; goto to_retire
		:: NO_LEASES -> goto quiet
		:: else -> goto next
		fi }
	od;

to_acquire:
	acquire(); goto next;
to_post:
	post(); goto next;
to_release:
	leased[e] = false;
	if
	:: cached[e] -> goto next
	:: else
	fi;
to_retire:
	retire(e); goto next;
to_reap:
	reap(); goto next;

	/* No traffic any more. The monitor wakes the reaper as often as it must. */
quiet:	atomic { alive[0] = false; alive[1] = false; b = 0; e = 0 };
	!mapped[0] && !mapped[1] && event == NOTHING && !busy;
	reap();
	assert(!registered[0] && !registered[1])	/* 3 */
#if ENTRIES > 2
	;
	assert(!registered[2])
#endif
}

init {
	atomic {
		run Main();
		run Other();
#ifdef UFFD
		run Reader()
#endif
	}
}
