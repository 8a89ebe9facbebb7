// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* For programs that know nothing of it: LD_PRELOAD=libdreg-ofi-preload.so */
#include <stdio.h>
#include <string.h>

#include "libdreg-ofi.h"

__attribute__((constructor)) static void import(void)
{
	int error = dreg_ofi_import();

	/* It was asked for by name: that it is not there must not go unnoticed. */
	if (error)
		fprintf(stderr, "libdreg-ofi: no monitor imported: %s\n", strerror(-error));
}
