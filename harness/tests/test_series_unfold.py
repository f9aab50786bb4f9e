# SPDX-License-Identifier: GPL-2.0-only
"""What helpers mean, where they are called."""

from __future__ import annotations

import fake_archive
import pytest
from ppiov import suites
from ppiov.errors import BuildFailed
from ppiov.series.unfold import unfolded

STYLE = suites.find_source()
HEADER = """\
/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPIOV_COMPAT_X_H
#define PPIOV_COMPAT_X_H

#include <linux/b.h>

#define COMPAT_FLAG NEW_FLAG
#define COMPAT_OP_INIT(get, set) .get = get##_compat, .set_it = set
#define COMPAT_OP(get)                    \\
	static int get##_compat(int new)  \\
	{                                 \\
		return get(new, COMPAT_FLAG); \\
	}

/* Is called once. */
static inline int compat_get(struct net *net, int (*poll)(int a, int b))
{
	return core_get(&net->lock, poll);
}

static inline bool compat_same(const struct net *net, u32 size)
{
	return net->size == size;
}

static inline struct net *
compat_longer(struct net *tb[], u32 to)
{
	return to < 4 || to > 8 ? NULL : tb[0];
}

/* In two steps. */
static inline void compat_report(struct net *net)
{
	net->a = 1;
	net->b = 2;
}

static inline void compat_set(struct net *net, u32 size)
{
	net->size = size;
}

#endif /* PPIOV_COMPAT_X_H */
"""
FILE = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/a.h>
#include <linux/c.h>

#include "../compat/layout.h"
#include "../compat/x.h"
#include "y.h"

%s
"""
LAYOUT = "#ifndef PPIOV_COMPAT_LAYOUT_H\n#define PPIOV_COMPAT_LAYOUT_H\nstruct layout {\n\tint a;\n};\n#endif\n"


def made(text: str, name: str = "nic/a.c") -> str:
    fake_archive.need("clang-format")
    files = unfolded({"compat/x.h": HEADER, "compat/layout.h": LAYOUT, name: FILE % text}, STYLE)
    assert set(files) == {name, "include/ppiov/layout.h"}
    assert "PPIOV_LAYOUT_H" in files["include/ppiov/layout.h"]
    head, _, rest = files[name].partition('#include "y.h"\n')
    assert head.splitlines()[1:] == [
        *("#include <linux/a.h>", "#include <linux/b.h>", "#include <linux/c.h>", ""),
        '#include "../include/ppiov/layout.h"',
    ]
    return rest.strip()


@pytest.mark.parametrize(
    ("call", "meaning"),
    [
        ("int a = COMPAT_FLAG | 1;", "int a = NEW_FLAG | 1;"),
        ("a = compat_get(port->net, fn);", "a = core_get(&port->net->lock, fn);"),
        ("a = compat_get(&port->net, fn);", "a = core_get(&(&port->net)->lock, fn);"),
        ("if (compat_same(net, a(b, c)))\n\t\ta = 1;", "if (net->size == a(b, c))\n\t\ta = 1;"),
        ("if (!compat_same(net, 4))\n\t\ta = 1;", "if (net->size != 4)\n\t\ta = 1;"),
        ("a = b + compat_same(net, 4);", "a = b + (net->size == 4);"),
        ("a = !compat_same(net, 4) & 1;", "a = !(net->size == 4) & 1;"),
        ("a = compat_longer(tb, 5);", "a = 5 < 4 || 5 > 8 ? NULL : tb[0];"),
        ("compat_set(ports[i].net, 4);", "ports[i].net->size = 4;"),
    ],
)
def test_a_call_becomes_what_it_means(call: str, meaning: str) -> None:
    assert made(f"static void f(void)\n{{\n\t{call}\n}}") == f"static void f(void)\n{{\n\t{meaning}\n}}"


def test_operations_are_made_and_filled_in() -> None:
    text = made("COMPAT_OP(nic_get)\n\nstruct ops o = {\n\tCOMPAT_OP_INIT(nic_get, nic_set),\n};")
    assert text == (
        "static int nic_get_op(int new)\n{\n\treturn nic_get(new, NEW_FLAG);\n}\n\n"
        "struct ops o = {\n\t.get = nic_get_op,\n\t.set_it = nic_set,\n};"
    )


def test_what_is_no_expression_becomes_a_function_of_the_file() -> None:
    body = "static void f(struct net *net)\n{\n\tcompat_report(net);\n\tcompat_report(net);\n}"
    text = made(body, "pool/a.c")
    assert text.startswith("/* In two steps. */\nstatic void ppiov_report(struct net *net)\n{\n\tnet->a = 1;\n")
    assert text.count("ppiov_report(") == 3
    assert made(body).count("ppnic_report(") == 3
    # its address is taken; an argument would be computed twice
    assert "ops.set = ppnic_set;" in made("static void f(void)\n{\n\tops.set = compat_set;\n}")
    assert "ppnic_longer(tb, next())" in made("static void f(void)\n{\n\ta = compat_longer(tb, next());\n}")


def test_the_kernels_own_names_stay() -> None:
    text = "static const struct file_operations f = {\n\t.compat_ioctl = compat_ptr_ioctl,\n};"
    assert made(text) == text
    with pytest.raises(BuildFailed, match="not closed"):
        made("static void f(void)\n{\n\tcompat_set(net, 4;\n}")
