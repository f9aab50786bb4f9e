/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for provider "zone_device": brought by the driver of a device that
 * has some.
 */
#ifndef PPIOV_ZONE_DEVICE_H
#define PPIOV_ZONE_DEVICE_H

#include <linux/types.h>

struct device;
struct ppiov_zone;

struct ppiov_zone *ppiov_zone_add(struct device *dev, phys_addr_t start,
				  u64 size);
void ppiov_zone_del(struct ppiov_zone *zone);

#endif /* PPIOV_ZONE_DEVICE_H */
