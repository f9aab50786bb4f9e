/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_TX_H
#define PPCAT_TX_H

#include "options.h"
#include "report.h"

void tx_run(const struct options *o, struct report *r);

#endif
