// SPDX-License-Identifier: GPL-2.0-only
/* ppcat: netcat for device-memory TCP. See docs/ppcat.md. */
#include <stdio.h>

#include "options.h"
#include "report.h"
#include "rx.h"
#include "tx.h"

static int run(const struct options *o)
{
	struct report r;

	report_init(&r, o->json);
	if (o->listen)
		rx_run(o, &r);
	else
		tx_run(o, &r);

	/* Nobody could read the verdict: that's no success */
	if (ferror(r.out) || fflush(r.out))
		return EXIT_CANNOT;
	return report_exit_code(&r, o->expect_errno);
}

int main(int argc, char **argv)
{
	struct options o;
	char error[160];
	int ret = EXIT_OK;

	switch (options_parse(&o, argc, argv, error, sizeof(error))) {
	case OPTIONS_RUN:
		ret = run(&o);
		break;
	case OPTIONS_DONE:
		break;
	case OPTIONS_BAD:
		fprintf(stderr, "ppcat: %s (see ppcat --help)\n", error);
		ret = EXIT_CANNOT;
		break;
	}
	options_free(&o);
	return ret;
}
