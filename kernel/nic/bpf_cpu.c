// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processor of the device: runs BPF programs on received frames.
 *
 * Instructions as in Documentation/bpf/standardization/instruction-set.rst,
 * those of RFC 9669 without functions, tail calls and the legacy packet access.
 * The kernel's verifier has seen each program, so what it says of pointers,
 * bounds and the end of loops holds here.
 *
 * A real device (drivers/net/ethernet/netronome/nfp/bpf/) has code made for it;
 * here each instruction is looked at. A program runs as the device does: on a
 * CPU of the kernel's, BH off.
 */
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/random.h>
#include <linux/unaligned.h>

#include "bpf.h"

#define PPNIC_BPF_SIGNED 1 /* offset of a signed division */

/* --------------------------------------------------------- what is known */

static bool ppnic_bpf_known_alu(const struct bpf_insn *insn)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_LSH:
	case BPF_RSH:
	case BPF_XOR:
	case BPF_ARSH:
	case BPF_NEG:
	case BPF_END:
		return !insn->off;
	case BPF_DIV:
	case BPF_MOD:
		return !insn->off || insn->off == PPNIC_BPF_SIGNED;
	case BPF_MOV:
		return !insn->off || insn->off == 8 || insn->off == 16 ||
		       (wide && insn->off == 32);
	default:
		return false;
	}
}

static bool ppnic_bpf_known_call(const struct bpf_insn *insn)
{
	if (insn->src_reg)
		return false;
	switch (insn->imm) {
	case BPF_FUNC_map_lookup_elem:
	case BPF_FUNC_map_update_elem:
	case BPF_FUNC_map_delete_elem:
	case BPF_FUNC_get_prandom_u32:
	case BPF_FUNC_xdp_adjust_head:
	case BPF_FUNC_xdp_adjust_tail:
		return true;
	default:
		return false;
	}
}

static bool ppnic_bpf_known_jump(const struct bpf_insn *insn)
{
	bool by_register = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
	case BPF_JNE:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JLT:
	case BPF_JLE:
	case BPF_JSGT:
	case BPF_JSGE:
	case BPF_JSLT:
	case BPF_JSLE:
	case BPF_JSET:
		return true;
	case BPF_JA:
	case BPF_EXIT:
		return !by_register;
	case BPF_CALL:
		return !by_register && ppnic_bpf_known_call(insn);
	default:
		return false;
	}
}

static bool ppnic_bpf_known_atomic(const struct bpf_insn *insn)
{
	switch (insn->imm) {
	case BPF_ADD:
	case BPF_ADD | BPF_FETCH:
	case BPF_AND:
	case BPF_AND | BPF_FETCH:
	case BPF_OR:
	case BPF_OR | BPF_FETCH:
	case BPF_XOR:
	case BPF_XOR | BPF_FETCH:
	case BPF_XCHG:
	case BPF_CMPXCHG:
		return true;
	default:
		return false;
	}
}

static bool ppnic_bpf_known_ctx(const struct bpf_insn *insn)
{
	if (BPF_SIZE(insn->code) != BPF_W || BPF_MODE(insn->code) != BPF_MEM)
		return false;
	if (BPF_CLASS(insn->code) == BPF_LDX)
		return insn->off == offsetof(struct xdp_md, data) ||
		       insn->off == offsetof(struct xdp_md, data_end);
	return insn->off == offsetof(struct xdp_md, rx_queue_index);
}

/**
 * ppnic_bpf_known() - can the device do this?
 * @insn: an instruction
 * @ctx: it is to or from the context
 *
 * Of the context a program may read where the frame is, and write the queue
 * that it goes to: there is none yet when it runs.
 *
 * Context: any.
 * Return: 0 or -EOPNOTSUPP.
 */
int ppnic_bpf_known(const struct bpf_insn *insn, bool ctx)
{
	u8 mode = BPF_MODE(insn->code);
	bool known = false;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		known = ppnic_bpf_known_alu(insn);
		break;
	case BPF_JMP:
		known = ppnic_bpf_known_jump(insn);
		break;
	case BPF_JMP32:
		known = BPF_OP(insn->code) != BPF_CALL &&
			BPF_OP(insn->code) != BPF_EXIT &&
			ppnic_bpf_known_jump(insn);
		break;
	case BPF_LD:
		known = insn->code == (BPF_LD | BPF_IMM | BPF_DW) &&
			(!insn->src_reg || insn->src_reg == BPF_PSEUDO_MAP_FD);
		break;
	case BPF_LDX:
		known = ctx ? ppnic_bpf_known_ctx(insn) :
			      mode == BPF_MEM || mode == BPF_MEMSX;
		break;
	case BPF_ST:
		known = ctx ? ppnic_bpf_known_ctx(insn) : mode == BPF_MEM;
		break;
	case BPF_STX:
		known = ctx ? ppnic_bpf_known_ctx(insn) :
			      mode == BPF_MEM || (mode == BPF_ATOMIC &&
						  ppnic_bpf_known_atomic(insn));
		break;
	}
	return known ? 0 : -EOPNOTSUPP;
}

/* -------------------------------------------------------------- arithmetic */

static u64 ppnic_bpf_swap(u64 value, s32 bits, bool swap)
{
	switch (bits) {
	case 16:
		return swap ? swab16(value) : (u16)value;
	case 32:
		return swap ? swab32(value) : (u32)value;
	default:
		return swap ? swab64(value) : value;
	}
}

static u64 ppnic_bpf_end(const struct bpf_insn *insn, u64 value)
{
#ifdef __LITTLE_ENDIAN
	bool swap = BPF_SRC(insn->code) == BPF_TO_BE;
#else
	bool swap = BPF_SRC(insn->code) == BPF_TO_LE;
#endif

	if (BPF_CLASS(insn->code) == BPF_ALU64)
		swap = true;
	return ppnic_bpf_swap(value, insn->imm, swap);
}

/* By zero: 0. The least number by -1: itself. */
static u64 ppnic_bpf_div(u64 dst, u64 src, bool with_sign)
{
	if (!src)
		return 0;
	if (!with_sign)
		return div64_u64(dst, src);
	return (s64)src == -1 ? -dst : div64_s64(dst, src);
}

/* By zero: what it was. */
static u64 ppnic_bpf_mod(u64 dst, u64 src, bool with_sign)
{
	return dst - ppnic_bpf_div(dst, src, with_sign) * src;
}

static u64 ppnic_bpf_extend(u64 value, s16 bits)
{
	return bits ? sign_extend64(value, bits - 1) : value;
}

/* @bits of both are valid, sign-extended if the operation has a sign. */
static u64 ppnic_bpf_calculate(const struct bpf_insn *insn, u64 dst, u64 src,
			       u32 bits)
{
	bool with_sign = insn->off == PPNIC_BPF_SIGNED;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		return dst + src;
	case BPF_SUB:
		return dst - src;
	case BPF_MUL:
		return dst * src;
	case BPF_DIV:
		return ppnic_bpf_div(dst, src, with_sign);
	case BPF_MOD:
		return ppnic_bpf_mod(dst, src, with_sign);
	case BPF_OR:
		return dst | src;
	case BPF_AND:
		return dst & src;
	case BPF_XOR:
		return dst ^ src;
	case BPF_LSH:
		return dst << (src & (bits - 1));
	case BPF_RSH:
		return dst >> (src & (bits - 1));
	case BPF_ARSH:
		return (s64)dst >> (src & (bits - 1));
	case BPF_NEG:
		return -dst;
	default: /* BPF_MOV */
		return ppnic_bpf_extend(src, insn->off);
	}
}

static u64 ppnic_bpf_alu(const struct bpf_insn *insn, u64 dst, u64 src)
{
	u8 op = BPF_OP(insn->code);
	bool with_sign = op == BPF_ARSH || ((op == BPF_DIV || op == BPF_MOD) &&
					    insn->off == PPNIC_BPF_SIGNED);

	if (op == BPF_END)
		return ppnic_bpf_end(insn, dst);
	if (BPF_CLASS(insn->code) == BPF_ALU64)
		return ppnic_bpf_calculate(insn, dst, src, 64);
	if (with_sign)
		return (u32)ppnic_bpf_calculate(insn, (s64)(s32)dst,
						(s64)(s32)src, 32);
	return (u32)ppnic_bpf_calculate(insn, (u32)dst, (u32)src, 32);
}

static bool ppnic_bpf_jumps(const struct bpf_insn *insn, u64 dst, u64 src)
{
	s64 sdst, ssrc;

	if (BPF_CLASS(insn->code) == BPF_JMP32) {
		sdst = (s32)dst;
		ssrc = (s32)src;
		dst = (u32)dst;
		src = (u32)src;
	} else {
		sdst = dst;
		ssrc = src;
	}
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return dst == src;
	case BPF_JNE:
		return dst != src;
	case BPF_JGT:
		return dst > src;
	case BPF_JGE:
		return dst >= src;
	case BPF_JLT:
		return dst < src;
	case BPF_JLE:
		return dst <= src;
	case BPF_JSGT:
		return sdst > ssrc;
	case BPF_JSGE:
		return sdst >= ssrc;
	case BPF_JSLT:
		return sdst < ssrc;
	case BPF_JSLE:
		return sdst <= ssrc;
	case BPF_JSET:
		return dst & src;
	default: /* BPF_JA */
		return true;
	}
}

/* ------------------------------------------------------------------ memory */

/* Maps are shared with user space and other queues; what comes of that is the
 * program's business.
 */
static __no_kcsan u64 ppnic_bpf_load(const struct bpf_insn *insn,
				     const void *from)
{
	bool with_sign = BPF_MODE(insn->code) == BPF_MEMSX;
	u64 value;

	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		value = *(const u8 *)from;
		return with_sign ? sign_extend64(value, 7) : value;
	case BPF_H:
		value = get_unaligned((const u16 *)from);
		return with_sign ? sign_extend64(value, 15) : value;
	case BPF_W:
		value = get_unaligned((const u32 *)from);
		return with_sign ? sign_extend64(value, 31) : value;
	default:
		return get_unaligned((const u64 *)from);
	}
}

static __no_kcsan void ppnic_bpf_store(const struct bpf_insn *insn, void *to,
				       u64 value)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		*(u8 *)to = value;
		break;
	case BPF_H:
		put_unaligned((u16)value, (u16 *)to);
		break;
	case BPF_W:
		put_unaligned((u32)value, (u32 *)to);
		break;
	default:
		put_unaligned(value, (u64 *)to);
		break;
	}
}

/* @src, or @r0, gets what was there, if the program asks. */
#define ppnic_bpf_atomic_op(kind, to, op, src, r0)                   \
	do {                                                         \
		void *__to = (to);                                   \
		typeof(src) __src = (src), __r0 = (r0);              \
		switch (op) {                                        \
		case BPF_ADD:                                        \
			kind##_add(*__src, __to);                    \
			break;                                       \
		case BPF_AND:                                        \
			kind##_and(*__src, __to);                    \
			break;                                       \
		case BPF_OR:                                         \
			kind##_or(*__src, __to);                     \
			break;                                       \
		case BPF_XOR:                                        \
			kind##_xor(*__src, __to);                    \
			break;                                       \
		case BPF_ADD | BPF_FETCH:                            \
			*__src = kind##_fetch_add(*__src, __to);     \
			break;                                       \
		case BPF_AND | BPF_FETCH:                            \
			*__src = kind##_fetch_and(*__src, __to);     \
			break;                                       \
		case BPF_OR | BPF_FETCH:                             \
			*__src = kind##_fetch_or(*__src, __to);      \
			break;                                       \
		case BPF_XOR | BPF_FETCH:                            \
			*__src = kind##_fetch_xor(*__src, __to);     \
			break;                                       \
		case BPF_XCHG:                                       \
			*__src = kind##_xchg(__to, *__src);          \
			break;                                       \
		case BPF_CMPXCHG:                                    \
			*__r0 = kind##_cmpxchg(__to, *__r0, *__src); \
			break;                                       \
		}                                                    \
	} while (0)

static void ppnic_bpf_atomic(const struct bpf_insn *insn, void *to, u64 *src,
			     u64 *r0)
{
	u32 narrow = *src, narrow0 = *r0;

	if (BPF_SIZE(insn->code) == BPF_DW) {
		ppnic_bpf_atomic_op(atomic64, to, insn->imm, src, r0);
		return;
	}
	ppnic_bpf_atomic_op(atomic, to, insn->imm, &narrow, &narrow0);
	/* What is fetched has no upper half. */
	if (insn->imm == BPF_CMPXCHG)
		*r0 = narrow0;
	else if (insn->imm & BPF_FETCH)
		*src = narrow;
}

/* ------------------------------------------------------------------- calls */

static s64 ppnic_bpf_adjust_head(struct ppnic_bpf_ctx *ctx, s32 delta)
{
	s64 at = ctx->data - ctx->start + (s64)delta;

	if (at < 0 || at > ctx->end - ctx->start - ETH_HLEN)
		return -EINVAL;
	ctx->data = ctx->start + at;
	return 0;
}

/* There is no memory behind the frame, as in no device so far. */
static s64 ppnic_bpf_adjust_tail(struct ppnic_bpf_ctx *ctx, s32 delta)
{
	s64 len = ctx->end - ctx->data + (s64)delta;

	if (delta > 0 || len < ETH_HLEN)
		return -EINVAL;
	ctx->end = ctx->data + len;
	return 0;
}

#define to_pointer(reg) ((void *)(unsigned long)(reg))
#define to_register(p)  ((u64)(unsigned long)(p))

static u64 ppnic_bpf_call(s32 id, const u64 *r)
{
	switch (id) {
	case BPF_FUNC_map_lookup_elem:
		return to_register(ppnic_bpf_map_lookup(to_pointer(r[1]),
							to_pointer(r[2])));
	case BPF_FUNC_map_update_elem:
		return ppnic_bpf_map_update(to_pointer(r[1]), to_pointer(r[2]),
					    to_pointer(r[3]), r[4]);
	case BPF_FUNC_map_delete_elem:
		return ppnic_bpf_map_delete(to_pointer(r[1]), to_pointer(r[2]));
	case BPF_FUNC_xdp_adjust_head:
		return ppnic_bpf_adjust_head(to_pointer(r[1]), r[2]);
	case BPF_FUNC_xdp_adjust_tail:
		return ppnic_bpf_adjust_tail(to_pointer(r[1]), r[2]);
	default: /* BPF_FUNC_get_prandom_u32 */
		return get_random_u32();
	}
}

/* ---------------------------------------------------------------- the loop */

static void ppnic_bpf_ctx_load(const struct bpf_insn *insn, u64 *dst,
			       const struct ppnic_bpf_ctx *ctx)
{
	*dst = to_register(insn->off == offsetof(struct xdp_md, data) ?
				   ctx->data :
				   ctx->end);
}

static void ppnic_bpf_ctx_store(struct ppnic_bpf_ctx *ctx, u32 queue)
{
	ctx->queue = queue;
	ctx->to_queue = true;
}

/**
 * ppnic_bpf_run() - run a program
 * @prog: the program
 * @ctx: the frame; changed by it
 *
 * Context: BH off, under RCU.
 * Return: what the program returns, an action of XDP if it makes sense.
 */
u32 ppnic_bpf_run(const struct ppnic_bpf_prog *prog, struct ppnic_bpf_ctx *ctx)
{
	u64 stack[MAX_BPF_STACK / sizeof(u64)];
	u64 r[MAX_BPF_REG] = {};
	u32 i = 0;

	r[BPF_REG_1] = to_register(ctx);
	r[BPF_REG_FP] = to_register(stack + ARRAY_SIZE(stack));

	for (;;) {
		const struct bpf_insn *insn = &prog->insns[i];
		bool is_ctx = test_bit(i, prog->ctx);
		u64 *dst = &r[insn->dst_reg], *src = &r[insn->src_reg];
		u64 operand = BPF_SRC(insn->code) == BPF_X ? *src :
							     (s64)insn->imm;

		i++;
		switch (BPF_CLASS(insn->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			*dst = ppnic_bpf_alu(insn, *dst, operand);
			break;
		case BPF_LD:
			*dst = (u32)insn->imm | (u64)(u32)prog->insns[i].imm
							<< 32;
			i++;
			break;
		case BPF_LDX:
			if (is_ctx)
				ppnic_bpf_ctx_load(insn, dst, ctx);
			else
				*dst = ppnic_bpf_load(insn, to_pointer(*src) +
								    insn->off);
			break;
		case BPF_ST:
			if (is_ctx)
				ppnic_bpf_ctx_store(ctx, insn->imm);
			else
				ppnic_bpf_store(insn,
						to_pointer(*dst) + insn->off,
						(s64)insn->imm);
			break;
		case BPF_STX:
			if (is_ctx)
				ppnic_bpf_ctx_store(ctx, *src);
			else if (BPF_MODE(insn->code) == BPF_ATOMIC)
				ppnic_bpf_atomic(insn,
						 to_pointer(*dst) + insn->off,
						 src, &r[BPF_REG_0]);
			else
				ppnic_bpf_store(insn,
						to_pointer(*dst) + insn->off,
						*src);
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_EXIT)
				return r[BPF_REG_0];
			if (BPF_OP(insn->code) == BPF_CALL)
				r[BPF_REG_0] = ppnic_bpf_call(insn->imm, r);
			else if (ppnic_bpf_jumps(insn, *dst, operand))
				i += insn->off;
			break;
		case BPF_JMP32:
			if (BPF_OP(insn->code) == BPF_JA)
				i += insn->imm;
			else if (ppnic_bpf_jumps(insn, *dst, operand))
				i += insn->off;
			break;
		}
	}
}
