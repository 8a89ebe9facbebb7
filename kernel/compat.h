/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What older kernels lack.  Kbuild looks into the kernel's headers and says
 * what is there; a module inside the kernel's tree needs nothing of this.
 */
#ifndef DREG_COMPAT_H
#define DREG_COMPAT_H

#include <linux/mm.h>

#ifndef DREG_HAVE_VM_FLAGS_MOD
static inline void vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#endif /* DREG_COMPAT_H */
