// SPDX-License-Identifier: GPL-2.0
#include "swap.h"

#include <stdlib.h>
#include <sys/swap.h>

#include "memory.h"

bool swap_on(void)
{
	if (system("modprobe zram num_devices=1 2>/dev/null") ||
	    write_text("/sys/block/zram0/disksize", "64M") ||
	    system("mkswap /dev/zram0 >/dev/null 2>&1"))
		return false;
	return swapon("/dev/zram0", 0) == 0;
}

void swap_off(void)
{
	must(swapoff("/dev/zram0"), "swapoff");
	must(write_text("/sys/block/zram0/reset", "1"), "reset zram");
	must(system("modprobe -r zram"), "unload zram");
}
