// SPDX-License-Identifier: GPL-2.0
#include "finish.h"

#include "device.h"
#include "tap.h"

int finish(void)
{
	tap_ok(device_counter_becomes("contexts", 0) &&
	       device_counter_becomes("ranges", 0) &&
	       device_counter_becomes("bytes", 0),
	       "leaks: no context, no range and no byte is left");
	return tap_done();
}
