/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * libdreg-ofi: dreg as the memory monitor of libfabric's registration cache.
 */
#ifndef LIBDREG_OFI_H
#define LIBDREG_OFI_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * dreg_ofi_import - make libfabric's cache ask dreg from now on
 *
 * Once in a process, before it opens a domain that caches: libfabric does not
 * replace a monitor that is in use.  There is no way back.
 *
 * Return: 0, or a negative errno: -ENOENT and the others of dreg_open(); -EBUSY
 * where a domain is open or another monitor was imported; -ENOSYS where
 * libfabric has no such interface.
 */
int dreg_ofi_import(void);

#ifdef __cplusplus
}
#endif

#endif /* LIBDREG_OFI_H */
