// SPDX-License-Identifier: GPL-2.0
/*
 * libfabric's registration cache over verbs;ofi_rxm: a buffer is sent, unmapped,
 * mapped again at the same place with other bytes, and sent again.  With a
 * monitor that notices nothing, and with memhooks where the memory goes away by
 * a bare system call, the old bytes arrive; with libdreg-ofi the new ones.
 *
 * Each in a process of its own, since libfabric takes one monitor a process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg-ofi.h"
#include "memory.h"
#include "tap.h"

enum { BYTES = 1 << 20, TIMES = 20, FAILED = 99 };

struct end {
	struct fid_ep *endpoint;
	struct fid_cq *queue;
	struct fid_av *addresses;
};

static struct fi_info *info;
static struct fid_domain *domain;
static struct end left, right;
static fi_addr_t to_right;

static void need(long result, const char *what)
{
	if (result >= 0)
		return;
	printf("# %s: %s\n", what, fi_strerror((int)-result));
	fflush(stdout);
	_exit(FAILED);
}

static void find_provider(const char *address)
{
	struct fi_info *hints = fi_allocinfo();

	hints->caps = FI_MSG;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	hints->fabric_attr->prov_name = strdup("verbs;ofi_rxm");
	need(fi_getinfo(FI_VERSION(1, 13), address, NULL, FI_SOURCE, hints, &info),
	     "fi_getinfo");
	fi_freeinfo(hints);
}

static void open_end(struct end *end)
{
	struct fi_cq_attr queue = { .format = FI_CQ_FORMAT_MSG };
	struct fi_av_attr addresses = { .type = FI_AV_TABLE };

	need(fi_cq_open(domain, &queue, &end->queue, NULL), "fi_cq_open");
	need(fi_av_open(domain, &addresses, &end->addresses, NULL), "fi_av_open");
	need(fi_endpoint(domain, info, &end->endpoint, NULL), "fi_endpoint");
	need(fi_ep_bind(end->endpoint, &end->queue->fid, FI_SEND | FI_RECV), "bind");
	need(fi_ep_bind(end->endpoint, &end->addresses->fid, 0), "bind");
	need(fi_enable(end->endpoint), "fi_enable");
}

static void open_all(const char *address)
{
	struct fid_fabric *fabric;
	char name[256];
	size_t bytes = sizeof(name);

	find_provider(address);
	need(fi_fabric(info->fabric_attr, &fabric, NULL), "fi_fabric");
	need(fi_domain(fabric, info, &domain, NULL), "fi_domain");
	open_end(&left);
	open_end(&right);
	need(fi_getname(&right.endpoint->fid, name, &bytes), "fi_getname");
	if (fi_av_insert(left.addresses, name, 1, &to_right, 0, NULL) != 1)
		need(-FI_EOTHER, "fi_av_insert");
}

/* Each end makes progress only while its queue is read. */
static int poll_queue(struct end *end)
{
	struct fi_cq_msg_entry entry;
	ssize_t got = fi_cq_read(end->queue, &entry, 1);

	if (got == -FI_EAVAIL) {
		struct fi_cq_err_entry error = { 0 };

		fi_cq_readerr(end->queue, &error, 0);
		need(-error.err, "completion");
	}
	return got == 1;
}

static void carry(void *from, void *to)
{
	int sent = 0, received = 0;
	long posted;

	need(fi_recv(right.endpoint, to, BYTES, NULL, FI_ADDR_UNSPEC, NULL), "fi_recv");
	do {
		posted = fi_send(left.endpoint, from, BYTES, NULL, to_right, NULL);
		received += poll_queue(&right);
		sent += poll_queue(&left);
	} while (posted == -FI_EAGAIN);
	need(posted, "fi_send");
	while (!sent || !received) {
		received += poll_queue(&right);
		sent += poll_queue(&left);
	}
}

/* By the kernel itself, which no hook sees. */
static void renew(unsigned char *buffer, int byte)
{
	if (syscall(SYS_munmap, buffer, BYTES))
		need(-errno, "munmap");
	if (syscall(SYS_mmap, buffer, BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (long)buffer)
		need(-errno, "mmap");
	memset(buffer, byte, BYTES);
}

/* 0 if what arrives is always what was sent; 1 if it was old bytes. */
static int carry_through(void)
{
	unsigned char *buffer = memory_hole(BYTES, PAGE), *landing = memory_pages(BYTES / PAGE);
	int i, old = 0;

	memory_map_at(buffer, BYTES);
	memset(buffer, 1, BYTES);
	for (i = 1; i <= TIMES; i++) {
		carry(buffer, landing);
		old += !memory_is(landing, (unsigned char)i, BYTES);
		/* And once more, a hit, while nothing has changed. */
		carry(buffer, landing);
		old += !memory_is(landing, (unsigned char)i, BYTES);
		renew(buffer, i + 1);
	}
	printf("# %d of %d messages had old bytes\n", old, 2 * TIMES);
	fflush(stdout);
	return old > 0;
}

static int start_blind(struct fid_mem_monitor *monitor)
{
	(void)monitor;
	return 0;
}

static void stop_blind(struct fid_mem_monitor *monitor)
{
	(void)monitor;
}

static int subscribe_blind(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	(void)monitor, (void)addr, (void)len;
	return 0;
}

static void unsubscribe_blind(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	(void)monitor, (void)addr, (void)len;
}

static bool valid_blind(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	(void)monitor, (void)addr, (void)len;
	return true;
}

static struct fi_ops_mem_monitor blind_operations = {
	.size = sizeof(blind_operations),
	.start = start_blind,
	.stop = stop_blind,
	.subscribe = subscribe_blind,
	.unsubscribe = unsubscribe_blind,
	.valid = valid_blind,
};

static struct fid_mem_monitor blind = {
	.fid = { .fclass = FI_CLASS_MEM_MONITOR },
	.export_ops = &blind_operations,
};

static int run(const char *monitor, const char *address)
{
	if (!strcmp(monitor, "dreg"))
		need(dreg_ofi_import(), "dreg_ofi_import");
	else if (!strcmp(monitor, "blind"))
		need(fi_import(FI_VERSION(1, 13), "mr_cache", NULL, 0, 0, &blind.fid, NULL),
		     "fi_import");
	else
		setenv("FI_MR_CACHE_MONITOR", monitor, 1);
	open_all(address);
	if (!strcmp(monitor, "dreg") && dreg_ofi_import() != -EBUSY)
		return FAILED - 1;
	return carry_through();
}

static int run_apart(const char *monitor, const char *address)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(run(monitor, address));
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("fork");
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		tap_diag("%s: wait status 0x%x", monitor, status);
	return status;
}

int main(int argc, char **argv)
{
	const char *address = argc > 1 ? argv[1] : NULL;

	/* Else the completion queue would have more places than rxe can give. */
	setenv("FI_UNIVERSE_SIZE", "2", 1);
	tap_ok(run_apart("blind", address) == 1 << 8,
	       "libfabric, nothing is noticed: old bytes arrive");
	tap_ok(run_apart("memhooks", address) == 1 << 8,
	       "libfabric, memhooks, and memory that goes by a system call: old bytes arrive");
	tap_ok(run_apart("disabled", address) == 0,
	       "libfabric, no cache: what arrives is what was sent");
	tap_ok(run_apart("dreg", address) == 0,
	       "libfabric, dreg: what arrives is what was sent");
	return finish();
}
