// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared area: header, flags, ring.
 *
 * User space maps it read-only and can never make it writable.  The module
 * does not read it back either: what it has to know is in struct dreg_context.
 *
 * Its pages come one by one: by MONITOR, for all that the range's firing will
 * write (the invalidate callback may not allocate), and by page faults of who
 * reads.  So slots that nobody uses cost next to nothing.
 */
#include <linux/slab.h>

#include "dreg_internal.h"
#include "compat.h"

static unsigned long dreg_area_page_count(const struct dreg_area *area)
{
	return area->bytes >> PAGE_SHIFT;
}

static unsigned long dreg_area_table_count(const struct dreg_area *area)
{
	return DIV_ROUND_UP(area->slots, DREG_TABLE_SLOTS);
}

static size_t dreg_area_fixed_bytes(const struct dreg_area *area)
{
	return sizeof(*area) + dreg_area_page_count(area) * sizeof(*area->pages) +
	       dreg_area_table_count(area) * sizeof(*area->tables);
}

static void dreg_area_head(struct dreg_area *area, u64 user_delta)
{
	area->shared = page_address(area->pages[0]);
	area->shared->abi = DREG_ABI;
	area->shared->slots = area->slots;
	area->shared->flag_offset = area->flag_offset;
	area->shared->ring_offset = area->ring_offset;
	area->shared->user_delta = user_delta;
}

struct dreg_area *dreg_area_create(struct dreg_user *user, u32 slots, u64 user_delta)
{
	struct dreg_area *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);

	if (!area)
		return NULL;
	area->user = user;
	area->slots = slots;
	area->flag_offset = sizeof(struct dreg_shared);
	area->ring_offset = ALIGN(area->flag_offset + slots, sizeof(u64));
	area->bytes = PAGE_ALIGN(area->ring_offset + slots * sizeof(u32));
	dreg_count_bytes(dreg_area_fixed_bytes(area));

	area->pages = kvcalloc(dreg_area_page_count(area), sizeof(*area->pages),
			       GFP_KERNEL_ACCOUNT);
	area->tables = kvcalloc(dreg_area_table_count(area), sizeof(*area->tables),
				GFP_KERNEL_ACCOUNT);
	if (!area->pages || !area->tables || dreg_area_populate(area, 0)) {
		dreg_area_destroy(area);
		return NULL;
	}
	dreg_area_head(area, user_delta);
	return area;
}

void dreg_area_destroy(struct dreg_area *area)
{
	unsigned long i, pages = 0;

	for (i = 0; area->pages && i < dreg_area_page_count(area); i++) {
		if (!area->pages[i])
			continue;
		__free_page(area->pages[i]);
		pages++;
	}
	for (i = 0; area->tables && i < dreg_area_table_count(area); i++) {
		if (!area->tables[i])
			continue;
		kfree(area->tables[i]);
		pages++;
	}
	dreg_user_uncharge_pages(area->user, pages);
	dreg_count_bytes(-(long)(pages * PAGE_SIZE + dreg_area_fixed_bytes(area)));
	kvfree(area->tables);
	kvfree(area->pages);
	kfree(area);
}

/* The page that has the byte at @offset; page faults come here, too. */
int dreg_area_populate(struct dreg_area *area, size_t offset)
{
	struct page **place = &area->pages[offset >> PAGE_SHIFT];
	struct page *page;
	int error;

	if (dreg_area_has(area, offset))
		return 0;
	error = dreg_user_charge_page(area->user);
	if (error)
		return error;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (page && !cmpxchg(place, NULL, page)) {
		dreg_count_bytes(PAGE_SIZE);
		return 0;
	}
	dreg_user_uncharge_pages(area->user, 1);
	if (!page)
		return -ENOMEM;
	__free_page(page); /* another was first */
	return 0;
}

/* So that dreg_area_place() has one for @slot; its table must not be there. */
int dreg_area_add_table(struct dreg_area *area, u32 slot)
{
	struct dreg_table **table = &area->tables[slot / DREG_TABLE_SLOTS];
	int error = dreg_user_charge_page(area->user);

	BUILD_BUG_ON(sizeof(**table) != PAGE_SIZE);
	if (error)
		return error;
	*table = kzalloc(sizeof(**table), GFP_KERNEL_ACCOUNT);
	if (!*table) {
		dreg_user_uncharge_pages(area->user, 1);
		return -ENOMEM;
	}
	dreg_count_bytes(sizeof(**table));
	return 0;
}

/* Runs inside mmap_lock: may not take dreg_context.mutex, and need not. */
static vm_fault_t dreg_fault(struct vm_fault *vmf)
{
	struct dreg_context *context = vmf->vma->vm_private_data;
	struct dreg_area *area = dreg_area_of(context);
	int error;

	if (vmf->pgoff >= dreg_area_page_count(area))
		return VM_FAULT_SIGBUS;
	error = dreg_area_populate(area, vmf->pgoff << PAGE_SHIFT);
	if (error)
		return error == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	vmf->page = READ_ONCE(area->pages[vmf->pgoff]);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct dreg_vm_ops = {
	.fault = dreg_fault,
};

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

	/*
	 * DONTCOPY: a forked child has no business with its parent's flags, and
	 * a fault there would be served from a context that it does not own.
	 */
	vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND, VM_MAYWRITE);
	vma->vm_private_data = context;
	vma->vm_ops = &dreg_vm_ops;
	return 0;
}
