/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints dreg:monitor, dreg:unmonitor, dreg:fire, dreg:ignore. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dreg

#if !defined(DREG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DREG_TRACE_H

#include <linux/tracepoint.h>

#include "dreg.h"

TRACE_EVENT(monitor,
	TP_PROTO(u32 context, u32 slot, unsigned long start, unsigned long end),
	TP_ARGS(context, slot, start, end),
	TP_STRUCT__entry(
		__field(u32, context)
		__field(u32, slot)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->slot = slot;
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("context=%u slot=%u start=0x%lx end=0x%lx",
		  __entry->context, __entry->slot, __entry->start, __entry->end)
);

TRACE_EVENT(unmonitor,
	TP_PROTO(u32 context, u32 slot, bool fired),
	TP_ARGS(context, slot, fired),
	TP_STRUCT__entry(
		__field(u32, context)
		__field(u32, slot)
		__field(bool, fired)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->slot = slot;
		__entry->fired = fired;
	),
	TP_printk("context=%u slot=%u fired=%d",
		  __entry->context, __entry->slot, __entry->fired)
);

TRACE_EVENT(fire,
	TP_PROTO(u32 context, u32 slot, u32 reason, unsigned long start, unsigned long end),
	TP_ARGS(context, slot, reason, start, end),
	TP_STRUCT__entry(
		__field(u32, context)
		__field(u32, slot)
		__field(u32, reason)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->slot = slot;
		__entry->reason = reason;
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("context=%u slot=%u reason=%s start=0x%lx end=0x%lx",
		  __entry->context, __entry->slot,
		  __print_symbolic(__entry->reason,
				   { DREG_REASON_UNMAP, "unmap" },
				   { DREG_REASON_CLEAR, "clear" },
				   { DREG_REASON_MIGRATE, "migrate" },
				   { DREG_REASON_EXCLUSIVE, "exclusive" },
				   { DREG_REASON_RELEASE, "release" },
				   { DREG_REASON_OTHER, "other" }),
		  __entry->start, __entry->end)
);

/* A change of protection anywhere in the address space, monitored or not. */
TRACE_EVENT(ignore,
	TP_PROTO(u32 context, unsigned long start, unsigned long end),
	TP_ARGS(context, start, end),
	TP_STRUCT__entry(
		__field(u32, context)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("context=%u start=0x%lx end=0x%lx",
		  __entry->context, __entry->start, __entry->end)
);

#endif /* DREG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
