// SPDX-License-Identifier: GPL-2.0
#include "rdma.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PORT = 1,
	CQ_ENTRIES = 16,
	/* Emulated machines are slow; a lost completion still ends the test. */
	COMPLETION_TIMEOUT_MS = 30000,
};

/* ::ffff:a.b.c.d, the only kind of address that rxe on lo can route. */
static int gid_is_ipv4(const union ibv_gid *gid)
{
	static const unsigned char prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(gid->raw, prefix, sizeof(prefix)) == 0;
}

static int find_gid(struct rdma *rdma, struct ibv_context *device)
{
	struct ibv_gid_entry entry;
	uint32_t index;

	for (index = 0; index < 16; index++) {
		if (ibv_query_gid_ex(device, PORT, index, &entry, 0))
			continue;
		if (entry.gid_type != IBV_GID_TYPE_ROCE_V2 ||
		    !gid_is_ipv4(&entry.gid))
			continue;
		rdma->gid = entry.gid;
		rdma->gid_index = (int)index;
		return 0;
	}
	return -1;
}

static int open_device(struct rdma *rdma)
{
	struct ibv_device **list;
	int count, i;

	list = ibv_get_device_list(&count);
	if (!list)
		return -1;
	for (i = 0; i < count && !rdma->device; i++) {
		struct ibv_context *device = ibv_open_device(list[i]);

		if (!device)
			continue;
		if (find_gid(rdma, device) == 0)
			rdma->device = device;
		else
			ibv_close_device(device);
	}
	ibv_free_device_list(list);
	if (rdma->device)
		return 0;
	errno = ENODEV;
	return -1;
}

static struct ibv_qp *make_qp(struct rdma *rdma)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = rdma->cq,
		.recv_cq = rdma->cq,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = CQ_ENTRIES, .max_recv_wr = 1,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return ibv_create_qp(rdma->pd, &attr);
}

static int qp_to_init(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = IBV_ACCESS_LOCAL_WRITE |
				   IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_READ,
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX |
			     IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int qp_to_ready(struct rdma *rdma, struct ibv_qp *qp, uint32_t peer)
{
	struct ibv_qp_attr rtr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = peer,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT,
			.grh = { .dgid = rdma->gid, .hop_limit = 64,
				 .sgid_index = (uint8_t)rdma->gid_index },
		},
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS,
		.timeout = 18,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 1,
	};
	int error;

	error = ibv_modify_qp(qp, &rtr, IBV_QP_STATE | IBV_QP_AV |
			      IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			      IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			      IBV_QP_MIN_RNR_TIMER);
	if (error)
		return error;
	return ibv_modify_qp(qp, &rts, IBV_QP_STATE | IBV_QP_TIMEOUT |
			     IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			     IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

static int connect_pair(struct rdma *rdma)
{
	int error;

	rdma->left = make_qp(rdma);
	rdma->right = make_qp(rdma);
	if (!rdma->left || !rdma->right)
		return -1;
	error = qp_to_init(rdma->left);
	if (!error)
		error = qp_to_init(rdma->right);
	if (!error)
		error = qp_to_ready(rdma, rdma->left, rdma->right->qp_num);
	if (!error)
		error = qp_to_ready(rdma, rdma->right, rdma->left->qp_num);
	if (!error)
		return 0;
	errno = error;
	return -1;
}

static int make_landing(struct rdma *rdma)
{
	void *landing = mmap(NULL, RDMA_LANDING_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (landing == MAP_FAILED)
		return -1;
	rdma->landing = landing;
	rdma->landing_mr = rdma_register(rdma, landing, RDMA_LANDING_BYTES);
	return rdma->landing_mr ? 0 : -1;
}

int rdma_open(struct rdma *rdma)
{
	int error;

	memset(rdma, 0, sizeof(*rdma));
	if (open_device(rdma))
		return -1;
	rdma->pd = ibv_alloc_pd(rdma->device);
	if (!rdma->pd)
		goto fail;
	rdma->channel = ibv_create_comp_channel(rdma->device);
	if (!rdma->channel)
		goto fail;
	rdma->cq = ibv_create_cq(rdma->device, CQ_ENTRIES, NULL,
				 rdma->channel, 0);
	if (!rdma->cq || make_landing(rdma) || connect_pair(rdma))
		goto fail;
	return 0;
fail:
	error = errno;
	rdma_close(rdma);
	errno = error;
	return -1;
}

void rdma_close(struct rdma *rdma)
{
	if (rdma->left)
		ibv_destroy_qp(rdma->left);
	if (rdma->right)
		ibv_destroy_qp(rdma->right);
	if (rdma->landing_mr)
		ibv_dereg_mr(rdma->landing_mr);
	if (rdma->landing)
		munmap(rdma->landing, RDMA_LANDING_BYTES);
	if (rdma->cq)
		ibv_destroy_cq(rdma->cq);
	if (rdma->channel)
		ibv_destroy_comp_channel(rdma->channel);
	if (rdma->pd)
		ibv_dealloc_pd(rdma->pd);
	if (rdma->device)
		ibv_close_device(rdma->device);
	memset(rdma, 0, sizeof(*rdma));
}

struct ibv_mr *rdma_register(struct rdma *rdma, void *addr, size_t len)
{
	return ibv_reg_mr(rdma->pd, addr, len, IBV_ACCESS_LOCAL_WRITE |
			  IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
}

/*
 * Sleeps for the completion event: in kernels where rxe works in a work queue
 * (6.12 does) a poll loop on the same core starves it.
 */
static int wait_completion(struct rdma *rdma)
{
	struct pollfd ready = { .fd = rdma->channel->fd, .events = POLLIN };
	struct ibv_cq *cq;
	struct ibv_wc wc;
	void *context;
	int found;

	for (;;) {
		found = ibv_poll_cq(rdma->cq, 1, &wc);
		if (found != 0)
			return found < 0 ? -1 : (int)wc.status;
		if (poll(&ready, 1, COMPLETION_TIMEOUT_MS) <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (ibv_get_cq_event(rdma->channel, &cq, &context))
			return -1;
		ibv_ack_cq_events(cq, 1);
		if (ibv_req_notify_cq(cq, 0))
			return -1;
	}
}

static int transfer(struct rdma *rdma, enum ibv_wr_opcode opcode,
		    struct ibv_mr *mr, const void *addr, size_t len)
{
	struct ibv_sge local = {
		.addr = (uintptr_t)addr,
		.length = (uint32_t)len,
		.lkey = mr->lkey,
	};
	struct ibv_send_wr request = {
		.sg_list = &local,
		.num_sge = 1,
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)rdma->landing,
			     .rkey = rdma->landing_mr->rkey },
	};
	struct ibv_send_wr *bad;
	int error;

	if (ibv_req_notify_cq(rdma->cq, 0))
		return -1;
	error = ibv_post_send(rdma->left, &request, &bad);
	if (error) {
		errno = error;
		return -1;
	}
	return wait_completion(rdma);
}

int rdma_carry_out(struct rdma *rdma, struct ibv_mr *mr, const void *addr,
		   void *out, size_t len)
{
	int status;

	if (len > RDMA_LANDING_BYTES) {
		errno = EINVAL;
		return -1;
	}
	memset(rdma->landing, 0xee, len);
	status = transfer(rdma, IBV_WR_RDMA_WRITE, mr, addr, len);
	if (status == 0)
		memcpy(out, rdma->landing, len);
	return status;
}

int rdma_carry_in(struct rdma *rdma, struct ibv_mr *mr, void *addr,
		  const void *in, size_t len)
{
	if (len > RDMA_LANDING_BYTES) {
		errno = EINVAL;
		return -1;
	}
	memcpy(rdma->landing, in, len);
	return transfer(rdma, IBV_WR_RDMA_READ, mr, addr, len);
}
