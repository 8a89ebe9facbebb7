/* SPDX-License-Identifier: GPL-2.0 */
/* The device without libdreg: bare calls, counters, module parameters. */
#ifndef DREG_SELFTESTS_DEVICE_H
#define DREG_SELFTESTS_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "dreg.h"

/* A descriptor of /dev/dreg, or a negative errno. */
int device_open(void);

/* An ioctl on it: 0 or a negative errno. */
int device_call(int fd, unsigned long command, void *argument);

/* SETUP with @slots: the bytes to map, or a negative errno. */
long device_setup(int fd, uint32_t slots);

/* One range. */
int device_monitor(int fd, uint32_t slot, const void *addr, uint64_t len);

/* One slot: 1 fired, 0 not, or a negative errno. */
int device_unmonitor(int fd, uint32_t slot);

/* A counter of /sys/class/misc/dreg/counters; bails out if there is none. */
long long device_counter(const char *name);

/* True once the counter is @value: a context ends a little after its fd. */
bool device_counter_becomes(const char *name, long long value);

/*
 * A parameter of the loaded module; the value it had.  Bails out if it cannot
 * be set; device_has_parameter() tells a test build from the shipped one.
 */
long long device_set_parameter(const char *name, long long value);
bool device_has_parameter(const char *name);

#endif
