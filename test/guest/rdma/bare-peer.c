// SPDX-License-Identifier: MIT
/*
 * bare-peer DEVICE GID-INDEX: a peer that knows libibverbs and nothing of this project. It exposes
 * memory and tells where on stdout, connects with the queue pair that stdin names, and then does what
 * stdin says, one command a line:
 *
 *   fill BYTE      fills its memory
 *   read           RDMA READ of the other side's memory into its own
 *   write          RDMA WRITE of its memory to the other side's
 *   show           prints its memory as `same BYTE`, or `differs AT`
 *
 * Lines: `LID QPN PSN GID ADDRESS RKEY MTU` in hexadecimal from either side; then `STATUS N` for an
 * operation, with the completion's status.
 */
#include <infiniband/verbs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH (256 * 1024)
#define PSN 0x00abcd

struct end {
	unsigned int lid, qpn, psn;
	union ibv_gid gid;
	uint64_t address;
	unsigned int rkey;
	unsigned int mtu;
};

static unsigned char *memory;
static struct ibv_mr *mr;
static struct ibv_cq *cq;
static struct ibv_qp *qp;

static void require(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (struct ibv_device **at = list; at && *at; at++)
		if (!strcmp(ibv_get_device_name(*at), name))
			return ibv_open_device(*at);
	return NULL;
}

static void make_queue_pair(struct ibv_context *context)
{
	struct ibv_pd *pd = ibv_alloc_pd(context);
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1 },
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
	};

	require(!!pd, "ibv_alloc_pd");
	memory = aligned_alloc(4096, LENGTH);
	require(!!memory, "aligned_alloc");
	mr = ibv_reg_mr(pd, memory, LENGTH,
			IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
	require(!!mr, "ibv_reg_mr");
	cq = ibv_create_cq(context, 16, NULL, NULL, 0);
	require(!!cq, "ibv_create_cq");
	init.send_cq = cq;
	init.recv_cq = cq;
	qp = ibv_create_qp(pd, &init);
	require(!!qp, "ibv_create_qp");
	require(!ibv_modify_qp(qp, &attr,
			       IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				       IBV_QP_ACCESS_FLAGS),
		"ibv_modify_qp to INIT");
}

static void tell(struct ibv_context *context, int gid_index)
{
	struct ibv_port_attr port;
	union ibv_gid gid;

	require(!ibv_query_port(context, 1, &port), "ibv_query_port");
	require(!ibv_query_gid(context, 1, gid_index, &gid), "ibv_query_gid");
	printf("%x %x %x ", port.lid, qp->qp_num, PSN);
	for (int i = 0; i < 16; i++)
		printf("%02x", gid.raw[i]);
	printf(" %" PRIx64 " %x %x\n", (uint64_t)(uintptr_t)memory, mr->rkey,
	       128u << port.active_mtu);
}

static struct end hear(void)
{
	struct end end;
	char gid[33];

	require(scanf("%x %x %x %32s %" SCNx64 " %x %x", &end.lid, &end.qpn, &end.psn, gid,
		      &end.address, &end.rkey, &end.mtu) == 7,
		"the other side's line");
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		require(sscanf(gid + 2 * i, "%2x", &byte) == 1, "the other side's GID");
		end.gid.raw[i] = byte;
	}
	return end;
}

static void join(const struct end *end, int gid_index)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.dest_qp_num = end->qpn,
		.rq_psn = end->psn,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.dlid = end->lid,
			.port_num = 1,
			.grh = { .dgid = end->gid, .sgid_index = gid_index, .hop_limit = 64 },
		},
	};

	for (attr.path_mtu = IBV_MTU_256; (128u << attr.path_mtu) < end->mtu;)
		attr.path_mtu++;
	require(!ibv_modify_qp(qp, &attr,
			       IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				       IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				       IBV_QP_MIN_RNR_TIMER),
		"ibv_modify_qp to RTR");
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 14;
	attr.retry_cnt = 6;
	attr.rnr_retry = 6;
	attr.sq_psn = PSN;
	attr.max_rd_atomic = 1;
	require(!ibv_modify_qp(qp, &attr,
			       IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				       IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC),
		"ibv_modify_qp to RTS");
}

static void operate(enum ibv_wr_opcode opcode, const struct end *end)
{
	struct ibv_sge sge = { (uintptr_t)memory, LENGTH, mr->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { end->address, end->rkey },
	};
	struct ibv_send_wr *bad;
	struct ibv_wc wc;
	int count;

	require(!ibv_post_send(qp, &wr, &bad), "ibv_post_send");
	do
		count = ibv_poll_cq(cq, 1, &wc);
	while (count == 0);
	require(count == 1, "ibv_poll_cq");
	printf("STATUS %d\n", wc.status);
}

static void show(void)
{
	size_t at = 1;

	while (at < LENGTH && memory[at] == memory[0])
		at++;
	if (at == LENGTH)
		printf("same %d\n", memory[0]);
	else
		printf("differs %zu\n", at);
}

int main(int argc, char **argv)
{
	int gid_index = argc == 3 ? atoi(argv[2]) : 0;
	struct ibv_context *context = argc == 3 ? open_device(argv[1]) : NULL;
	char word[16];
	struct end end;

	require(!!context, "usage: bare-peer DEVICE GID-INDEX");
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_queue_pair(context);
	tell(context, gid_index);
	end = hear();
	join(&end, gid_index);
	puts("joined");
	while (scanf("%15s", word) == 1) {
		int byte;

		if (!strcmp(word, "read"))
			operate(IBV_WR_RDMA_READ, &end);
		else if (!strcmp(word, "write"))
			operate(IBV_WR_RDMA_WRITE, &end);
		else if (!strcmp(word, "show"))
			show();
		else if (!strcmp(word, "fill") && scanf("%d", &byte) == 1)
			memset(memory, byte, LENGTH), puts("filled");
		else
			return 2;
	}
	return 0;
}
