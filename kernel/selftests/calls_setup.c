// SPDX-License-Identifier: GPL-2.0
/* Row 34: a context that is not set up yet, is set up wrongly, or may only be read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "device.h"
#include "memory.h"
#include "tap.h"

void gives(long got, long wanted, const char *what)
{
	if (!tap_ok(got == wanted, "row 34, %s", what))
		tap_diag("%ld instead of %ld", got, wanted);
}

int new_context(void)
{
	int fd = device_open();

	if (fd < 0)
		tap_bail("open " DREG_DEVICE ": %d", fd);
	return fd;
}

long map_error(int fd, size_t bytes, int protection, int flags,
		      off_t offset)
{
	void *mapped = mmap(NULL, bytes, protection, flags, fd, offset);

	if (mapped == MAP_FAILED)
		return -errno;
	munmap(mapped, bytes);
	return 0;
}

static short poll_now(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };

	return poll(&state, 1, 0) < 0 ? -1 : state.revents;
}

static void before_setup(void)
{
	struct dreg_event event;
	int fd = new_context();

	gives(device_call(fd, _IO(DREG_IOC_MAGIC, 99), NULL), -ENOTTY,
	      "an unknown ioctl: ENOTTY");
	gives(device_monitor(fd, 0, NULL, PAGE), -EBADFD,
	      "MONITOR before SETUP: EBADFD");
	gives(device_unmonitor(fd, 0), -EBADFD,
	      "UNMONITOR before SETUP: EBADFD");
	gives(map_error(fd, PAGE, PROT_READ, MAP_SHARED, 0), -EBADFD,
	      "mmap before SETUP: EBADFD");
	gives(read(fd, &event, sizeof(event)) < 0 ? -errno : 0, -EBADFD,
	      "read before SETUP: EBADFD");
	gives(poll_now(fd), POLLERR, "poll before SETUP: POLLERR");
	close(fd);
}

static long setup_error(int fd, uint32_t abi, uint32_t slots)
{
	struct dreg_setup setup = { .abi = abi, .slots = slots };

	return device_call(fd, DREG_IOC_SETUP, &setup);
}

static void bad_setup(void)
{
	struct dreg_setup wrong = { .abi = DREG_ABI + 7, .slots = SLOTS };
	struct dreg_setup *unwritable = (void *)memory_pages(1);
	long long before;
	int fd = new_context();

	gives(device_call(fd, DREG_IOC_SETUP, NULL), -EFAULT,
	      "SETUP of a bad pointer: EFAULT");
	gives(device_call(fd, DREG_IOC_SETUP, &wrong), -EPROTONOSUPPORT,
	      "SETUP with another ABI: EPROTONOSUPPORT");
	gives(wrong.abi, DREG_ABI, "which tells the module's ABI");
	gives(setup_error(fd, DREG_ABI, 0), -EINVAL, "SETUP of 0 slots: EINVAL");
	gives(setup_error(fd, DREG_ABI, 24), -EINVAL,
	      "SETUP of 24 slots, no power of two: EINVAL");
	gives(setup_error(fd, DREG_ABI, DREG_SLOTS_MAX * 2), -EINVAL,
	      "SETUP of too many slots: EINVAL");
	before = device_set_parameter("max_slots", SLOTS / 2);
	gives(setup_error(fd, DREG_ABI, SLOTS), -EDQUOT,
	      "SETUP above max_slots: EDQUOT");
	device_set_parameter("max_slots", before);
	before = device_set_parameter("max_user_slots", SLOTS / 2);
	gives(setup_error(fd, DREG_ABI, SLOTS), -EDQUOT,
	      "SETUP above max_user_slots: EDQUOT");
	device_set_parameter("max_user_slots", before);
	unwritable->abi = DREG_ABI;
	unwritable->slots = SLOTS;
	must(mprotect(unwritable, PAGE, PROT_READ), "mprotect");
	gives(device_call(fd, DREG_IOC_SETUP, unwritable), -EFAULT,
	      "SETUP of an unwritable structure: EFAULT");
	gives(setup_error(fd, DREG_ABI, SLOTS), 0,
	      "SETUP after all of these succeeds");
	gives(setup_error(fd, DREG_ABI, SLOTS), -EALREADY,
	      "SETUP twice: EALREADY");
	munmap(unwritable, PAGE);
	close(fd);
}

static void bad_open(void)
{
	long long open_now = device_counter("contexts");
	int fd = new_context(), other;
	long long before = device_set_parameter("max_user_contexts",
						open_now + 1);

	other = device_open();
	gives(other, -EDQUOT, "open above max_user_contexts: EDQUOT");
	if (other >= 0)
		close(other);
	device_set_parameter("max_user_contexts", before);
	close(fd);
}

/* Reading is all that the area is for, so a read-only descriptor will do. */
static void read_only_descriptor(void)
{
	int fd = open(DREG_DEVICE, O_RDONLY | O_CLOEXEC);

	gives(fd < 0 || device_setup(fd, SLOTS) < 0, 0,
	      "a read-only descriptor can be set up");
	gives(map_error(fd, PAGE, PROT_READ, MAP_SHARED, 0), 0,
	      "and its area mapped");
	gives(map_error(fd, PAGE, PROT_READ, MAP_PRIVATE, 0), -EINVAL,
	      "but not privately: EINVAL");
	gives(map_error(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0),
	      -EACCES, "and not writable: EACCES");
	close(fd);
}

void calls_of_setup(void)
{
	before_setup();
	bad_setup();
	bad_open();
	read_only_descriptor();
}
