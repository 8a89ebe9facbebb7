/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The truth about a registration: which bytes does it really carry?
 *
 * Two reliable-connection queue pairs of one process, connected to each other
 * on one device (rdma_rxe over lo in the guest).  The left one posts; the
 * right one is only written to and read from.  A registration under test is
 * the local side of the left one's operations, the landing buffer, which no
 * test ever unmaps, is the remote side.
 */
#ifndef DREG_SELFTESTS_RDMA_H
#define DREG_SELFTESTS_RDMA_H

#include <infiniband/verbs.h>
#include <stddef.h>

enum { RDMA_LANDING_BYTES = 64 * 1024 };

struct rdma {
	struct ibv_context *device;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *left;
	struct ibv_qp *right;
	struct ibv_mr *landing_mr;
	unsigned char *landing;
	union ibv_gid gid;
	int gid_index;
};

/* Returns 0, or -1 with errno (ENODEV: no device with an IPv4 RoCEv2 address). */
int rdma_open(struct rdma *rdma);
void rdma_close(struct rdma *rdma);

/* Pins [addr, addr + len); NULL with errno. */
struct ibv_mr *rdma_register(struct rdma *rdma, void *addr, size_t len);

/*
 * RDMA WRITE from @mr: the bytes which the registration holds for
 * [addr, addr + len), whatever is mapped there now, are copied to @out.
 * Returns the work completion's status, or -1.
 */
int rdma_carry_out(struct rdma *rdma, struct ibv_mr *mr, const void *addr,
		   void *out, size_t len);

/* RDMA READ into @mr: @in goes where the registration thinks @addr is. */
int rdma_carry_in(struct rdma *rdma, struct ibv_mr *mr, void *addr,
		  const void *in, size_t len);

#endif
