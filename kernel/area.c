// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared area: header, flags, ring.
 *
 * User space maps it read-only and can never make it writable.  The module
 * does not read it back either: what it has to know is in struct dreg_context.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "dreg_internal.h"

struct dreg_area *dreg_area_create(u32 slots, u64 user_delta)
{
	size_t flag_offset = sizeof(struct dreg_shared);
	size_t ring_offset = ALIGN(flag_offset + slots, sizeof(u64));
	size_t bytes = PAGE_ALIGN(ring_offset + slots * sizeof(u32));
	struct dreg_area *area;

	area = dreg_test_fail() ? NULL : kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
	if (!area)
		return NULL;
	area->watches = dreg_test_fail() ? NULL :
		kvcalloc(slots, sizeof(*area->watches), GFP_KERNEL_ACCOUNT);
	/* Not vmalloc_user(): its pages would be charged to nobody. */
	area->shared = dreg_test_fail() ? NULL :
		__vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!area->watches || !area->shared) {
		dreg_area_destroy(area);
		return NULL;
	}

	area->slots = slots;
	area->bytes = bytes;
	area->flag = (u8 *)area->shared + flag_offset;
	area->ring = (u32 *)((u8 *)area->shared + ring_offset);
	area->shared->abi = DREG_ABI;
	area->shared->slots = slots;
	area->shared->flag_offset = flag_offset;
	area->shared->ring_offset = ring_offset;
	area->shared->user_delta = user_delta;
	return area;
}

void dreg_area_destroy(struct dreg_area *area)
{
	vfree(area->shared);
	kvfree(area->watches);
	kfree(area);
}

size_t dreg_area_kernel_bytes(const struct dreg_area *area)
{
	return sizeof(*area) + area->bytes + area->slots * sizeof(*area->watches);
}

/* Runs inside mmap_lock: may not take dreg_context.mutex, and need not. */
static vm_fault_t dreg_fault(struct vm_fault *vmf)
{
	struct dreg_context *context = vmf->vma->vm_private_data;
	struct dreg_area *area = dreg_area_of(context);
	unsigned long offset = vmf->pgoff << PAGE_SHIFT;

	if (vmf->pgoff >= area->bytes >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page((u8 *)area->shared + offset);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct dreg_vm_ops = {
	.fault = dreg_fault,
};

/*
 * DONTCOPY: a forked child has no business with its parent's flags, and a
 * fault there would be served from a context that it does not own.
 */
static void dreg_vma_restrict(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND, VM_MAYWRITE);
#else
	vma->vm_flags = (vma->vm_flags | VM_DONTCOPY | VM_DONTEXPAND) & ~VM_MAYWRITE;
#endif
}

int dreg_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dreg_context *context = file->private_data;
	struct dreg_area *area;

	if (!dreg_owned(context))
		return -EOWNERDEAD;
	area = dreg_area_of(context);
	if (!area)
		return -EBADFD;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > area->bytes)
		return -EINVAL;
	/* Not VM_SHARED, which the kernel takes away when fd is O_RDONLY. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;

	dreg_vma_restrict(vma);
	vma->vm_private_data = context;
	vma->vm_ops = &dreg_vm_ops;
	return 0;
}
