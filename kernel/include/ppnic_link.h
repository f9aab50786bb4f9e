/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Link attributes of ppnic (IFLA_INFO_DATA).
 *
 * PPNIC_INFO_PEER nests a struct ifinfomsg and the peer's own IFLA_*
 * attributes, as VETH_INFO_PEER does.
 */
#ifndef PPNIC_LINK_H
#define PPNIC_LINK_H

enum {
	PPNIC_INFO_UNSPEC,
	PPNIC_INFO_PEER,

	__PPNIC_INFO_MAX
};

#define PPNIC_INFO_MAX (__PPNIC_INFO_MAX - 1)

#endif /* PPNIC_LINK_H */
