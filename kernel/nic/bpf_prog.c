// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP programs of the device's own (xdpoffload): how they are loaded and put to
 * a port.
 *
 * A program that is loaded for a port is verified as any other, and each
 * instruction is shown to the device, which says what it cannot do
 * (bpf_prog_offload_ops). What it keeps is the program as user space wrote it,
 * with the addresses of the maps: the host's code is made for the host's
 * structures. What the verifier then leaves out, since it is never reached,
 * stays in this copy, and is never reached. What it hardens for those who may
 * not see the kernel's memory is not in it: they are refused.
 */
#include <linux/bpf_verifier.h>
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "bpf.h"
#include "ppnic.h"

static struct ppnic_bpf_prog *ppnic_bpf_priv(const struct bpf_prog *prog)
{
	return prog->aux->offload->dev_priv;
}

/* ----------------------------------------------------------------- loading */

static int ppnic_bpf_prepare(struct bpf_prog *prog)
{
	struct ppnic_bpf_prog *p;

	p = kvzalloc(struct_size(p, insns, prog->len),
		     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!p)
		return -ENOMEM;
	p->ctx = bitmap_zalloc(prog->len, GFP_KERNEL_ACCOUNT);
	if (!p->ctx) {
		kvfree(p);
		return -ENOMEM;
	}
	p->len = prog->len;
	memcpy(p->insns, prog->insnsi, flex_array_size(p, insns, p->len));
	prog->aux->offload->dev_priv = p;
	return 0;
}

/* The register that points to what an instruction reads or writes; or -1. */
static int ppnic_bpf_pointer(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LDX:
		return insn->src_reg;
	case BPF_ST:
	case BPF_STX:
		return insn->dst_reg;
	default:
		return -1;
	}
}

/* Does it point to what the device has? Not, for one, to the kernel's own
 * structures, which the host reads with exceptions caught.
 */
static bool ppnic_bpf_reaches(struct bpf_verifier_env *env, int reg, bool *ctx)
{
	*ctx = false;
	if (reg < 0)
		return true;
	if (reg >= MAX_BPF_REG)
		return false;
	switch (cur_regs(env)[reg].type) {
	case PTR_TO_CTX:
		*ctx = true;
		return true;
	case PTR_TO_STACK:
	case PTR_TO_MAP_VALUE:
	case PTR_TO_PACKET:
		return true;
	default:
		return false;
	}
}

/* The core has seen that arrays and hash tables are this device's, and lets
 * others through that are nobody's.
 */
static bool ppnic_bpf_has_map(const struct bpf_insn *insn)
{
	struct bpf_map *map;

	if (insn->code != (BPF_LD | BPF_IMM | BPF_DW) ||
	    insn->src_reg != BPF_PSEUDO_MAP_FD)
		return true;
	map = (void *)(unsigned long)((u32)insn[0].imm | (u64)(u32)insn[1].imm
								 << 32);
	return map->map_type == BPF_MAP_TYPE_ARRAY ||
	       map->map_type == BPF_MAP_TYPE_HASH;
}

static int ppnic_bpf_verify(struct bpf_verifier_env *env, int idx, int prev_idx)
{
	struct ppnic_bpf_prog *p = ppnic_bpf_priv(env->prog);
	const struct bpf_insn *insn = &p->insns[idx];
	int err = -EOPNOTSUPP;
	bool ctx;

	/* Who may not see the kernel's memory gets code that is hardened
	 * against speculation, and is verified along paths that are never
	 * taken: neither is for this processor. A kernel without mitigations
	 * does neither (bypass_spec_v1), but who may is not to depend on that.
	 */
	if (!env->allow_ptr_leaks) {
		bpf_verifier_log_write(env,
				       "[ppnic] a program in the device takes CAP_PERFMON\n");
		return -EPERM;
	}
	/* It comes here again for each state that it can be in. The verifier
	 * lets no instruction have the context in one and memory in another.
	 */
	if (ppnic_bpf_reaches(env, ppnic_bpf_pointer(insn), &ctx) &&
	    ppnic_bpf_has_map(insn))
		err = ppnic_bpf_known(insn, ctx);
	if (err)
		bpf_verifier_log_write(env,
				       "[ppnic] the device can't do instruction %d\n",
				       idx);
	else if (ctx)
		__set_bit(idx, p->ctx);
	return err;
}

/* The verifier may have had to move the program, and core and all have it where
 * it was when it was loaded: a device that goes then would find it there.
 */
static int ppnic_bpf_translate(struct bpf_prog *prog)
{
	prog->aux->offload->prog = prog;
	return 0;
}

static void ppnic_bpf_destroy(struct bpf_prog *prog)
{
	struct ppnic_bpf_prog *p = ppnic_bpf_priv(prog);

	bitmap_free(p->ctx);
	kvfree(p);
}

static const struct bpf_prog_offload_ops ppnic_bpf_dev_ops = {
	.insn_hook = ppnic_bpf_verify,
	.prepare = ppnic_bpf_prepare,
	.translate = ppnic_bpf_translate,
	.destroy = ppnic_bpf_destroy,
};

/**
 * ppnic_bpf_init() - let programs be loaded for a port
 * @port: the port
 *
 * Each port is a device of its own: a program of one is none of the other's.
 *
 * Context: process, RTNL held.
 * Return: 0 or a negative errno.
 */
int ppnic_bpf_init(struct ppnic_port *port)
{
	int err;

	port->bpf_dev = bpf_offload_dev_create(&ppnic_bpf_dev_ops, port);
	if (IS_ERR(port->bpf_dev))
		return PTR_ERR(port->bpf_dev);
	err = bpf_offload_dev_netdev_register(port->bpf_dev, port->dev);
	if (err)
		bpf_offload_dev_destroy(port->bpf_dev);
	return err;
}

/**
 * ppnic_bpf_exit() - undo ppnic_bpf_init()
 * @port: runs no program; those that were loaded for it are nobody's now
 *
 * Context: process, RTNL held.
 */
void ppnic_bpf_exit(struct ppnic_port *port)
{
	bpf_offload_dev_netdev_unregister(port->bpf_dev, port->dev);
	bpf_offload_dev_destroy(port->bpf_dev);
}

/* ---------------------------------------------------------------- attaching */

/**
 * ppnic_bpf_attach() - XDP_SETUP_PROG_HW of ndo_bpf
 * @port: the port
 * @bpf: the program, or NULL; the core has seen that it is this device's
 *
 * Context: process, RTNL held.
 * Return: 0 or -EINVAL.
 */
int ppnic_bpf_attach(struct ppnic_port *port, struct netdev_bpf *bpf)
{
	struct ppnic_bpf_prog *old, *new = NULL;

	if (bpf->prog) {
		if (!bpf_prog_is_offloaded(bpf->prog->aux)) {
			NL_SET_ERR_MSG(bpf->extack,
				       "xdpoffload takes a program that was loaded for this device");
			return -EINVAL;
		}
		new = ppnic_bpf_priv(bpf->prog);
		new->prog = bpf->prog;
	}
	old = rcu_replace_pointer(port->bpf, new, lockdep_rtnl_is_held());
	if (old) {
		/* The engine may still run it, and what it is made of goes with
		 * the last reference.
		 */
		synchronize_net();
		bpf_prog_put(old->prog);
	}
	return 0;
}
